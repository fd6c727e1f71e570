"""The method ``prompt`` from the command line: a folder of a masked language model in, a classifier's folder out."""

import json

import pytest

from fewshot.classifiers.loading import load_classifier
from tests.cli.test_story import last_json, run


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny_masked, single):
    """A folder with labelled and test texts, words for the classes, and a model."""
    folder = tmp_path_factory.mktemp("prompt-desk")
    (folder / "bert").symlink_to(tiny_masked)
    rows = [f"{text},{label},train" for text, label in zip(single.texts, single.labels, strict=True)]
    rows += [f"{text},{label},test" for text, label in zip(single.test_texts, single.test_labels, strict=True)]
    (folder / "texts.csv").write_text("\n".join(["text,label,split", *rows]) + "\n")
    words = {"billing": ["card", "payment"], "delivery": "parcel", "login": ["password", "code"]}
    (folder / "words.json").write_text(json.dumps(words))
    return folder


def test_train_evaluate_predict(desk):
    """A method that cannot be trained, saved, opened and asked by command is of use to nobody outside Python."""
    settings = ["--template", "{text} this is {mask} .", "--label-words", "words.json", "--steps", 30]
    settings += ["--learning-rate", 3e-3, "--device", "cpu", "--json"]
    made = last_json(run("train", "texts.csv:train", "--method", "prompt:bert", "--out", "out", *settings, folder=desk))
    assert made["classes"] == 3
    assert not (desk / "out.training").exists()
    scores = last_json(run("evaluate", "out", "texts.csv:test", "--json", folder=desk))
    classifier = load_classifier(desk / "out", device="cpu")
    assert classifier.label_words["billing"] == ["card", "payment"]
    assert scores["n"] == 15
    assert run("predict", "out", "refund the card", folder=desk).stdout.strip()
    card = (desk / "out" / "README.md").read_text()
    assert "training steps: 30" in card


def test_settings_of_others_are_refused(desk):
    """A flag that is dropped in silence trains something else than was asked for."""
    done = run("train", "texts.csv:train", "--method", "prompt:bert", "--head", "knn", folder=desk, code=1)
    assert "has no setting --head" in done.stderr


def test_comparing_leaves_it_out_or_runs_it(desk):
    """A comparison of all methods must not stop at the network, and says what it left out."""
    options = ["--test", "texts.csv:test", "--slices", 2, "--seeds", 1, "--out", "compared"]
    done = run("compare", "texts.csv:train", "--methods", "naive-bayes,prompt:bert", *options, folder=desk)
    rows = (desk / "compared" / "results.csv").read_text()
    assert "prompt:bert" in rows
    assert done.code == 0
