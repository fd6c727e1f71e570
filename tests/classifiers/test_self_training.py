"""The self-training classifier: what a pool teaches it, what it says, what it refuses, what survives saving."""

import numpy as np
import pytest

from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.self_training import SelfTrainingClassifier
from fewshot.core.errors import InputError
from tests.conftest import OPENINGS, TOPICS

USUAL = {"steps": 40, "batch_size": 8, "learning_rate": 3e-3, "device": "cpu", "folds": 0}


def quick(encoder, **changes):
    """Return a classifier that learns the toy task in a second."""
    return SelfTrainingClassifier(encoder, **USUAL | {"rounds": 2, "passes": 3, "per_round": 60} | changes)


def bridge():
    """Labelled texts with two words a topic, a pool where these meet the other words, test texts of those alone."""
    texts, labels, pool, test, truth = [], [], [], [], []
    for topic, (a, b, c, d, e) in TOPICS.items():
        for opening in OPENINGS[:3]:
            texts += [f"{opening} {a}", f"{opening} {b}"]
            labels += [topic] * 2
        for opening in OPENINGS:
            pool += [f"{opening} {known} {new}" for known in (a, b) for new in (c, d, e)]
            test += [f"{opening} {new}" for new in (c, d, e)]
            truth += [topic] * 3
    return texts, labels, pool, test, truth


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_pool_teaches_what_no_label_says(tiny_encoder, multi_label):
    """Prevents students that learn nothing from their pseudo-labels."""
    texts, labels, pool, test, truth = bridge()
    if multi_label:
        labels, truth = [(label,) for label in labels], [(label,) for label in truth]
    alone = FineTunedClassifier(tiny_encoder, **USUAL).fit(texts, labels)
    taught = quick(tiny_encoder, per_round=144).fit(texts, labels, unlabeled=pool)
    assert taught.score(test, truth) > alone.score(test, truth) + 0.1


def test_rounds_are_reported(tiny_encoder, single, pool):
    """Prevents rounds that nobody can follow."""
    report = quick(tiny_encoder, steps=4).fit(single.texts, single.labels, unlabeled=pool).report_
    assert report["chosen"] == "2 of 2 rounds"
    first, second = report["rounds"]
    assert (first["round"], first["changed"], first["score"]) == (1, None, None)
    assert first["pool"] == len(set(pool) - set(single.texts))
    assert list(first["classes"]) == ["billing", "delivery", "login"]
    assert sum(first["classes"].values()) == first["pseudo_labeled"] <= 60
    assert max(first["classes"].values()) <= 20
    assert 0 < first["uncertainty"] < np.log(3)
    assert 0.01 <= second["changed"] <= 1
    assert report["steps"] == 4
    assert report["teacher"]["chosen"].endswith("epochs")


def test_only_so_many_texts_are_looked_at(tiny_encoder, single, pool):
    """Prevents a pool of a million texts from being read ten times a round."""
    options = {"steps": 2, "rounds": 1, "max_unlabeled": 17}
    one, two, three = (
        quick(tiny_encoder, **options, random_state=seed).fit(single.texts, single.labels, unlabeled=pool)
        for seed in (0, 0, 1)
    )
    assert one.report_["rounds"][0]["pool"] == 17
    assert one.report_["rounds"][0]["pseudo_labeled"] <= 17
    np.testing.assert_array_equal(one.predict_proba(pool), two.predict_proba(pool))
    assert not np.allclose(one.predict_proba(pool), three.predict_proba(pool))


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_pool_of_one_text(tiny_encoder, task, request):
    """Prevents a pool smaller than what a round asks for from ending a fit."""
    toy = request.getfixturevalue(task)
    classifier = quick(tiny_encoder, steps=2).fit(toy.texts, toy.labels, unlabeled=["refund the parcel", toy.texts[0]])
    assert classifier.report_["rounds"][0]["pool"] == classifier.report_["rounds"][0]["pseudo_labeled"] == 1


def test_sampling_decides(tiny_encoder, single, pool):
    """Prevents ``sampling`` and ``balanced`` from being taken and forgotten on the way."""
    changes = ({}, {"sampling": "hard"}, {"balanced": False}, {"dropout": 0.4}, {"upper_layers": None})
    answers = [
        quick(tiny_encoder, steps=4, rounds=1, per_round=12, **change)
        .fit(single.texts, single.labels, unlabeled=pool)
        .predict_proba(pool)
        for change in changes
    ]
    assert not any(np.allclose(answers[0], other) for other in answers[1:])


def test_every_argument_survives_saving(tiny_folder, single, pool, tmp_path):
    """Prevents a classifier that cannot be fitted again as it was."""
    arguments = {
        "encoder": str(tiny_folder),
        "rounds": 1,
        "passes": 2,
        "per_round": 6,
        "max_unlabeled": 20,
        "sampling": "uniform",
        "balanced": False,
        "dropout": 0.2,
        "upper_layers": 1,
        "steps": 2,
        "folds": 0,
    }
    theirs = set(FineTunedClassifier().get_params()) - {"pruning", "quantization"}
    assert set(SelfTrainingClassifier().get_params()) == theirs | set(arguments)
    defaults = SelfTrainingClassifier().get_params()
    their_defaults = FineTunedClassifier().get_params()
    assert {name: defaults[name] for name in theirs} == {name: their_defaults[name] for name in theirs}
    classifier = SelfTrainingClassifier(**arguments).fit(single.texts, single.labels, unlabeled=pool)
    classifier.save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model", device="cpu")
    assert type(loaded) is SelfTrainingClassifier
    assert loaded.get_params() == defaults | arguments
    assert loaded.report_ == classifier.report_
    np.testing.assert_array_equal(loaded.predict_proba(pool), classifier.predict_proba(pool))
    content = b"".join(file.read_bytes() for file in (tmp_path / "model").rglob("*") if file.is_file())
    assert not [text for text in pool if text.encode() in content]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"passes": 1}, "passes must be at least 2, got 1"),
        ({"per_round": 0}, "per_round must be at least 1"),
        ({"max_unlabeled": 0}, "max_unlabeled must be at least 1"),
        ({"upper_layers": -1}, "upper_layers must be at least 0"),
        ({"sampling": "esay"}, "Did you mean 'easy'"),
        ({"dropout": 1.0}, "dropout must be above 0 and below 1"),
        ({"dropout": 0.0}, "dropout must be above 0 and below 1"),
        ({"folds": 1}, "folds must be 2 or more"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(single, pool, arguments, message):
    """Prevents a mistake that is found after the encoder was loaded."""
    with pytest.raises(InputError, match=message):
        SelfTrainingClassifier("nobody/nothing", **arguments).fit(single.texts, single.labels, unlabeled=pool)


def test_a_missing_pool_is_refused(single):
    """Prevents self-training without a pool from passing for self-training, and a string from being its letters."""
    classifier = SelfTrainingClassifier("nobody/nothing")
    for unlabeled in (None, [], "one text", ["a", 3], single.texts, [single.texts[0].upper()]):
        with pytest.raises(InputError, match="unlabeled"):
            classifier.fit(single.texts, single.labels, unlabeled=unlabeled)
    validation = (single.test_texts, single.test_labels)
    with pytest.raises(InputError, match="not labelled or a validation text"):
        classifier.fit(single.texts, single.labels, unlabeled=single.test_texts, validation=validation)
