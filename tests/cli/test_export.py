"""``fewshot export`` through the real command: from a trained model to answers without torch."""

import json
import sys

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from tests.cli.test_story import last_json, run


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny_folder, single, multi, pool):
    """A folder with files of both kinds, an encoder, and a teacher and a student of each."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "encoder").symlink_to(tiny_folder)
    (folder / "pool.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in pool) + "\n")
    for name, toy in (("single", single), ("multi", multi)):
        key = "labels" if toy.multi_label else "label"
        for part, texts, labels in (("train", toy.texts, toy.labels), ("test", toy.test_texts, toy.test_labels)):
            rows = [json.dumps({"text": text, key: label}) for text, label in zip(texts, labels, strict=True)]
            (folder / f"{name}-{part}.jsonl").write_text("\n".join(rows) + "\n")
        usual = ("train", f"{name}-train.jsonl", "--encoder", "encoder", "--out", f"{name}-model")
        run(*usual, "--method", "linear-probe", "--no-estimate", folder=folder)
        student = ("distill", "--teacher", f"{name}-model", "--unlabeled", "pool.jsonl", "--steps", "4")
        run(*student, "--student", "static", "--out", f"{name}-static", folder=folder)
        run(*student, "--student", "layers:2", "--out", f"{name}-layers", folder=folder)
    return folder


@pytest.mark.parametrize("name", ["single", "multi"])
@pytest.mark.parametrize("student", ["model", "layers", "static"])
def test_export_evaluate_predict(desk, name, student):
    """Prevents a journey that ends before its purpose: export, evaluate, predict, with the same answers."""
    made, out = f"{name}-{student}", f"{name}-{student}-out"
    done = run("export", made, "--format", "onnx", "--texts", "pool.jsonl", "--out", out, folder=desk)
    last = done.stdout.strip().splitlines()[-1]
    kind = "float16" if student == "static" else "float32"
    assert last.startswith(f"Exported {made} (")
    assert f"as {kind}: {out} (" in last
    assert "same labels on 100.0 % of 120 texts" in last
    assert last.endswith(f"Next: fewshot predict {out} FILE --out labelled.csv")
    before, after = (last_json(run("evaluate", x, f"{name}-test.jsonl", "--json", folder=desk)) for x in (made, out))
    assert before == after
    run("predict", out, "pool.jsonl", "--out", "labelled.csv", folder=desk)
    assert len((desk / "labelled.csv").read_text().splitlines()) == 121
    assert " %)" in run("predict", out, "refund my card", folder=desk).stdout


@pytest.mark.parametrize("student", ["model", "static"])
def test_int8_and_json(desk, student):
    """Prevents a script from reading prose; the loss must be among the figures."""
    made = ("export", f"single-{student}", "--quantize", "int8", "--out", f"{student}-int8")
    facts = last_json(run(*made, "--texts", "pool.jsonl", "--json", folder=desk))
    assert (facts["precision"], facts["out"], facts["n_texts"]) == ("int8", f"{student}-int8", 120)
    assert 0.5 <= facts["agreement"] <= 1
    assert student == "model" or facts["megabytes"] < facts["megabytes_before"]  # a graph this tiny is no smaller
    done = run(*made, folder=desk)
    assert "texts like yours tell more (--texts)" in done.stderr
    assert ("rounded by one scale a batch" in done.stderr) == (student == "model")
    record = json.loads((desk / f"{student}-int8" / "fewshot.json").read_text())
    assert record["provenance"]["exported from"] == ("linear-probe" if student == "model" else record["kind"])
    assert "pool.jsonl" not in json.dumps(record)


def test_static_int8_with_a_refitted_head(desk):
    """Prevents flags that are taken and lead nowhere, and a refit that nobody is told of."""
    made = ("export", "single-layers", "--quantize", "int8-static", "--refit-head", "--texts", "pool.jsonl")
    done = run(*made, "--out", "static-int8", "--json", folder=desk)
    facts = last_json(done)
    assert facts["precision"] == "int8-static"
    assert facts["refit"]["n_judged"] == facts["calibration"]["n_judged"] // 2 == 60
    assert "held-out texts" in done.stderr
    assert "kept" in done.stderr
    assert "one scale a batch" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("nowhere",), 1, "no model folder 'nowhere'"),
        (("encoder",), 1, "it has no fewshot.json"),
        (("single-model", "--format", "onyx"), 1, "Did you mean 'onnx'"),
        (("single-model", "--quantize", "int4"), 1, "Did you mean 'int8'"),
        (("single-model", "--quantize", "int8-static"), 1, "--texts"),
        (("single-model", "--quantize", "int8", "--refit-head"), 1, "--texts"),
        (("single-model", "--texts", "no.csv"), 1, "no.csv"),
        (("single-model", "--out", "single-model"), 1, "another folder than the model's"),
        (("single-model", "--out", "encoder"), 1, "holds files but no fewshot.json"),
        (("single-model-out-again", "--out", "x"), 1, "no model folder"),
        ((), 2, "Missing argument"),
    ],
)
def test_what_goes_wrong(desk, arguments, code, word):
    """Prevents tracebacks, and mistakes that are found after the work."""
    options = () if "--out" in arguments else ("--out", "wrong")
    done = run("export", *arguments, *options, folder=desk, code=code)
    assert word in done.stderr
    assert not (desk / "wrong").exists()


def test_an_unsupported_head_and_a_missing_extra(desk, monkeypatch):
    """Prevents a line that does not say what to do."""
    run("train", "single-train.jsonl", "--method", "knn", "--encoder", "encoder", "--out", "knn", folder=desk)
    error = run("export", "knn", "--out", "wrong", folder=desk, code=1).stderr
    assert "a 'knn' classifier cannot be exported" in error
    assert "fewshot distill --teacher" in error
    monkeypatch.setitem(sys.modules, "onnx", None)
    error = run("export", "single-model", "--out", "wrong", folder=desk, code=1).stderr
    assert "pip install 'fewshot[onnx]'" in error
    assert not (desk / "wrong").exists()
