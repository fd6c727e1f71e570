"""What is told when a model is saved."""

import pytest

from fewshot import load_classifier
from fewshot.classifiers.folder import MARKER
from fewshot.core.errors import InputError
from fewshot.recipes.adapting import adapt_encoder
from fewshot.recipes.distilling import distill_classifier
from fewshot.recipes.teaching import GRID, TrainSettings, train_classifier

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


def test_the_grid_of_a_look_up_is_drawn(tmp_path, tiny_encoder) -> None:
    """A table of scores that nobody sees explains no choice."""
    rows = [
        {"text": f"{text} {n}", "label": label} for n in range(3) for text, label in zip(TEXTS, LABELS, strict=True)
    ]
    for k in (None, 3):
        out = tmp_path / f"knn-{k}"
        train_classifier(rows, out=out, settings=TrainSettings(method="knn", k=k, estimate=False), encoder=tiny_encoder)
        assert (out / GRID).read_bytes().startswith(b"\x89PNG")
        load_classifier(out)


def test_one_folder_is_not_written_by_two_processes(tmp_path, monkeypatch) -> None:
    """Two processes of torchrun would replace and remove each other's files."""
    monkeypatch.setenv("WORLD_SIZE", "1")
    _notes(tmp_path / "one")
    monkeypatch.setenv("WORLD_SIZE", "2")
    calls = (train_classifier, distill_classifier, adapt_encoder)
    for call, given in zip(calls, ({}, {"unlabeled": TEXTS}, {}), strict=True):
        with pytest.raises(InputError, match="2 processes"):
            call(TEXTS, out=tmp_path / "two", **given)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
