"""Classifiers with a pool, by the names of methods."""

import numpy as np
import pytest

from fewshot.classifiers.uda import UDAClassifier
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import TextData
from fewshot.recipes.method import Surroundings
from fewshot.recipes.methods import choose_methods, make_classifier
from fewshot.recipes.pool_methods import WithPool
from fewshot.recipes.teaching import TrainSettings, train_classifier

QUICK = {"steps": 2, "batch_size": 8, "folds": 0}


def data_of(toy, unlabeled=()):
    """Return toy texts as they are loaded, some without a label after them."""
    texts, labels = [*toy.texts, *unlabeled], [*toy.labels, *[None] * len(unlabeled)]
    return TextData(texts, labels, multi_label=False, rows=list(range(len(texts))))


def test_the_pool_reaches_the_classifier(tiny_encoder, single, pool, tmp_path) -> None:
    """A comparison knows no pool; without one the method would fail in every cell, or learn from labels alone."""
    made = make_classifier("uda", Surroundings(tiny_encoder, pool, "cpu", 3)).set_params(**QUICK)
    assert isinstance(made, WithPool)
    made.fit(single.texts, single.labels, checkpoints=tmp_path / "run")
    own = UDAClassifier(tiny_encoder, device="cpu", random_state=3, **QUICK)
    own.fit(single.texts, single.labels, unlabeled=pool)
    np.testing.assert_array_equal(made.predict_proba(pool), own.predict_proba(pool))
    assert list(made.predict(pool)) == list(own.predict(pool))
    assert made.classes_.tolist() == own.classes_.tolist()
    assert made.resumable
    assert made.get_params()["steps"] == 2


def test_it_is_left_out_without_a_pool() -> None:
    """All that is applicable must not fail for want of a file."""
    assert choose_methods(["all-applicable"], has_pool=False)[1]["uda"] == "needs unlabelled texts (--unlabeled)"
    assert "uda" in choose_methods(["all-applicable"], has_pool=True)[0]


def test_similarity_to_names_is_centered_on_a_pool_where_there_is_one(tiny_topical, pool) -> None:
    """A comparison would leave unused what the classifier asks for, or demand a pool that it can do without."""
    space = LabelSpace(("billing", "delivery", "login"), False)
    alone = make_classifier("zero-shot-embedding", Surroundings(tiny_topical, [], "cpu", 0, space)).fit([], [])
    with_pool = make_classifier("zero-shot-embedding", Surroundings(tiny_topical, pool, "cpu", 0, space)).fit([], [])
    assert alone.report_["centered_on"] is None
    assert with_pool.classifier.report_["centered_on"] == f"{len(pool)} unlabelled texts"
    large = [f"{text} {number}" for number in range(30) for text in pool]
    some = make_classifier("zero-shot-embedding", Surroundings(tiny_topical, large, "cpu", 0, space)).fit([], [])
    assert some.classifier.report_["centered_on"] == "1,000 unlabelled texts"
    assert "zero-shot-embedding" in choose_methods(["all-applicable"], has_pool=False)[0]


def test_training_takes_rows_without_a_label_and_a_file(tiny_encoder, single, pool, tmp_path) -> None:
    """A file that is named and not read, or rows that are dropped for it, would go unnoticed."""
    file = tmp_path / "pool.csv"
    file.write_text("text\n" + "\n".join([*pool[:20], *pool[:5]]) + "\n", encoding="utf-8")
    settings = TrainSettings(method="uda", unlabeled=str(file), annealing="exp", confidence=0.4, device="cpu", **QUICK)
    made = train_classifier(data_of(single, pool[15:30]), out=tmp_path / "m", settings=settings, encoder=tiny_encoder)
    assert type(made.classifier) is UDAClassifier
    assert made.classifier.report_["unlabeled"] == 30
    assert (made.classifier.annealing, made.classifier.confidence) == ("exp", 0.4)
    assert any("unlabelled texts" in note for note in made.facts["notes"])
    assert TrainSettings(annealing="none").classifier_params() == {"annealing": None}


@pytest.mark.parametrize(
    ("method", "unlabeled", "message"),
    [
        ("uda", None, r"method 'uda' needs unlabelled texts \(--unlabeled\)"),
        ("distilled:static", None, r"'distilled:static' needs unlabelled texts \(--unlabeled\)"),
        (
            "fine-tune",
            "pool.csv",
            "'fine-tune' does not learn from unlabelled texts; leave out --unlabeled, or take uda",
        ),
    ],
)
def test_a_pool_that_is_missing_or_of_no_use_is_named(single, tmp_path, method, unlabeled, message) -> None:
    """Found after the training, it would cost the training; taken in silence, it would be believed to have helped."""
    settings = TrainSettings(method=method, unlabeled=unlabeled)
    with pytest.raises(InputError, match=message):
        train_classifier(data_of(single), out=tmp_path / "m", settings=settings)
