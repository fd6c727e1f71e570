"""One story a verb through the real command, on a tiny encoder in a local folder (the users' way to name one)."""

import contextlib
import errno
import io
import json
import os
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

import fewshot.classifiers.folder as folder_module
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.trainings import Trainings
from fewshot.cli.compare import _next_command as next_command
from fewshot.cli.main import VERBS, app, main
from fewshot.data.readers import read_rows
from fewshot.recipes.sources import Reading
from tests.jobs import job_server

WORDS = {
    "fruit": ["apple", "pear", "plum", "cherry", "peach"],
    "tool": ["hammer", "saw", "drill", "wrench", "chisel"],
    "bird": ["robin", "crow", "heron", "finch", "owl"],
}


class Done(NamedTuple):
    """What a command left: exit code and both streams."""

    code: int
    stdout: str
    stderr: str


def run(*arguments: object, folder: Path, code: int = 0) -> Done:
    """Run ``fewshot`` in ``folder``, inside this process to spare the imports, and check its exit code."""
    out, errors, here, argv = io.StringIO(), io.StringIO(), Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = ["fewshot", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as stop:
            main()
    finally:
        os.chdir(here)
        sys.argv = argv
    done = Done(int(stop.value.code or 0), out.getvalue(), errors.getvalue())
    assert done.code == code, f"{arguments}: {done}"
    return done


def run_alone(*arguments: object, folder: Path) -> None:
    """Run ``fewshot`` in a process of its own."""
    environment = {"HF_HUB_OFFLINE": "1", "FEWSHOT_CACHE": str(folder / "cache")}
    job = {"arguments": [*map(str, arguments)], "folder": str(folder), "environment": environment}
    job_server("tests.cli.alone_script")(job, expected=0)


def last_json(done: Done) -> dict:
    """Return the machine-readable last line."""
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """A folder with labelled, test and unlabelled files, single- and multi-label, and a tiny encoder."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "encoder").symlink_to(tiny_folder)
    pairs = [(f"the {word} number {i}", label) for label, words in WORDS.items() for i, word in enumerate(words * 4)]
    rows = [f"{text},{label},{'train' if i % 2 else 'test'}" for i, (text, label) in enumerate(pairs)]
    pool = [f"a {word} and a {other}" for words in WORDS.values() for word in words for other in words]
    rows += [f"{text},,unlabeled" for text in pool]
    (folder / "things.csv").write_text("\n".join(["text,label,split", *rows]) + "\n")
    issues = [
        {"title": f"{a} {i}", "body": f"about {b}", "labels": [{"name": x} for x in ({la, lb} if i % 2 else {la})]}
        for i, (a, la, b, lb) in enumerate(
            (wa, la, wb, lb) for la, was in WORDS.items() for wa in was for lb, wbs in WORDS.items() for wb in wbs[:2]
        )
    ]
    (folder / "issues.jsonl").write_text("\n".join(map(json.dumps, issues)) + "\n")
    return folder


@pytest.fixture(scope="module")
def teacher(desk: Path) -> str:
    """A trained teacher's folder."""
    done = run("train", "things.csv:train", "--encoder", "encoder", "--out", "teacher", "--json", folder=desk)
    assert last_json(done)["texts"] == 30
    return "teacher"


def test_compare_writes_the_contracted_files(desk: Path) -> None:
    """A renamed column or file would break the scripts that read them; a second run must compute nothing anew."""
    arguments = ("compare", "things.csv:train", "--test", "things.csv:test", "--unlabeled", "things.csv:unlabeled")
    arguments += ("--methods", "naive-bayes,knn,linear-probe", "--slices", "2,4", "--seeds", "2")
    arguments += ("--encoder", "encoder", "--out", "compared", "--json")
    done = run(*arguments, folder=desk)
    first = last_json(done)
    assert (first["cells"], first["failed"]) == (12, 0)
    assert sum("cells done)" in line for line in done.stderr.splitlines()) == 3 * 2, "one line a method and slice"
    header = (desk / "compared" / "results.csv").read_text().splitlines()[0]
    assert header == (
        "method,encoder,pool,slice,n_train,seed,status,accuracy,micro_f1,macro_f1,mcc,fit_seconds,predict_seconds,error"
    )
    files = {"summary.csv", "contrasts.csv", "frontier.json", "frontier.png", "report.html", "learning_curves.png"}
    assert files <= {p.name for p in (desk / "compared").iterdir()}
    results = (desk / "compared" / "results.csv").read_bytes()
    run(*arguments, folder=desk)
    assert (desk / "compared" / "results.csv").read_bytes() == results, "finished cells were computed again"
    beside = run("compare", "compared", "compared", folder=desk)
    assert "b - a" in beside.stdout
    told = last_json(run("compare", "compared", "compared", "--json", folder=desk))
    assert {row["difference"] for row in told["rows"]} == {0}
    assert len(told["rows"]) == 6
    told = run(*arguments[:-1], folder=desk).stdout
    [legend] = [line for line in told.splitlines() if line.startswith("* best of its slice; ~ not distinguishable")]
    marked = [line.count("*") for line in told.splitlines()[: told.splitlines().index(legend)]]
    assert sum(marked) == 2 * 3, "one best of each slice and score"


def test_a_quiet_comparison_says_nothing_on_the_way(desk: Path) -> None:
    """Who asked for quiet, as a script does, must not have to tell progress from warnings."""
    command = ("compare", "things.csv:train", "--test", "things.csv:test", "--methods", "naive-bayes", "--slices", "2")
    done = run(*command, "--seeds", "1", "--quiet", "--out", "quiet", folder=desk)
    assert "cells done)" not in done.stderr
    assert (desk / "quiet" / "report.html").is_file()


def test_all_applicable_says_what_it_leaves_out(desk: Path) -> None:
    """A method dropped in silence would look as if it had been compared."""
    done = run(
        *("compare", "things.csv:train", "--test", "things.csv:test", "--methods", "all-applicable"),
        *("--slices", "2", "--seeds", "1", "--encoder", "encoder", "--out", "all"),
        folder=desk,
    )
    [line] = [line for line in done.stderr.splitlines() if line.endswith(": needs unlabelled texts (--unlabeled)")]
    assert line.startswith("left out adapt+fine-tune, uda, self-training, distilled:static, distilled:layers:3: ")


def test_train_tells_an_estimate_where_no_label_is_left_for_a_test(desk: Path) -> None:
    """Who has spent all labels on training must not have to guess, nor take the estimate for a test."""
    command = ("train", "things.csv:train", "--method", "linear-probe", "--encoder", "encoder", "--out", "estimated")
    done = run(*command, "--estimate-pool", "things.csv:unlabeled", "--json", folder=desk)
    estimate = last_json(done)["estimate"]
    assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
    assert "estimated accuracy: " in done.stderr
    assert "no test texts" in done.stderr
    assert "## Estimated score" in (desk / "estimated" / "README.md").read_text("utf-8")
    assert last_json(run(*command, "--no-estimate", "--json", folder=desk))["estimate"] is None
    refused = run(*command, "--no-estimate", "--estimate-pool", "things.csv:unlabeled", folder=desk, code=1)
    assert "--estimate-pool" in refused.stderr


def test_compare_multi_label_without_a_test_set(desk: Path) -> None:
    """GitHub issues must work as they come: title and body, labels as objects, no test file."""
    done = run(
        *("compare", "issues.jsonl", "--methods", "naive-bayes,knn,linear-probe", "--slices", "20,40", "--seeds", "1"),
        *("--encoder", "encoder", "--out", "multi", "--json"),
        folder=desk,
    )
    assert last_json(done)["failed"] == 0
    assert "held out" in done.stderr
    rows = read_rows(desk / "multi" / "results.csv").rows
    assert all(row["mcc"] == "" and row["micro_f1"] for row in rows)


def test_names_alone_make_a_teacher(desk: Path) -> None:
    """No label from first to last: prevents a user without any from finding no command that begins."""
    command = ("train", "--method", "zero-shot-embedding", "--classes", ",".join(WORDS), "--encoder", "encoder")
    done = run(*command, "--unlabeled", "things.csv:unlabeled", "--out", "named", folder=desk)
    assert done.stdout.startswith(f"Told zero-shot-embedding {len(WORDS)} class names")
    assert last_json(run("evaluate", "named", "things.csv:test", "--json", folder=desk))["n"] == 30
    student = ("distill", "--teacher", "named", "--unlabeled", "things.csv:unlabeled", "--student", "static")
    assert last_json(run(*student, "--out", "of-names", "--json", folder=desk))["n_pool"] == 75
    refused = run(*command, "--resume", "--out", "named", folder=desk, code=2)
    assert "needs labelled texts" in refused.stderr


def test_a_file_of_ones_own_shape_from_comparison_to_score(desk: Path) -> None:
    """Several labels in a column of any name: prevents a last line that, copied, cannot read the file it came from."""
    rows = [
        f'"{a} beside {b}",{la}{"" if la == lb else f"/{lb}"}'
        for la, was in WORDS.items()
        for a in was
        for lb, wbs in WORDS.items()
        for b in wbs
    ]
    (desk / "own.csv").write_text("\n".join(["message,tags", *rows]) + "\n")
    columns = ("--text", "message", "--label", "tags")
    plain = run("train", "own.csv", *columns, "--method", "naive-bayes", "--out", "own", folder=desk)
    assert "--label-separator '/' --multi-label" in plain.stderr
    shape = (*columns, "--label-separator", "/")
    refused = run("train", "own.csv", *shape, "--method", "naive-bayes", "--out", "own", folder=desk, code=1)
    assert "(--multi-label)" in refused.stderr
    command = (
        "compare",
        "own.csv",
        *shape,
        "--multi-label",
        "--methods",
        "naive-bayes",
        "--seeds",
        "1",
        "--folds",
        "0",
    )
    told = run(*command, "--out", "own-tags", folder=desk).stdout.strip().splitlines()[-1]
    words = shlex.split(told.partition(". Next: fewshot ")[2])
    run(*words, "--out", "own-model", folder=desk)
    model = json.loads((desk / "own-model" / "fewshot.json").read_text("utf-8"))
    assert (model["multi_label"], model["classes"]) == (True, sorted(WORDS))
    scored = run("evaluate", "own-model", "own.csv", *shape, "--multi-label", "--json", folder=desk)
    assert last_json(scored)["micro_f1"] > 0.8


@pytest.mark.parametrize("student", ["static", "layers:1"])
def test_distill_evaluate_predict(desk: Path, teacher: str, student: str) -> None:
    """The journey from teacher to predictions must hold together through files alone."""
    out = student.replace(":", "-")
    done = run(
        *("distill", "--teacher", teacher, "--unlabeled", "things.csv:unlabeled", "--labeled", "things.csv:train"),
        *("--student", student, "--out", out, "--json"),
        folder=desk,
    )
    assert last_json(done)["n_pool"] == 75
    scores = last_json(run("evaluate", out, "things.csv:test", "--json", folder=desk))
    assert set(scores) == {"accuracy", "micro_f1", "macro_f1", "mcc", "n"}
    assert scores["n"] == 30
    run("predict", out, "things.csv", "--out", f"{out}.csv", folder=desk)
    given, made = read_rows(desk / "things.csv").rows, read_rows(desk / f"{out}.csv").rows
    assert [row["text"] for row in made] == [row["text"] for row in given]
    assert [row["label_given"] for row in made] == [row["label"] for row in given]
    assert all(row["label"] in WORDS and 0 <= float(row["confidence"]) <= 1 for row in made)
    assert run("predict", out, "an apple", folder=desk).stdout.split()[0] in WORDS


def test_predict_keeps_the_place_of_rows_it_cannot_predict(desk: Path, teacher: str) -> None:
    """A dropped row would shift every later prediction to the wrong record."""
    (desk / "gaps.jsonl").write_text('{"id": 1, "text": "apple"}\n{"id": 2, "text": ""}\n{"id": 3, "text": "saw"}\n')
    done = last_json(run("predict", teacher, "gaps.jsonl", "--out", "filled.jsonl", "--json", folder=desk))
    assert (done["rows"], done["rejected"]) == (3, 1)
    rows = read_rows(desk / "filled.jsonl").rows
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert rows[1]["label"] is None
    assert read_rows(desk / "filled.jsonl.rejected.csv").rows == [{"row": "1", "reason": "empty text"}]


def test_train_same_seed_same_files(desk: Path, teacher: str) -> None:
    """Two runs of one command must give the same model, byte for byte."""
    run_alone("train", "things.csv:train", "--encoder", "encoder", "--out", "again", folder=desk)
    for name in ("model.safetensors", "head.safetensors", "fewshot.json"):
        assert (desk / "again" / name).read_bytes() == (desk / teacher / name).read_bytes(), name


def test_train_multi_label_and_evaluate(desk: Path) -> None:
    """Labels of a text must survive the way through a folder as sets of names."""
    command = ("train", "issues.jsonl", "--method", "linear-probe", "--encoder", "encoder", "--out", "tagger")
    run(*command, "--no-estimate", folder=desk)
    scores = last_json(run("evaluate", "tagger", "issues.jsonl", "--json", folder=desk))
    assert scores["mcc"] is None
    assert scores["micro_f1"] > 0.3
    asked = last_json(run("evaluate", "tagger", "issues.jsonl", "--at-least-one", "--per-label", "--json", folder=desk))
    counts = asked["per_label"].values()
    assert sum(values["n_predicted"] for values in counts) >= asked["n"] == scores["n"]
    assert "F1 %" in run("evaluate", "tagger", "issues.jsonl", "--per-label", folder=desk).stdout
    out = ("--out", "tagged.jsonl", "--at-least-one")
    run("predict", "tagger", "issues.jsonl", *out, folder=desk)
    assert all(row["labels"] for row in read_rows(desk / "tagged.jsonl").rows)
    alone = last_json(run("predict", "tagger", "xyzzy", "--at-least-one", "--json", folder=desk))
    assert len(alone["labels"]) >= 1


def test_thresholds_by_flag(desk: Path) -> None:
    """A flag that is taken and forgotten would leave rare labels to the threshold of the frequent ones."""
    thresholds = {}
    for way in ("common", "per-label"):
        run("train", "issues.jsonl", "--method", "naive-bayes", "--thresholds", way, "--out", way, folder=desk)
        thresholds[way] = load_file(desk / way / "head.safetensors")["threshold"].round(6)
    assert len(set(thresholds["common"])) == 1 < len(set(thresholds["per-label"]))


def test_neighbors_by_flags(desk: Path) -> None:
    """A setting that the command line drops would train another model than the one asked for."""
    flags = ("--k", "3", "--metric", "l2", "--weights", "uniform", "--keep-texts")
    run(
        "train",
        "things.csv:train",
        "--method",
        "knn",
        "--encoder",
        "pooled:encoder",
        *flags,
        "--out",
        "lookup",
        folder=desk,
    )
    listing = json.loads((desk / "lookup" / "fewshot.json").read_text())
    wanted = {"encoder": "pooled:encoder", "k": 3, "metric": "l2", "weights": "uniform", "keep_texts": True}
    assert {name: listing["params"][name] for name in wanted} == wanted
    assert b"the apple number" in (desk / "lookup" / "head.safetensors").read_bytes()
    assert "the apple number" not in (desk / "lookup" / "README.md").read_text()
    assert run("predict", "lookup", "the apple number 1", folder=desk).stdout.split()[0] in WORDS
    flags = ("--threshold", "0.4", "--k", "2")
    run("train", "issues.jsonl", "--method", "knn", "--encoder", "encoder", *flags, "--out", "tags", folder=desk)
    assert json.loads((desk / "tags" / "fewshot.json").read_text())["settings"]["threshold"] == 0.4


def test_doctor_tells_versions() -> None:
    """A report without versions helps nobody who must repeat a fault."""
    found = last_json(run("doctor", "--json", folder=Path.cwd()))
    assert {"python", "torch", "gpu", "bfloat16", "encoder bundled"} <= set(found)


def test_help_of_every_verb_has_an_example() -> None:
    """Help without an example sends people to the web."""
    for verb in VERBS:
        done = CliRunner().invoke(app, [verb, "--help"])
        assert done.exit_code == 0
        assert f"Example: fewshot {verb}" in " ".join(done.output.split())
        assert all(line.lstrip().startswith("Example:") for line in done.output.splitlines() if "Example:" in line)


WRONG = [
    (("evaluate", "teacher", "nothing.csv"), 1, "nothing.csv"),
    (("evaluate", "teacher", "thigns.csv"), 1, "things.csv"),
    (("evaluate", "nowhere", "things.csv:test"), 1, "nowhere"),
    (("evaluate", "cache", "things.csv:test"), 1, "not a model folder"),
    (("evaluate", "teacher", "things.csv:tets"), 1, "test"),
    (("evaluate", "teacher", "issues.jsonl"), 1, "several labels"),
    (("train", "things.csv:train", "--label", "lable", "--out", "x"), 1, "label"),
    (("train", "empty.csv", "--out", "x"), 1, "empty"),
    (("train", "one.csv", "--encoder", "encoder", "--out", "x"), 1, "one class only"),
    (("train", "bytes.csv", "--out", "x"), 1, "encoding"),
    (("train", "bars.csv", "--out", "x"), 1, "separator"),
    (("train", "mixed.jsonl", "--out", "x"), 1, "mix"),
    (("train", "things.csv:train", "--method", "setfitt", "--out", "x"), 1, "setfit"),
    (("train", "things.csv:train", "--encoder", "no/such-model", "--out", "x"), 1, "--encoder bundled"),
    (("train", "things.csv:train", "--encoder", "encoder", "--out", "full"), 1, "not replaced"),
    (("compare", "things.csv:train", "--test", "things.csv:test", "--slices", "99", "--out", "x"), 1, "99"),
    (("compare", "things.csv:train", "--slices", "two"), 2, "whole numbers"),
    (("compare", "things.csv:train", "--encoder", "encoder", "--budget", "5x", "--out", "x"), 1, "30m"),
    (("compare", "things.csv:train", "things.csv:test"), 1, "test texts are named by --test"),
    (
        ("compare", "things.csv:train", "--test", "issues.jsonl", "--encoder", "encoder", "--out", "x"),
        1,
        "one label a text",
    ),
    (("distill", "--teacher", "teacher", "--unlabeled", "one.csv", "--out", "x"), 1, "at least"),
    (
        ("distill", "--teacher", "teacher", "--unlabeled", "things.csv", "--student", "layers:9", "--out", "x"),
        1,
        "layers",
    ),
    (("distill", "--teacher", "teacher"), 2, "--unlabeled"),
    (("predict", "teacher", "things.csv"), 2, "--out"),
    (("predict", "teacher", "things.csv", "--out", "things.csv"), 1, "another file"),
    (("frobnicate",), 2, "frobnicate"),
    (
        ("train", "things.csv:train", "--encoder", "encoder", "--loss", "cosin", "--out", "x"),
        1,
        "Did you mean 'cosine'",
    ),
    (("train", "things.csv:train", "--encoder", "encoder", "--head", "tree", "--out", "x"), 1, "head must be one of"),
    (("train", "things.csv:train", "--encoder", "encoder", "--template", "no braces", "--out", "x"), 1, "{}"),
    (("train", "things.csv:train", "--encoder", "encoder", "--label-words", "no.json", "--out", "x"), 1, "no.json"),
    (
        ("train", "things.csv:train", "--method", "naive-bayes", "--loss", "cosine", "--out", "x"),
        1,
        "no setting --loss",
    ),
    (("train", "things.csv:train", "--from", "nowhere", "--out", "x"), 1, "nowhere"),
    (("train", "issues.jsonl", "--from", "teacher", "--out", "x"), 1, "several labels"),
    (
        ("train", "things.csv:train", "--method", "knn", "--encoder", "encoder", "--search", "2", "--out", "x"),
        1,
        "'knn'",
    ),
    (
        ("train", "things.csv:train", "--encoder", "encoder", "--augment", "tokns", "--out", "x"),
        1,
        "Did you mean 'tokens'",
    ),
    (
        ("train", "things.csv:train", "--method", "knn", "--encoder", "encoder", "--augment", "tokens", "--out", "x"),
        1,
        "no setting --augment",
    ),
    (("train", "things.csv:train", "--method", "knn+augment", "--out", "x"), 1, "setfit+augment"),
    (("train", "things.csv:train", "--method", "linear-probe", "--k", "3", "--out", "x"), 1, "no setting --k"),
    (
        ("train", "things.csv:train", "--method", "knn", "--encoder", "encoder", "--metric", "dot", "--out", "x"),
        1,
        "metric must be one of cosine, l2",
    ),
    (("train", "things.csv:train", "--method", "knn", "--encoder", "pooled:", "--out", "x"), 1, "pooled:"),
    (("predict", "teacher", "an apple", "--precision", "2"), 1, "precision must be above 0 and at most 1"),
]


@pytest.mark.parametrize(("arguments", "code", "word"), WRONG, ids=[" ".join(row[0])[:60] for row in WRONG])
def test_wrong_input_is_one_line_and_leaves_nothing(
    desk: Path, teacher: str, arguments: tuple[str, ...], code: int, word: str
) -> None:
    """A traceback, a wrong exit code or a half-written folder would break the user's script."""
    (desk / "empty.csv").write_text("")
    (desk / "one.csv").write_text("text,label\na,x\nb,x\n")
    (desk / "bytes.csv").write_bytes("text,label\ncafé,x\n".encode("latin-1"))
    (desk / "bars.csv").write_text("text,label\na,x|y\nb,z\n")
    (desk / "mixed.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": "x"}\n')
    (desk / "full").mkdir(exist_ok=True)
    (desk / "full" / "diary.txt").write_text("mine")
    (desk / "cache").mkdir(exist_ok=True)
    done = run(*arguments, folder=desk, code=code)
    assert word in done.stderr
    if code == 1:
        assert done.stderr.strip().splitlines()[-1].startswith("fewshot: error: ")
        assert not (desk / "x").exists()
        assert (desk / "full" / "diary.txt").read_text() == "mine"


def test_interrupt_keeps_finished_cells_and_says_so(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is an ordinary event: exit code 130, one line, and the next call goes on."""

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    arguments = ("compare", "things.csv:train", "--test", "things.csv:test", "--methods", "naive-bayes,linear-probe")
    arguments += ("--slices", "2", "--seeds", "1", "--encoder", "encoder", "--out", "stopped")
    with monkeypatch.context() as patch:
        patch.setattr(LinearProbeClassifier, "_learn", interrupt)
        done = run(*arguments, folder=desk, code=130)
    assert "goes on with the same command" in done.stderr
    assert len(read_rows(desk / "stopped" / "results.csv").rows) == 1
    run(*arguments, folder=desk)
    assert len(read_rows(desk / "stopped" / "results.csv").rows) == 2


def test_an_interrupted_training_goes_on(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that was stopped after hours must not start again, nor end otherwise than in one go."""
    arguments = ("train", "things.csv:train", "--encoder", "encoder", "--steps", "20", "--out", "long")
    run(*arguments[:-1], "whole", folder=desk)
    judged: list[str] = []

    def stop_at_the_last(self: Trainings, train: object, stage: str, *rest: object) -> object:
        if stage == "body":
            raise KeyboardInterrupt
        judged.append(stage)
        return real(self, train, stage, *rest)

    real = Trainings._train
    with monkeypatch.context() as patch:
        patch.setattr(Trainings, "_train", stop_at_the_last)
        assert "--resume" in run(*arguments, folder=desk, code=130).stderr
        assert judged == ["fold-0", "fold-1"]
        run(*arguments, "--resume", folder=desk, code=130)
        assert judged == ["fold-0", "fold-1"], "finished folds were trained again"
    assert "went on with what 'long.training' held" in run(*arguments, "--resume", folder=desk).stderr
    for name in ("model.safetensors", "head.safetensors"):
        assert (desk / "long" / name).read_bytes() == (desk / "whole" / name).read_bytes(), name
    assert not (desk / "long.training").exists()
    done = run(*arguments[:-1], "fresh", "--resume", folder=desk)
    assert "fresh" in done.stdout
    assert "there was nothing to go on with" in done.stderr


def test_a_classifier_grows(desk: Path, teacher: str) -> None:
    """A new class must come in without losing the old ones, and the reader must learn what was done."""
    rows = (desk / "things.csv").read_text().splitlines()
    fish = [f"the {word} in the sea,fish,train" for word in ("cod", "trout", "salmon", "herring")]
    (desk / "more.csv").write_text("\n".join([*rows, *fish]) + "\n")
    done = run("train", "more.csv:train", "--from", teacher, "--out", "grown", folder=desk)
    assert "1 new class" in done.stderr
    assert last_json(run("evaluate", "grown", "more.csv:train", "--json", folder=desk))["n"] == 34
    (desk / "fish.csv").write_text("\n".join(["text,label", *(row.rpartition(",")[0] for row in fish)]) + "\n")
    done = run("train", "fish.csv", "--from", teacher, "--out", "grown", folder=desk)
    assert "only the head is refitted" in done.stderr
    assert "only the head is refitted" in (desk / "grown" / "README.md").read_text()


def test_class_names_and_searched_settings(desk: Path) -> None:
    """Words for codes must reach the training, and a search must leave its table beside the model."""
    (desk / "words.json").write_text(json.dumps({"fruit": "fruit", "tool": "tools", "bird": "birds", "fish": "fish"}))
    done = run(
        *("train", "things.csv:train", "--encoder", "encoder", "--steps", "2", "--search", "2", "--out", "searched"),
        *("--label-words", "words.json", "--template", "about {}", "--template", "{}", "--json"),
        folder=desk,
    )
    assert last_json(done)["classes"] == 4, "the class that only has words is missing"
    assert {"trials.csv", "trials.png"} <= {path.name for path in (desk / "searched").iterdir()}
    assert len(read_rows(desk / "searched" / "trials.csv").rows) == 2


def test_class_names_alone(desk: Path, tiny_nli: Path) -> None:
    """Zero-shot methods must be trained, compared without labels and asked like any other, descriptions included."""
    words = {"fruit": ["a fruit", "an apple or a plum"], "tool": "tools", "bird": "birds"}
    (desk / "described.json").write_text(json.dumps(words))
    for method in ("zero-shot-embedding", f"zero-shot-nli:{tiny_nli}"):
        made = run(
            *("train", "things.csv:train", "--method", method, "--encoder", "encoder", "--device", "cpu"),
            *("--label-words", "described.json", "--template", "about {}", "--out", "named", "--json"),
            folder=desk,
        )
        assert last_json(made)["classes"] == 3
        answer = last_json(run("predict", "named", "the plum", "--device", "cpu", "--json", folder=desk))
        assert answer["label"] in words
    done = run(
        *("compare", "things.csv:train", "--methods", "knn,zero-shot-embedding", "--slices", "0,2", "--seeds", "1"),
        *("--encoder", "encoder", "--label-words", "described.json", "--out", "unlearned", "--json"),
        folder=desk,
    )
    assert (last_json(done)["cells"], last_json(done)["failed"]) == (3, 0)
    best = {"method": "zero-shot-embedding", "encoder": "encoder", "pool": None}
    told = next_command("things.csv:train", best, {}, Reading(), "described.json")
    assert "--label-words described.json" in told
    assert "--label-words" not in next_command("things.csv", best | {"method": "knn"}, {}, Reading(), "described.json")
    assert "left out knn: at slice 0, where there is no label to learn from" in done.stderr


@pytest.mark.long
def test_train_with_copies(desk: Path) -> None:
    """Copies must reach every method that learns from them, and the same command must give the same files."""
    arguments = ("train", "things.csv:train", "--encoder", "encoder", "--steps", "2")
    copies = ("--augment", "tokens", "--augment", "mix")
    run(*arguments, *copies, "--out", "copies", folder=desk)
    run_alone(*arguments, *copies, "--out", "copies-again", folder=desk)
    for name in ("model.safetensors", "head.safetensors", "fewshot.json"):
        assert (desk / "copies" / name).read_bytes() == (desk / "copies-again" / name).read_bytes(), name
    made = json.loads((desk / "copies" / "fewshot.json").read_text())
    assert made["params"]["augment"] == ["tokens", "mix"]
    assert made["settings"]["report"]["copies"] > 150
    for method in ("naive-bayes", "linear-probe"):
        heads = []
        for out, variant in (
            ("plain", (method,)),
            ("a", (f"{method}+augment",)),
            ("b", (method, "--augment", "tokens")),
        ):
            run("train", "things.csv:train", "--encoder", "encoder", "--method", *variant, "--out", out, folder=desk)
            heads.append((desk / out / "head.safetensors").read_bytes())
        assert heads[0] != heads[1] == heads[2]
    done = run(
        *("compare", "things.csv:train", "--test", "things.csv:test", "--methods", "naive-bayes,naive-bayes+augment"),
        *("--slices", "4", "--seeds", "1", "--out", "copied", "--json"),
        folder=desk,
    )
    assert last_json(done)["failed"] == 0


def test_setfit_opens_what_was_made_for_it(desk: Path) -> None:
    """A flag that promises compatibility must be kept by the other package, and only the flag writes a pickle."""
    from setfit import SetFitModel

    arguments = ("train", "things.csv:train", "--encoder", "encoder", "--steps", "2", "--head", "logistic")
    run(*arguments, "--out", "plain", folder=desk)
    assert not list((desk / "plain").rglob("*.pkl"))
    run(*arguments, "--setfit-compatible", "--out", "shared", folder=desk)
    texts = ["an apple", "the saw", "a robin"]
    theirs = SetFitModel.from_pretrained(str(desk / "shared"), device="cpu").predict(texts)
    ours = [run("predict", "shared", text, folder=desk).stdout.split()[0] for text in texts]
    assert list(theirs) == ours


def test_predict_can_stay_silent(desk: Path, teacher: str) -> None:
    """Rows that nobody can vouch for must keep their place, without a label."""
    options = ("--precision", "1.0", "--in-scope-only", "--json")
    done = last_json(run("predict", teacher, "things.csv", "--out", "sure.csv", *options, folder=desk))
    rows = read_rows(desk / "sure.csv").rows
    assert len(rows) == done["rows"] == 135
    assert done["abstained"] == sum(row["label"] == "" for row in rows) == 135, "nothing vouches for 100 %"
    assert all(row["confidence"] for row in rows)


def test_full_disk_is_one_line_and_the_old_model_stays(
    desk: Path, teacher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills while a model is saved must cost the new model only."""

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "model.safetensors")

    before = (desk / teacher / "fewshot.json").read_bytes()
    monkeypatch.setattr(folder_module, "write_json", full)
    done = run("train", "things.csv:train", "--encoder", "encoder", "--out", teacher, folder=desk, code=1)
    assert "the disk is full" in done.stderr
    assert (desk / teacher / "fewshot.json").read_bytes() == before
    assert not list(desk.glob(f".{teacher}*"))


def test_one_text_is_told_from_a_file(desk: Path, teacher: str) -> None:
    """A long text is no file name, a sentence that names a file is a text, and a misspelt path is not a text."""
    for text in ("apple " * 100, "please saw config.json", "an apple: pear"):
        assert run("predict", teacher, text, folder=desk).stdout.split()[0] in WORDS
    for path in ("nothing.csv", "things.csv:train", "no/such/file", "hub:ag_news"):
        assert "--out" in run("predict", teacher, path, folder=desk, code=2).stderr


def test_predicting_predictions_loses_no_label(desk: Path, teacher: str) -> None:
    """The gold labels must survive a second prediction on the first one's output."""
    run("predict", teacher, "things.csv", "--out", "once.csv", folder=desk)
    run("predict", teacher, "once.csv", "--out", "twice.csv", folder=desk)
    rows = read_rows(desk / "twice.csv").rows
    assert [row["label_given"] for row in rows] == [row["label"] for row in read_rows(desk / "things.csv").rows]
    assert [row["label_given_given"] for row in rows] == [row["label"] for row in read_rows(desk / "once.csv").rows]
    assert len(set(rows[0])) == len(rows[0])


def test_unknown_output_format_is_found_before_the_work(desk: Path, teacher: str) -> None:
    """A format that cannot be written must not cost an hour of predicting first."""
    assert "sheet.xlsx" in run("predict", teacher, "things.csv", "--out", "sheet.xlsx", folder=desk, code=1).stderr


def test_compare_encoders_and_pools(desk: Path, teacher: str) -> None:
    """Several encoders and pools must reach the table, the next command and the checks by their names."""
    arguments = ("compare", "things.csv:test", "--test", "things.csv:train")
    arguments += ("--methods", "naive-bayes,knn,zero-shot-embedding")
    arguments += ("--unlabeled", "things.csv:unlabeled", "--unlabeled", "issues.jsonl", "--pool-sizes", "3")
    arguments += ("--slices", "1", "--seeds", "1", "--encoder", f"encoder,{teacher}", "--out", "grid")
    done = run(*arguments, folder=desk)
    for name in ("knn (encoder)", "knn (teacher)"):
        assert name in done.stdout
    rows = read_rows(desk / "grid" / "results.csv").rows
    cells = [(row["method"], row["encoder"], row["pool"]) for row in rows]
    pools = ("things:3", "issues:3")
    grid = [("zero-shot-embedding", encoder, pool) for encoder in ("encoder", "teacher") for pool in pools]
    assert cells == [("naive-bayes", "", ""), ("knn", "encoder", ""), ("knn", "teacher", ""), *grid]
    assert "zero-shot-embedding (teacher, issues:3)" in done.stdout
    assert "check 112: teacher learnt from 30 of the 30 test texts" in done.stderr
    seen = run("evaluate", teacher, "things.csv:train", folder=desk)
    assert "warning: teacher learnt from 30 of the 30 test texts" in seen.stderr
    assert "warning" not in run("evaluate", teacher, "things.csv:test", folder=desk).stderr


def test_compare_by_cross_validation(desk: Path) -> None:
    """Who has few labels and no test set must be told what to type, and that must run."""
    arguments = ("compare", "things.csv:train", "--methods", "naive-bayes,knn", "--slices", "1,2", "--seeds", "2")
    arguments += ("--encoder", "encoder", "--out", "once", "--quiet")
    done = run(*arguments, folder=desk)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("to judge on all labelled texts")]
    command = shlex.split(line.partition(": ")[2])
    assert command[-4:] == ["--folds", "5", "--out", "once-folds"]
    assert command.count("--out") == 1
    told = run(*command[1:], folder=desk)
    assert "to judge on all labelled texts" not in told.stderr
    rows = read_rows(desk / "once-folds" / "results.csv").rows
    assert len(rows) == 2 * 2 * 2 * 5
    assert {row["status"] for row in rows} == {"ok"}
    refused = run(*arguments, "--folds", "5", "--test", "things.csv:test", folder=desk, code=1)
    assert "without a test set" in refused.stderr
    large = ("--folds", "5", "--slices", "9", "--out", "large")
    assert "slices must be at most 8" in run(*arguments, *large, folder=desk, code=1).stderr
