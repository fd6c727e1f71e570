"""``fewshot advise`` through the real command, on the project's own data; no encoder is opened."""

import shlex
from pathlib import Path

import pytest

from fewshot.recipes.tree_views import tree_as_text
from tests.cli.test_story import last_json, run

ROOT = Path(__file__).parents[2]
TICKETS = "data/support_tickets.csv"


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    """Opening a model is an error."""

    def opened(*given, **more):
        raise AssertionError("a model was opened")

    monkeypatch.setattr("fewshot.encoders.opening.open_model", opened)


def test_tickets(tmp_path):
    """Thirteen classes with 16 labels each and 1,500 unlabelled rows: a teacher and students."""
    arguments = (f"{TICKETS}:train", "--unlabeled", f"{TICKETS}:unlabeled", "--test", f"{TICKETS}:test")
    done = run("advise", *arguments, "--out", tmp_path / "advice", folder=ROOT)
    for said in (
        "labelled texts",
        "208",
        "13 (one label a text)",
        "setfit",
        "because",
        "fewshot compare",
        "fewshot distill",
    ):
        assert said in done.stdout, said
    found = last_json(run("advise", *arguments, "--json", folder=ROOT))
    assert found["facts"]["n_labeled"] == 208
    assert found["facts"]["n_test"] == 192
    assert 1_400 < found["facts"]["n_pool"] <= 1_500
    assert found["path"][0]["answer"] == "4 to 63"
    assert {path.name for path in (tmp_path / "advice").iterdir()} == {"advice.json", "tree.png"}
    lines = [shlex.split(command["line"]) for command in found["commands"]]
    assert [line[:2] for line in lines[:2]] == [["fewshot", "compare"], ["fewshot", "train"]]
    assert all(" ".join(line) in done.stdout for line in lines)


def test_issues():
    """Several labels a text, slices in all; lists that are empty because nobody labelled yet must be pointed out."""
    as_read = last_json(run("advise", "data/issues.jsonl", "--json", folder=ROOT))
    assert any("--empty-labels unlabeled" in warning for warning in as_read["warnings"])
    found = last_json(run("advise", "data/issues.jsonl", "--empty-labels", "unlabeled", "--json", folder=ROOT))
    assert found["facts"]["multi_label"]
    assert (found["facts"]["n_labeled"], found["facts"]["n_classes"]) == (300, 9)
    assert found["facts"]["n_pool"] > 500
    compare = shlex.split(found["commands"][0]["line"])
    assert compare[compare.index("--folds") + 1] == "5"
    assert compare[compare.index("--slices") + 1] == "60,120,240"
    assert {"--total", "--empty-labels"} <= set(compare)


def test_class_names_alone(tmp_path):
    """No label at all: class names are what there is, and the first command named can be run as printed."""
    (tmp_path / "pool.csv").write_text("text\nmy parcel is late\nI was charged twice\n")
    done = run("advise", "pool.csv", "--classes", "refund, delivery", folder=tmp_path)
    assert "So: class names alone." in done.stdout
    assert "label 8 texts of each of the 2 classes" in done.stdout
    assert "--teacher nli:FOLDER --classes refund,delivery" in done.stdout
    named = done.stdout.split("class names make a first model: ")[1].split(";")[0]
    run(*shlex.split(named)[1:], folder=tmp_path)
    assert (tmp_path / "runs" / "teacher").is_dir()


def test_the_tree(tmp_path):
    """The tree can be read without any file, and is marked with one."""
    assert run("advise", "--tree", folder=tmp_path).stdout.strip() == tree_as_text()
    assert last_json(run("advise", "--tree", "--json", "--out", "pictures", folder=tmp_path))["key"] == "labels"
    assert (tmp_path / "pictures" / "tree.png").is_file()
    assert "▶" in run("advise", f"{TICKETS}:train", "--tree", folder=ROOT).stdout


@pytest.mark.parametrize(
    ("arguments", "content", "code", "said"),
    [
        ((), None, 2, "LABELED"),
        (("nowhere.csv",), None, 1, "no file 'nowhere.csv'"),
        (("rows.csv",), "txt,label\na,b\n", 1, "has no column 'text'"),
        (("rows.csv",), "text,label\na,x\nb,x\n", 1, "one class only, 'x'"),
        (("rows.csv",), "text,label\n", 1, "empty"),
        (("rows.csv", "--unlabeled", "nowhere.csv"), "text,label\na,x\nb,y\n", 1, "no file 'nowhere.csv'"),
        (("rows.csv", "--classes", "x,z"), "text,label\na,x\nb,y\n", 1, "leave out 'y'"),
        (("rows.csv", "--label-words", "rows.csv"), "text,label\na,x\nb,y\n", 1, "not valid JSON"),
    ],
)
def test_wrong_inputs(tmp_path, arguments, content, code, said):
    """One line that names the argument, what came and what to do; never a traceback."""
    if content is not None:
        (tmp_path / "rows.csv").write_text(content)
    done = run("advise", *arguments, folder=tmp_path, code=code)
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
