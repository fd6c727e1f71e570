"""Advice as a whole: from files to methods, warnings and commands, in memory and on disk."""

import json

import pytest

from fewshot.recipes.advising import advise
from tests.recipes.task_cases import LAPTOP, labeled_rows, pool_rows


@pytest.fixture
def no_encoder(monkeypatch):
    """Opening an encoder is an error."""

    def opened(*given, **more):
        raise AssertionError("an encoder was opened")

    monkeypatch.setattr("fewshot.encoders.resolve.load_encoder", opened)
    monkeypatch.setattr("fewshot.encoders.opening.open_model", opened)


@pytest.fixture
def file(tmp_path):
    """Labelled and unlabelled rows as a file."""
    path = tmp_path / "my rows.jsonl"
    path.write_text("\n".join(map(json.dumps, labeled_rows(16) + pool_rows(60))))
    return path


@pytest.mark.usefixtures("no_encoder")
def test_files_bring_methods_and_commands(file):
    """The whole of it, without opening an encoder: advice must come in a moment."""
    advice = advise(file, machine=LAPTOP)
    assert [one.method for one in advice.methods] == ["setfit", "distilled:layers:3", "linear-probe", "setfit+augment"]
    assert advice.missing == ()
    assert [command.line.split()[1] for command in advice.commands] == ["compare", "train", "distill"]
    assert all(f"'{file}'" in command.line for command in advice.commands)
    assert all(one.cost != "not measured" for one in advice.methods[:3])
    assert advice.hint is None


def test_texts_in_memory_have_no_commands(file):
    """A data frame has no name that a shell would know."""
    assert advise(labeled_rows(16), machine=LAPTOP).commands == ()
    assert advise(file, pool_rows(3, "another {i}"), machine=LAPTOP).commands == ()


def test_without_labels_class_names_are_all_there_is(tmp_path):
    """Rows without any label are a task too, if somebody names the classes."""
    path = tmp_path / "pool.csv"
    path.write_text("text\n" + "\n".join(row["text"] for row in pool_rows(60)))
    advice = advise(str(path), classes=["refund", "delivery"], machine=LAPTOP)
    assert advice.decision.leaf.key == "zero-shot"
    assert advice.commands == ()
    assert "--classes refund,delivery" in advice.hint
    assert advice.to_label == "label 8 texts of each of the 2 classes, 16 in all"
    assert advise(str(path), machine=LAPTOP).decision.leaf.key == "nothing-known"


def test_words_for_codes_change_the_advice(tmp_path):
    """What the warning asks for must have an effect."""
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"LOC": "a place", "HUM": "a person", "NUM": "a number"}))
    rows = labeled_rows(2, ("LOC", "HUM", "NUM"))
    assert advise(rows, machine=LAPTOP).decision.leaf.key == "look-up"
    assert advise(rows, label_words=words, machine=LAPTOP).decision.leaf.key == "names-and-labels"


def test_several_texts_a_class_are_words_too(tmp_path):
    """Prevents a refusal of the README's own form, and a command in which the words are lost."""
    words, path = tmp_path / "words.json", tmp_path / "a.jsonl"
    words.write_text(json.dumps({"LOC": ["a place", "where"], "HUM": "a person", "NUM": "a number"}))
    path.write_text("\n".join(map(json.dumps, labeled_rows(2, ("LOC", "HUM", "NUM")))))
    advice = advise(str(path), label_words=str(words), machine=LAPTOP)
    assert advice.decision.leaf.key == "names-and-labels"
    taught = [command.line for command in advice.commands if not command.line.startswith("fewshot distill")]
    assert taught
    assert all(f"--label-words {words}" in line for line in taught)


def test_the_advice_is_written_whole(file, tmp_path):
    """Scripts read advice.json, people look at tree.png."""
    advice = advise(file, machine=LAPTOP)
    advice.write(tmp_path / "out")
    values = json.loads((tmp_path / "out" / "advice.json").read_text("utf-8"))
    assert values == json.loads(json.dumps(advice.as_json()))
    assert values["leaf"] == "few-labels-small-pool"
    assert [step["answer"] for step in values["path"]] == ["4 to 63", "50 to 999"]
    assert {"method", "reason", "basis", "cost"} == set(values["methods"][0])
    assert (tmp_path / "out" / "tree.png").read_bytes().startswith(b"\x89PNG")
