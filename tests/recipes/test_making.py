"""What is told when a model is saved."""

import pytest

from fewshot.classifiers.folder import MARKER
from fewshot.recipes.teaching import TrainSettings, train_classifier

TEXTS = ["my card was charged twice", "refund my money", "the app crashes", "login fails again"]
LABELS = ["billing", "billing", "bug", "bug"]


def _notes(out, texts=TEXTS, **settings) -> list[str]:
    settings = TrainSettings(method="naive-bayes", estimate=False, **settings)
    rows = [{"text": text, "label": label} for text, label in zip(texts, LABELS, strict=True)]
    return train_classifier(rows, out=out, settings=settings).facts["notes"]


def _told(notes: list[str]) -> list[str]:
    return [note for note in notes if "another model" in note]


def test_a_model_that_is_replaced_is_named(tmp_path) -> None:
    """A day's training is not gone without a word because --out was left at its default."""
    out = tmp_path / "teacher"
    assert _told(_notes(out)) == []
    (told,) = _told(_notes(out, [*TEXTS[:3], "cannot log in"]))
    assert "naive-bayes that had learnt from 4 labelled texts" in told
    assert "--out" in told


def test_the_same_model_again_is_no_loss(tmp_path) -> None:
    """The same command twice warns of nothing: what it writes is what was there."""
    assert _told(_notes(tmp_path / "teacher")) == _told(_notes(tmp_path / "teacher")) == []


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99}'])
def test_what_cannot_be_read_is_replaced_as_before(tmp_path, content) -> None:
    """A damaged folder can be written over; it is not asked what it held."""
    out = tmp_path / "teacher"
    out.mkdir()
    (out / MARKER).write_text(content)
    assert _told(_notes(out)) == []


def test_the_card_of_a_method_without_an_encoder_names_none(tmp_path) -> None:
    """A reader of the card would think that Naive Bayes needs a model of the Hub."""
    _notes(tmp_path / "teacher")
    assert "mpnet" not in (tmp_path / "teacher" / "README.md").read_text()
