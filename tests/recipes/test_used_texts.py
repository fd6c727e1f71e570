"""What a model's folder tells of the texts that it was made with."""

import json

import pytest

from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import DataWarning
from fewshot.data.texts import TextData
from fewshot.recipes.judging import evaluate_classifier
from fewshot.recipes.sources import Reading, content_hash
from fewshot.recipes.teaching import TrainSettings, train_classifier
from fewshot.recipes.used_texts import USED, remember_used, texts_used_before, used_by, warn_if_shared


def data(kind, n=6):
    """Return labelled texts of two classes."""
    texts = [f"{kind} {word} {i}" for i in range(n // 2) for word in ("refund", "parcel")]
    return TextData(texts, ["money", "post"] * (n // 2), multi_label=False, rows=list(range(n)), source=f"{kind}.csv")


def told(used, texts):
    """Return what is said of texts."""
    return [sentence for one in used if (sentence := one.told(texts))]


def test_training_remembers_labels_and_validation(tmp_path):
    """Prevents a model from being scored on the texts that chose its settings, and nobody knowing."""
    out = tmp_path / "model"
    settings = TrainSettings(method="naive-bayes")
    train_classifier(data("train"), out=out, settings=settings, validation=data("val"))
    used = used_by(out, "model")
    assert told(used, data("train").texts) == ["model learnt from 6 of the 6 test texts"]
    assert told(used, data("val").texts[:2]) == ["model had settings chosen on 2 of the 2 test texts"]
    assert told(used, data("new").texts) == []
    kept = (out / USED).read_text("utf-8")
    assert "refund" not in kept
    assert "parcel" not in kept
    with pytest.warns(DataWarning, match="had settings chosen on 6 of the 6 test texts"):
        evaluate_classifier(out, data("val"))
    assert evaluate_classifier(out, data("new"))["n"] == 6


def test_what_it_was_made_from_is_remembered_too(tmp_path):
    """Prevents a student from being scored on the texts that its teacher learnt from."""
    remember_used(tmp_path / "teacher", learnt=data("train").texts)
    remember_used(tmp_path / "student", [str(tmp_path / "teacher"), "bundled"], pool=["a pool's text"])
    used = used_by(tmp_path / "student", "student")
    assert told(used, data("train").texts) == ["student learnt from 6 of the 6 test texts"]
    assert told(used, ["a pool's text"]) == ["student learnt without labels from 1 of the 1 test texts"]


def test_folders_are_asked_wherever_they_are_named(tmp_path):
    """Prevents a model from hiding behind a prefix, or in a method's argument."""
    remember_used(tmp_path, learnt=data("test").texts)
    for name in (str(tmp_path), f"pooled:{tmp_path}", f"prompt:{tmp_path}", f"zero-shot-nli:{tmp_path}"):
        used = texts_used_before(None, [name, "bundled", "knn", object()], data("test"), "", Reading())
        assert [(one.name, one.use) for one in used] == [(str(tmp_path), "learnt from")], name
    assert texts_used_before(None, ["bundled", "knn"], data("test"), "", Reading()) == []


def test_an_older_folder_tells_by_its_hash(tmp_path):
    """Prevents models of before from passing, of which the hash of their labels is all that is known."""
    classifier = NaiveBayesClassifier().fit(data("test").texts, data("test").labels)
    classifier.save(tmp_path / "old", provenance={"data hash": content_hash(data("test"))})
    held_out = data("test").select([0, 1])
    for judged, whole in ((data("test"), ""), (held_out, content_hash(data("test")))):
        used = texts_used_before(None, [str(tmp_path / "old")], judged, whole, Reading())
        assert told(used, judged.texts) == [
            f"{tmp_path / 'old'} learnt from {len(judged)} of the {len(judged)} test texts"
        ]
    assert texts_used_before(None, [str(tmp_path / "old")], data("new"), "", Reading()) == []


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"texts": {"learnt": 5}}', json.dumps({"texts": None})])
def test_a_damaged_file_tells_nothing(tmp_path, kept):
    """Prevents a torn file from ending a comparison that has run for hours."""
    (tmp_path / USED).write_text(kept)
    assert used_by(tmp_path, "model") == []


def test_validation_and_test_texts_in_one_call():
    """Prevents distil --search from choosing by the texts that it then reports on."""
    with pytest.warns(DataWarning, match=r"test.csv \(validation\) holds 2 of the 6 test texts"):
        warn_if_shared(data("test"), data("test").select([0, 1]))
    warn_if_shared(data("test"), data("val"))
