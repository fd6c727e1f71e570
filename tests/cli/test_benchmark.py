"""The story of ``fewshot benchmark`` through the real command, single- and multi-label."""

import json

import pytest

import fewshot.recipes.benchmarking as benchmarking
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from tests.cli.test_story import last_json, run
from tests.distillation.sequence_folders import write_classifier
from tests.recipes.benchmark_cases import write_models

FAST = ("--seconds", "0.05", "--rounds", "2", "--batch-sizes", "1,4", "--threads", "1", "--device", "cpu")


@pytest.fixture(scope="module", params=["single", pytest.param("multi", marks=pytest.mark.long)])
def desk(request, tiny_static, tiny_tokenizer, tmp_path_factory):
    """A folder with three models of different origin and the test texts as a file."""
    toy, folder = request.getfixturevalue(request.param), tmp_path_factory.mktemp("desk")
    write_models(folder, toy, tiny_static)
    kind = {"problem_type": "multi_label_classification"} if toy.multi_label else {}
    write_classifier(folder / "bert", tiny_tokenizer, ["LABEL_0", "LABEL_1", "LABEL_2"], **kind)
    (folder / "names.json").write_text(json.dumps({"LABEL_0": "login", "LABEL_1": "billing", "LABEL_2": "delivery"}))
    key = "labels" if toy.multi_label else "label"
    rows = [
        {"text": text, key: list(entry) if toy.multi_label else entry}
        for text, entry in zip(toy.test_texts, toy.test_labels, strict=True)
    ]
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder, toy


def test_three_models_side_by_side(desk):
    """Prevents a benchmark that the command line cannot ask for, and a last line that scripts cannot read."""
    folder, toy = desk
    given = ("benchmark", "probe", "bayes", "bert", "--test", "test.jsonl", "--model-labels", "names.json", *FAST)
    facts = last_json(run(*given, "--cold-starts", "1", "--out", "bench", "--json", folder=folder))
    assert [row["model"] for row in facts["models"]] == ["probe", "bayes", "bert"]
    assert all(row["status"] == "ok" for row in facts["models"])
    assert facts["fastest_near_best"] in ("probe", "bayes")
    for row in facts["models"]:
        scores = (
            last_json(run("evaluate", row["model"], "test.jsonl", "--json", folder=folder))
            if row["model"] != "bert"
            else row
        )
        assert row["micro_f1"] == scores["micro_f1"]
        assert row["cold_start_seconds"] > 0
    written = json.loads((folder / "bench" / "benchmark.json").read_text())
    assert written["rows"] == facts["models"]
    assert written["data"]["multi_label"] == toy.multi_label


def test_tables_and_the_way_on(desk):
    """Prevents names that are cut off, and a closing line without the files and the next command."""
    folder, _ = desk
    done = run("benchmark", "bayes", "probe", "--test", "test.jsonl", *FAST, "--cold-starts", "0", folder=folder)
    assert {line.split()[0] for line in done.stdout.splitlines() if line.strip()} >= {"model", "bayes", "probe"}
    last = done.stdout.strip().splitlines()[-1]
    assert "fastest within 1 point of the best" in last
    assert "Report: runs/benchmark/benchmark.html. Next: fewshot predict" in last
    assert (folder / "runs" / "benchmark" / "benchmark.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere",), 1, "no model folder 'nowhere'"),
        ((".",), 1, "'.' is no model"),
        (("bert",), 1, "knows none of the classes"),
        (("bayes", "bayes"), 1, "two models are called 'bayes'"),
        ((), 2, "models"),
        (("bayes", "--threads", "many"), 2, "whole numbers"),
        (("bayes", "--threads", "0"), 1, "threads must be at least 1"),
        (("bayes", "--label", "text"), 1, "text and label both name the column 'text'"),
    ],
)
def test_bad_input_is_one_line(desk, arguments, code, words):
    """Prevents a traceback, or minutes of measuring before a mistake is told."""
    folder, toy = desk
    if toy.multi_label and "--label" in arguments:
        pytest.skip("the same for both")
    done = run("benchmark", *arguments, "--test", "test.jsonl", *FAST[:6], folder=folder, code=code)
    assert words.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_unlabelled_texts_and_failing_models(desk, monkeypatch):
    """Prevents an exit code of success where nothing was measured."""
    folder, toy = desk
    (folder / "bare.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in toy.test_texts) + "\n")
    done = run("benchmark", "bayes", "--test", "bare.jsonl", *FAST, folder=folder, code=1)
    assert "no labelled row" in done.stderr

    def fail(self, texts):
        raise RuntimeError("no idea")

    monkeypatch.setattr(NaiveBayesClassifier, "_probabilities", fail)
    given = ("--test", "test.jsonl", *FAST, "--cold-starts", "0", "--json")
    facts = last_json(run("benchmark", "bayes", "probe", *given, folder=folder))
    assert [row["status"] for row in facts["models"]] == ["failed", "ok"]
    facts = last_json(run("benchmark", "bayes", *given, folder=folder, code=1))
    assert facts["models"][0]["error"] == "RuntimeError: no idea"


def test_ctrl_c(desk, monkeypatch):
    """Prevents that the user is not told where what was measured lies."""
    folder, _ = desk

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmarking, "take_turns", interrupted)
    given = ("--test", "test.jsonl", *FAST, "--cold-starts", "0", "--out", "broken-off")
    done = run("benchmark", "bayes", *given, folder=folder, code=130)
    assert "what was measured so far is in broken-off/benchmark.json" in done.stderr
    [row] = json.loads((folder / "broken-off" / "benchmark.json").read_text())["rows"]
    assert row["status"] == "unfinished"
    assert row["accuracy"] > 0
