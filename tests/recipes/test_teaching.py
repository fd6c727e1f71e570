"""From settings to a classifier in training."""

import dataclasses
import json

import pytest

from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.core.errors import InputError
from fewshot.data.texts import TextData
from fewshot.recipes import teaching
from fewshot.recipes.method_table import METHODS
from fewshot.recipes.search_space import SETFIT
from fewshot.recipes.teaching import TrainSettings, train_classifier


class StopHereError(Exception):
    """Ends a training where the test has seen enough."""


@pytest.mark.parametrize(("given", "augment"), [({}, "tokens"), ({"augment": ("swap", "mix")}, ("swap", "mix"))])
def test_a_variant_is_searched_like_its_method(monkeypatch, tmp_path, tiny_encoder, single, given, augment) -> None:
    """A variant without a search of its own would be refused, or its trials would train without the copies."""
    asked = {}

    def search(*args, **options):
        asked.update(options)
        raise StopHereError

    monkeypatch.setattr(teaching, "search_settings", search)
    data = TextData(single.texts, single.labels, multi_label=False, rows=list(range(len(single.texts))))
    settings = TrainSettings(method="setfit+augment", search=2, **given)
    with pytest.raises(StopHereError):
        train_classifier(data, out=tmp_path / "m", settings=settings, encoder=tiny_encoder)
    assert asked["space"] == SETFIT
    assert asked["make"]({"loss": "cosine"}).augment == augment


def numbered(n: int = 12) -> TextData:
    """Texts of two classes that are numbers, and as many without a label."""
    texts = [f"{word} {number}" for number in range(n) for word in ("refund", "parcel")]
    labels = [7, 30] * (n // 2) + [None] * n
    return TextData(texts, labels, multi_label=False, rows=list(range(2 * n)))


READERS = [row.name.rstrip("[:]") for row in METHODS if row.reads_words]


@pytest.mark.parametrize("method", [*READERS, "setfit+augment", "distilled+augment"])
def test_every_method_that_a_comparison_tells_words_is_trained_with_them(tmp_path, tiny_encoder, tiny_nli, method):
    """Prevents the command printed after a comparison from being refused: no such setting, or classes of two types."""
    (tmp_path / "words.json").write_text(json.dumps({"7": "an invoice", "30": "a parcel"}))
    name = {"zero-shot-nli": f"zero-shot-nli:{tiny_nli}"}.get(method, method.replace("distilled", "distilled:static"))
    settings = TrainSettings(method=name, label_words=str(tmp_path / "words.json"), device="cpu", estimate=False)
    settings = dataclasses.replace(settings, steps=None if name.startswith("zero") else 1)
    made = train_classifier(numbered(), out=tmp_path / "m", settings=settings, encoder=tiny_encoder)
    assert made.classifier.classes_.tolist() == [7, 30]
    assert set(load_classifier(tmp_path / "m", device="cpu").predict(["my refund", "my parcel"])) <= {7, 30}
    words = getattr(made.classifier, "label_words", None)  # a student has none
    assert words == {7: "an invoice", 30: "a parcel"} or name.startswith("distilled")


def test_a_distilled_method_hands_its_settings_to_the_teacher(monkeypatch, tmp_path, tiny_encoder):
    """Prevents settings that are taken in silence and reach nothing."""
    taught = []
    monkeypatch.setattr(SetFitClassifier, "fit", lambda self, *_, **__: taught.append(self.get_params()) or stop())
    (tmp_path / "words.json").write_text(json.dumps({"7": "an invoice", "8": "a fine"}))
    settings = TrainSettings(method="distilled:static", steps=3, label_words=str(tmp_path / "words.json"))
    with pytest.raises(StopHereError):
        train_classifier(numbered(), out=tmp_path / "m", settings=settings, encoder=tiny_encoder)
    assert (taught[0]["steps"], taught[0]["label_words"]) == (3, {7: "an invoice", 8: "a fine"})
    with pytest.raises(InputError, match="'distilled:static' has no setting --metric"):
        train_classifier(numbered(), out=tmp_path / "m", settings=TrainSettings(method="distilled:static", metric="x"))


def test_words_and_numbers_bring_a_model_up_to_date(tmp_path, tiny_encoder):
    """Prevents a file of words from being refused with --from where classes are numbers, also those of no text here."""
    (tmp_path / "words.json").write_text(json.dumps({"7": "an invoice", "30": "a parcel", "31": "a letter"}))
    settings = TrainSettings(label_words=str(tmp_path / "words.json"), device="cpu", estimate=False)
    first = dataclasses.replace(settings, steps=1)
    train_classifier(numbered(), out=tmp_path / "m", settings=first, encoder=tiny_encoder)
    more = TextData(["another refund"], [7], multi_label=False, rows=[0])
    made = train_classifier(more, out=tmp_path / "n", settings=settings, start_from=tmp_path / "m")
    assert made.classifier.classes_.tolist() == [7, 30, 31]


def stop() -> None:
    """Raise from where only an expression may stand."""
    raise StopHereError
