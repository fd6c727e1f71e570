"""Fine-tuning with unlabelled texts: what it learns of them, what it must not see, what survives saving and a break."""

import itertools

import numpy as np
import pytest

from fewshot.classifiers import consistency_tuning
from fewshot.classifiers.consistency_tuning import notes_of_collapse
from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.uda import UDAClassifier
from fewshot.core.errors import InputError
from fewshot.data.augmentation import TokenAugmentation
from fewshot.data.seen import text_key
from fewshot.training.consistency_loss import annealing_threshold
from tests.conftest import TOPICS

SETTINGS = {"steps": 12, "batch_size": 8, "learning_rate": 1e-3, "confidence": 0.5, "device": "cpu"}


def quick(encoder, **changes):
    """Return a classifier that learns the toy task in a second."""
    return UDAClassifier(encoder=encoder, **SETTINGS | changes)


@pytest.fixture(scope="module")
def fitted(tiny_encoder, single, pool):
    """A classifier of single labels, cross-validated."""
    return quick(tiny_encoder, annealing="log").fit(single.texts, single.labels, unlabeled=pool)


@pytest.fixture(scope="module")
def half_known():
    """Labels for texts of two words of each topic, a pool where these meet the other three, and texts of the latter."""
    labeled = [
        (f"{opening} {word}", topic) for topic in TOPICS for word in TOPICS[topic][:2] for opening in ("my", "the")
    ]
    pool, unknown = [], []
    for topic, words in TOPICS.items():
        pool += [" ".join(pair) for a, b in itertools.product(words[:2], words[2:]) for pair in ((a, b), (b, a))]
        unknown += [(f"{opening} {word}", topic) for word in words[2:] for opening in ("my", "the")]
    return labeled, pool, unknown


@pytest.mark.parametrize("task", ["single", "multi"])
def test_it_learns_of_words_that_no_label_has(tiny_encoder, half_known, task):
    """Prevents a pool that is read and not learnt from: only there do known words stand beside the unknown."""
    labeled, pool, unknown = half_known
    wrap = (lambda topic: (topic,)) if task == "multi" else (lambda topic: topic)
    texts, labels = [text for text, _ in labeled], [wrap(topic) for _, topic in labeled]
    options = {"steps": 120, "learning_rate": 3e-3, "folds": 0}
    options |= {"unlabeled_augment": TokenAugmentation(("delete",), n_copies=2, alpha=0.5), "unlabeled_ratio": 2}
    scores = []
    for weight, seed in ((0.0, 1), (1.0, 1), (1.0, 2)):
        classifier = quick(tiny_encoder, unlabeled_weight=weight, random_state=seed, **options)
        classifier.fit(texts, labels, unlabeled=pool)
        assert classifier.score(texts, labels) >= 0.9
        best = classifier.classes_[classifier.predict_proba([text for text, _ in unknown]).argmax(axis=1)]
        scores.append(np.mean(best == [topic for _, topic in unknown]))
    of_labels, *of_pool = scores
    assert np.mean(of_pool) >= 0.9
    assert min(of_pool) >= of_labels + 0.2


def test_without_weight_it_is_fine_tuning(tiny_encoder, single, pool):
    """Prevents another training than that of the labels where the pool counts for nothing."""
    options = {name: value for name, value in SETTINGS.items() if name != "confidence"}
    plain = FineTunedClassifier(encoder=tiny_encoder, **options).fit(single.texts, single.labels)
    without = quick(tiny_encoder, unlabeled_weight=0).fit(single.texts, single.labels, unlabeled=pool)
    assert without.losses_ == plain.losses_
    np.testing.assert_array_equal(without.predict_proba(pool), plain.predict_proba(pool))
    assert {name: without.report_[name] for name in plain.report_} == plain.report_
    assert (without.report_["unlabeled_learnt"], without.report_["unlabeled_sure"]) == (0, None)
    learning = quick(tiny_encoder).fit(single.texts, single.labels, unlabeled=pool)
    assert learning.losses_ != plain.losses_


@pytest.fixture
def seen(monkeypatch):
    """What each training is given: its labelled texts and its pairs."""
    known = []
    train = consistency_tuning.train_consistently

    def listen(model, examples, pairs, *args, **options):
        known.append((list(examples), pairs))
        return train(model, examples, pairs, *args, **options)

    monkeypatch.setattr(consistency_tuning, "train_consistently", listen)
    return known


def test_held_out_texts_are_not_in_the_pool_of_their_fold(tiny_encoder, single, pool, seen):
    """Prevents a choice and probabilities that are judged on texts which were learnt from without their labels."""
    everything = [*pool, *(text.upper() for text in single.texts)]
    quick(tiny_encoder, steps=2, unlabeled_augment=["swap", "delete"]).fit(
        single.texts, single.labels, unlabeled=everything
    )
    keys = set(map(text_key, single.texts))
    *folds, (_, last) = seen
    assert len(folds) == 2
    for examples, pairs in folds:
        held_out = keys - set(map(text_key, examples))
        there = {*map(text_key, pairs.texts), *map(text_key, pairs.copies)}
        assert held_out
        assert not held_out & there
        assert len(pairs) > len(pool) / 2
        assert len(pairs) < len(last)


def test_validation_texts_are_in_no_pool(tiny_encoder, single, pool, seen):
    """Prevents a training that is stopped by texts which it learns from."""
    classifier = quick(tiny_encoder, steps=40)
    judged = (single.test_texts, single.test_labels)
    classifier.fit(single.texts, single.labels, unlabeled=[*single.test_texts, *pool], validation=judged)
    [(_, pairs)] = seen
    known = set(map(text_key, single.test_texts))
    assert known.isdisjoint(map(text_key, pairs.texts))
    assert known.isdisjoint(map(text_key, pairs.copies))
    assert classifier.report_["judged_by"] == "15 validation texts"
    with pytest.raises(InputError, match="unlabeled holds nothing but validation texts"):
        classifier.fit(single.texts, single.labels, unlabeled=single.test_texts, validation=judged)


def test_the_pool_is_reported(fitted, pool, tiny_encoder, single, multi):
    """Prevents a pool of which nobody knows whether it was learnt from."""
    report = fitted.report_
    assert report["unlabeled"] == len(pool)
    assert report["unlabeled_learnt"] == len(pool)
    assert report["annealing_threshold"] == pytest.approx(annealing_threshold("log", report["steps"] / 12, 3))
    raw = np.exp(fitted._scorer.logits(pool).astype(float))
    sure = raw.max(axis=1) / raw.sum(axis=1) > 0.5
    assert report["unlabeled_sure"] == pytest.approx(sure.mean())
    assert f"{100 * report['unlabeled_sure']:.1f} % of answers to unlabelled texts" in report["notes"][-1]
    other = quick(tiny_encoder, steps=2, folds=0, confidence=0.0).fit(multi.texts, multi.labels, unlabeled=pool * 2)
    assert other.report_["unlabeled"] == len(pool)
    assert (other.report_["unlabeled_sure"], other.report_["annealing_threshold"]) == (1.0, None)


@pytest.mark.parametrize(
    ("share", "n_labels", "n", "said"),
    [(0.96, 2, 50, True), (0.9, 2, 50, False), (0.96, 9, 50, False), (1, 2, 19, False)],
)
def test_a_model_that_went_over_to_one_class_is_told_of(share, n_labels, n, said):
    """Prevents a useless model without a word; and a false alarm where the labels, too, are mostly of one class."""
    answers = np.zeros((n, 3))
    answers[: round(share * n), 1] = answers[round(share * n) :, 0] = 0.9
    notes = notes_of_collapse(np.array([0] + [1] * n_labels + [2]), answers, ("a", "b", "c"))
    assert len(notes) == said
    assert not said or notes[0].startswith("96 % of unlabelled texts are answered 'b', which 50 % of the labels are")


def test_the_report_tells_of_it(tiny_encoder, single, multi, pool, monkeypatch):
    """Prevents a note that nobody is shown, and one on texts of several labels."""
    monkeypatch.setattr(consistency_tuning, "ONE_CLASS", 0.0)
    monkeypatch.setattr(consistency_tuning, "USUAL", 1.0)
    told = quick(tiny_encoder, steps=2, folds=0).fit(single.texts, single.labels, unlabeled=pool).report_
    assert sum("went over to one class" in note for note in told["notes"]) == 1
    told = quick(tiny_encoder, steps=2, folds=0).fit(multi.texts, multi.labels, unlabeled=pool).report_
    assert not any("went over to one class" in note for note in told["notes"])


def test_it_goes_on_bit_by_bit_after_a_break(tiny_encoder, single, pool, tmp_path, monkeypatch):
    """Prevents other copies, other unlabelled texts or another fold's pool after a break; and one of another pool."""
    options = {"annealing": "linear", "accumulation": 2, "batch_size": 4}
    whole = quick(tiny_encoder, **options).fit(single.texts, single.labels, unlabeled=pool)
    train, done = consistency_tuning.train_consistently, []

    def breaks(*args, watch, watch_every, **more):
        done.append(watch)
        trap = len(done) == 2  # in the second fold, after its first checkpoint

        def watched(step, model):
            stop = step % watch_every == 0 and watch(step, model)
            if trap and step == 11:
                raise KeyboardInterrupt
            return stop

        return train(*args, watch=watched, watch_every=1, **more)

    fit = {"unlabeled": pool, "checkpoints": tmp_path / "run"}
    with monkeypatch.context() as patch:
        patch.setattr(consistency_tuning, "train_consistently", breaks)
        with pytest.raises(KeyboardInterrupt):
            quick(tiny_encoder, **options).fit(single.texts, single.labels, **fit)
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"copies.safetensors", "fold-0.safetensors", "fold-1"} <= left
    monkeypatch.setattr(TokenAugmentation, "augmented", None)  # copies are those that the training began with
    resumed = quick(tiny_encoder, **options).fit(single.texts, single.labels, **fit, resume=True)
    assert resumed.losses_ == whole.losses_
    assert resumed.report_ == whole.report_
    assert resumed.predict_proba(pool).tobytes() == whole.predict_proba(pool).tobytes()
    for changed, given in (({}, pool[1:]), ({"temperature": 0.5}, pool), ({"unlabeled_augment": "swap"}, pool)):
        with pytest.raises(InputError, match="had other texts, labels or settings"):
            quick(tiny_encoder, **options | changed).fit(
                single.texts, single.labels, **fit | {"unlabeled": given}, resume=True
            )


def test_every_argument_survives_saving(tiny_folder, single, pool, tmp_path):
    """Prevents a classifier that cannot be fitted again as it was, and a pool that travels with it."""
    own = {"unlabeled_weight": 0.5, "unlabeled_ratio": 2, "temperature": 0.7, "confidence": 0.4, "annealing": "exp"}
    own["align"] = False
    theirs = set(FineTunedClassifier().get_params()) - {"pruning", "quantization"}
    assert set(UDAClassifier().get_params()) == {*theirs, *own, "unlabeled_augment"}
    arguments = {
        "encoder": str(tiny_folder),
        "steps": 2,
        "folds": 0,
        "unlabeled_augment": TokenAugmentation(("swap",)),
        **own,
    }
    classifier = UDAClassifier(**arguments, device="cpu").fit(single.texts, single.labels, unlabeled=pool)
    classifier.save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model", device="cpu")
    assert type(loaded) is UDAClassifier
    params = loaded.get_params()
    assert params.pop("unlabeled_augment") == repr(arguments["unlabeled_augment"])
    assert {name: params[name] for name in arguments if name != "unlabeled_augment"} == {
        name: value for name, value in arguments.items() if name != "unlabeled_augment"
    }
    assert loaded.report_ == classifier.report_
    for file in (tmp_path / "model").rglob("*"):
        assert not file.is_file() or not any(text.encode() in file.read_bytes() for text in pool)
    assert "of answers to unlabelled texts were sure" in (tmp_path / "model" / "README.md").read_text("utf-8")
    with pytest.raises(InputError, match="It was an object when the classifier was saved"):
        loaded.fit(single.texts, single.labels, unlabeled=pool)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"unlabeled_weight": -1}, "unlabeled_weight must be"),
        ({"unlabeled_ratio": 0}, "unlabeled_ratio must be"),
        ({"temperature": 0}, "temperature must be"),
        ({"confidence": 1}, "confidence must be"),
        ({"annealing": "logarithmic"}, "annealing must be one of"),
        ({"unlabeled_augment": None}, "unlabeled_augment must say how"),
        ({"unlabeled_augment": "mix"}, "joins texts with the same labels"),
        ({"folds": 1}, "folds must be 2 or more"),
        ({"steps": 0}, "steps must be at least 1"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(single, pool, arguments, message):
    """Prevents a mistake that is found after the encoder was loaded."""
    with pytest.raises(InputError, match=message):
        UDAClassifier("nobody/nothing", **arguments).fit(single.texts, single.labels, unlabeled=pool)


def test_a_pool_is_asked_for(single):
    """Prevents a silent training on labels alone under the name of another method."""
    for unlabeled, message in ((None, "give unlabeled="), ([], "give unlabeled="), ("a text", "got one string")):
        with pytest.raises(InputError, match=message):
            UDAClassifier("nobody/nothing").fit(single.texts, single.labels, unlabeled=unlabeled)


def test_a_fold_without_any_pool_learns_from_its_labels(tiny_encoder, single):
    """Prevents a crash where the pool is one of the labelled texts, so that the fold which holds that out has none."""
    classifier = quick(tiny_encoder, steps=2).fit(single.texts, single.labels, unlabeled=single.texts[:1])
    assert classifier.report_["judged_by"] == f"{len(single.texts)} held-out labels"
