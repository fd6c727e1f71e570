"""The way down a ladder of smaller models: what is tried, kept, refused, and made again after a break."""

import contextlib
import dataclasses
import json
import shutil
import warnings

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

import fewshot.recipes.rungs as rungs_module
from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.artifacts import read_json
from fewshot.core.errors import DataWarning, InputError, MissingExtraError
from fewshot.data.texts import TextData
from fewshot.recipes.rung_store import RungStore
from fewshot.recipes.rungs import LADDER, STEPS, choose_rungs, kinds_of
from fewshot.recipes.shrink_judge import Judge
from fewshot.recipes.shrink_outcome import choose
from fewshot.recipes.shrink_settings import ShrinkSettings, parse_size
from fewshot.recipes.shrinking import shrink_model
from fewshot.recipes.used_texts import used_by
from tests.compression.tiny_transformers import sequence_of
from tests.recipes.benchmark_cases import judge_texts

QUICK = {"seconds": 0.02, "steps": 2, "device": "cpu"}
FEW, SHORT = ("onnx", "trimmed"), ("onnx", "trimmed+int8", "static")


@pytest.fixture(scope="module")
def models(tmp_path_factory, tiny_encoder, tiny_static, tiny_tokenizer, single, multi):
    """Folders of a model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    LinearProbeClassifier(tiny_encoder, device="cpu").fit(single.texts, single.labels).save(folder / "single")
    LinearProbeClassifier(tiny_encoder, device="cpu").fit(multi.texts, multi.labels).save(folder / "multi")
    LinearProbeClassifier(tiny_static).fit(single.texts, single.labels).save(folder / "table")
    KNNClassifier(tiny_static).fit(single.texts, single.labels).save(folder / "knn")
    NaiveBayesClassifier().fit(single.texts, single.labels).save(folder / "bayes")
    sequence_of("Bert", tiny_tokenizer, sorted(set(single.labels))).save(folder / "sequence")
    return folder


@pytest.fixture(scope="module")
def whole(models, pool, tmp_path_factory):
    """What a short ladder made of the model, judged on a part of the pool."""
    out = tmp_path_factory.mktemp("whole") / "small"
    return shrink_model(models / "single", pool, out=out, rungs=SHORT, max_loss=100, **QUICK)


def test_what_is_kept(whole, models, pool):
    """Prevents rungs that nobody tries, and a kept model that is not the one that was measured."""
    assert [row["rung"] for row in whole.rows] == ["model", "onnx", "trimmed", "trimmed+int8", "static"]
    assert [row["error"] for row in whole.rows] == [None] * len(whole.rows)
    sizes = {row["rung"]: row["size_bytes"] for row in whole.rows[1:]}
    assert whole.kept == min(sizes, key=sizes.get)
    assert sum(file.stat().st_size for file in whole.folder.rglob("*") if file.is_file()) == sizes[whole.kept]
    rung = load_classifier(RungStore(whole.path_folder / "rungs").path(whole.kept))
    assert load_classifier(whole.folder).predict(pool).tolist() == rung.predict(pool).tolist()
    assert whole.metric == "agreement"
    assert whole.rows[0]["agreement"] == 1
    for row in whole.rows[1:]:
        assert row["loss"] == pytest.approx(100 * (1 - row["agreement"]))
    assert whole.row("onnx")["loss"] == 0
    assert whole.row("trimmed")["loss"] < 100


@pytest.mark.long
def test_the_whole_ladder(models, pool, tmp_path):
    """Prevents default rungs that the model cannot have, or that nobody tries."""
    wanted = {name.format(half=2) for name, kinds in LADDER.items() if "sentence encoder" in kinds}
    found = shrink_model(models / "single", pool, out=tmp_path / "out", max_loss=100, **QUICK)
    assert {row["rung"] for row in found.rows} == {"model", *wanted, "trimmed", "layers:2+trimmed"}
    assert [row["error"] for row in found.rows] == [None] * len(found.rows)


def test_the_path_is_told(whole):
    """Prevents a path that is only on the terminal, and a figure in which the kept one cannot be found."""
    written = read_json(whole.path_folder / "path.json")
    assert written["rows"] == json.loads(json.dumps(whole.rows))
    assert written["kept"] == whole.kept
    told = (whole.path_folder / "path.md").read_text("utf-8")
    assert f"Kept {whole.kept}: " in told
    assert "24 texts held out of the pool" in told
    assert (whole.path_folder / "path.png").read_bytes()[:4] == b"\x89PNG"
    verdicts = {row["rung"]: row.get("verdict") for row in whole.readable()}
    assert [rung for rung, verdict in verdicts.items() if verdict == "kept"] == [whole.kept]


def test_what_is_judged_on_is_not_learnt(whole, models, pool, monkeypatch, tmp_path):
    """Prevents rungs from being judged on texts that students were distilled on."""
    seen = {}

    def watch(source, out, job):
        seen["pool"] = list(job.pool)
        shutil.copytree(source, out)

    monkeypatch.setitem(rungs_module.STEPS, "onnx", watch)
    benchmark = {}
    import fewshot.recipes.shrinking as shrinking

    usual = shrinking.benchmark_models

    def look(folders, data, **options):
        benchmark["texts"] = data.texts
        return usual(folders, data, **options)

    monkeypatch.setattr(shrinking, "benchmark_models", look)
    shrink_model(models / "single", pool, out=tmp_path / "out", rungs=["onnx"], **QUICK)
    assert len(benchmark["texts"]) == len(pool) // 5
    assert not set(benchmark["texts"]) & set(seen["pool"])
    assert {*benchmark["texts"], *seen["pool"]} == set(pool)


@pytest.mark.parametrize("name", ["single", "multi"])
def test_validation_and_test(name, models, pool, request, tmp_path):
    """Prevents a loss on true labels that is none, and a final figure of every rung instead of two models."""
    toy = request.getfixturevalue(name)
    validation = judge_texts(toy)
    test = TextData(toy.texts, toy.labels, toy.multi_label, list(range(len(toy.texts))), source="known")
    test = test.select(row for row, text in enumerate(test.texts) if text not in validation.texts)
    shared = not toy.multi_label  # the pool is made of phrases of the single-label task
    with pytest.warns(DataWarning, match="copies of excluded") if shared else contextlib.nullcontext():
        found = shrink_model(
            models / name,
            pool,
            out=tmp_path / "out",
            validation=validation,
            test=test,
            rungs=FEW,
            max_loss=100,
            **QUICK,
        )
    metric = "micro_f1" if toy.multi_label else "accuracy"
    assert found.metric == metric
    model = found.rows[0]
    for row in found.rows[1:]:
        assert row["loss"] == pytest.approx(100 * (model[metric] - row[metric]))
        assert (row["standard_error"] is None) == toy.multi_label
    assert found.test["n"] == len(test)
    if not toy.multi_label:
        assert found.test["kept"] == load_classifier(found.folder).score(test.texts, test.labels)
    assert "flatter the kept one" in " ".join(found.notes)
    chosen = [one for one in used_by(found.folder, "it") if one.use == "had settings chosen on"]
    assert chosen[0].told(validation.texts) is not None


def test_several_labels_without_validation(models, pool, tmp_path):
    """Prevents an empty set of labels from counting as agreement, which would let a rung win that gives none."""
    found = shrink_model(models / "multi", pool, out=tmp_path / "out", rungs=FEW, max_loss=100, **QUICK)
    assert found.metric == "micro_f1"
    assert found.row("onnx")["loss"] == 0
    assert "against the model's own answers" in found.told


def test_nothing_is_kept_that_does_not_fit(models, pool, tmp_path):
    """Prevents a model above the size or the loss from being put in place, and an earlier one from being lost."""
    out = tmp_path / "out"
    shutil.copytree(models / "table", out)
    before = (out / "fewshot.json").read_bytes()
    found = shrink_model(models / "single", pool, out=out, rungs=FEW, target_size="2kB", **QUICK)
    assert (found.kept, found.folder) == (None, None)
    assert found.nearest in {row["rung"] for row in found.rows[1:]}
    assert f"the nearest is {found.nearest}: " in found.headline()
    assert (out / "fewshot.json").read_bytes() == before
    assert "too large" in (tmp_path / "out.path" / "path.md").read_text("utf-8")


def test_choice():
    """Prevents the objective from being ignored, and a nearest one that is farther than another."""

    def row(name, size, speed, loss, small=True, good=True):
        wishes = {"small_enough": small, "good_enough": good, "status": "ok"}
        return {"rung": name, "size_bytes": size, "latency_p50_ms": speed, "loss": loss, **wishes}

    rows = [row("a", 10, 5.0, 0.5), row("b", 20, 1.0, 0.1), row("c", 10, 4.0, 0.9), row("d", 1, 0.1, 9, good=False)]
    assert choose(rows, "size") == ("c", None)
    assert choose(rows, "speed") == ("b", None)
    assert choose([row("a", 30, 1, 0.1, small=False), row("b", 25, 1, 0.2, small=False)], "size") == (None, "b")
    assert choose([row("a", 30, 1, 0.1, small=False), row("b", 2, 1, 7, good=False)], "size") == (None, "b")
    assert choose([{"rung": "a", "status": "failed"}], "size") == (None, None)


def test_a_rung_that_fails_lets_the_others_go_on(models, pool, tmp_path, monkeypatch):
    """Prevents one missing package from ending the whole way, and its reason from being lost."""

    def fail(source, out, job):
        raise MissingExtraError("onnx is needed; run: pip install 'fewshot[onnx]'")

    monkeypatch.setitem(rungs_module.STEPS, "int8", fail)
    monkeypatch.setitem(rungs_module.STEPS, "trimmed", fail)
    found = shrink_model(
        models / "single", pool, out=tmp_path / "out", rungs=["trimmed+onnx", "int8", "onnx"], max_loss=100, **QUICK
    )
    assert {row["rung"]: row["status"] for row in found.rows} == {
        "model": "ok",
        "trimmed": "failed",
        "trimmed+onnx": "failed",
        "int8": "failed",
        "onnx": "ok",
    }
    assert "pip install 'fewshot[onnx]'" in found.row("int8")["error"]
    assert found.row("trimmed+onnx")["error"] == "trimmed failed, which it is made from"
    assert found.kept == "onnx"


def test_a_full_disk_is_no_failed_rung(models, pool, tmp_path, monkeypatch):
    """Prevents a run on a full disk from going on to the end, each rung failing for the same reason."""

    def fail(source, out, job):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(rungs_module.STEPS, "onnx", fail)
    with pytest.raises(OSError, match="No space"):
        shrink_model(models / "single", pool, out=tmp_path / "out", rungs=["onnx", "static"], **QUICK)


def test_only_what_is_missing_is_made_again(models, pool, tmp_path, monkeypatch):
    """Prevents a break from costing finished rungs, and other settings from passing for finished ones."""
    made, out = [], tmp_path / "out"
    export = rungs_module.STEPS["trimmed"]

    def count(source, pool, gold, *, out, settings, resume):
        made.append((settings.student, resume))
        shutil.copytree(source, out, dirs_exist_ok=True)

    def interrupt(source, out, job):
        (out.parent / ".torn.part").mkdir()
        raise KeyboardInterrupt

    def again(**changes):
        made.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            found = shrink_model(
                models / "single",
                pool,
                out=out,
                rungs=("layers:2+trimmed", "static"),
                **{"max_loss": 100, **QUICK, **changes},
            )
        assert found.kept is not None
        return found

    monkeypatch.setattr(rungs_module, "distill_classifier", count)
    monkeypatch.setitem(rungs_module.STEPS, "trimmed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        again()
    assert made == [("layers:2", False)]
    assert not out.exists()
    monkeypatch.setitem(rungs_module.STEPS, "trimmed", export)
    first = again(resume=True)
    assert made == [("static", False)]
    assert "rungs that were there already: 1" in first.notes
    assert not (tmp_path / "out.path" / "rungs" / ".torn.part").exists()
    again(resume=True, target_size="1GB", max_loss=99)
    assert made == []
    store = RungStore(tmp_path / "out.path" / "rungs")
    record = read_json(store.path("static").with_name("static.json"))
    store.begin("static", record["key"])  # as a kill leaves it: a folder that may be whole, and no word that it is
    again(resume=True)
    assert made == [("static", True)]
    again(resume=True, seed=1)
    assert made == [("layers:2", False), ("static", False)]
    again()
    assert made == [("layers:2", False), ("static", False)]


def test_the_same_command_gives_the_same_files(models, pool, tmp_path):
    """Prevents a choice that hangs on chance beside the seed."""
    files = []
    for name in ("one", "two"):
        shrink_model(models / "single", pool, out=tmp_path / name, rungs=["trimmed"], max_loss=100, **QUICK)
        paths = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        files.append({path.name: path.read_bytes() for path in paths})
    assert files[0] == files[1]


def test_tables_and_transformers_with_a_head(models, pool, tmp_path):
    """Prevents ladders that hold rungs which the model cannot have."""
    found = shrink_model(models / "table", pool, out=tmp_path / "table", max_loss=100, **QUICK)
    assert [(row["rung"], row["status"]) for row in found.rows[1:]] == [("int8", "ok"), ("float16", "ok")]
    found = shrink_model(
        models / "sequence", pool, out=tmp_path / "sequence", rungs=["layers:1+trimmed+int8"], max_loss=100, **QUICK
    )
    made = ["layers:1", "layers:1+trimmed", "layers:1+trimmed+int8"]
    assert [(row["rung"], row["status"]) for row in found.rows[1:]] == [(name, "ok") for name in made]
    assert found.row(made[1])["size_bytes"] < found.row(made[0])["size_bytes"]


def test_ladders_by_kind(models, tiny_folder):
    """Prevents a default rung that fails on each model of a kind."""
    names = {}
    for name, encoder in (("sequence", None), ("sequence", str(tiny_folder))):
        model = load_classifier(models / name)
        names[encoder] = [rung.name for rung in choose_rungs(model, kinds_of(model, encoder))]
    assert names[None] == [
        *("onnx", "int8", "trimmed", "trimmed+int8"),
        *("layers:1", "layers:1+int8", "layers:1+trimmed", "layers:1+trimmed+int8"),
    ]
    assert names[str(tiny_folder)] == [*names[None], "static", "static+int8", "static:words", "static:words+int8"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("layer:2", "unknown rung 'layer:2'.*Did you mean"),
        ("int4", "unknown rung 'int4'.*Did you mean 'int8'"),
        ("statik", "Did you mean 'static'"),
        ("layers:9", "the teacher has 4 layers"),
        ("layers:two", "layers:N"),
        ("pruned:half", "pruned:S"),
        ("int8+trimmed", "after 'int8' nothing more can be done"),
        ("", "unknown rung"),
    ],
)
def test_unknown_rungs(models, name, words):
    """Prevents a misspelt rung from being found out after an hour, as a failed one."""
    model = load_classifier(models / "single")
    with pytest.raises(InputError, match=words):
        choose_rungs(model, kinds_of(model, None), [name])
    assert all("+" not in step for step in STEPS)


@pytest.mark.parametrize(
    ("model", "changes", "words"),
    [
        ("single", {"target_size": "10 bananas"}, "target_size must be a number with B, kB, MB or GB.*10 bananas"),
        ("single", {"target_size": "0MB"}, "target_size"),
        ("single", {"max_loss": -1.0}, "max_loss must be percentage points from 0 to 100, got -1"),
        ("single", {"objective": "sise"}, "Did you mean 'size'"),
        ("single", {"loss": 1}, "unknown settings loss"),
        ("single", {"rungs": ()}, "rungs"),
        ("single", {"encoder": "bundled"}, "has its own"),
        ("knn", {}, "'knn' classifier cannot be exported.*train linear-probe"),
        ("bayes", {}, "'naive-bayes' classifier cannot be exported"),
        ("table", {"rungs": ("static",)}, "is a token table already"),
        ("sequence", {"rungs": ("static",)}, "name an encoder"),
        ("sequence", {"rungs": ("layers:3",)}, "layers:1 to layers:2"),
    ],
)
def test_wrong_settings(models, pool, tmp_path, model, changes, words):
    """Prevents long work before a mistake is told, and an error that does not say what to do."""
    with pytest.raises(InputError, match=words):
        shrink_model(models / model, pool, out=tmp_path / "out", **{**QUICK, **changes})
    assert not list(tmp_path.iterdir())


def test_wrong_texts(models, pool, single, multi, tmp_path):
    """Prevents a judge with other classes, or so few texts that a loss means nothing."""
    model, out = models / "single", tmp_path / "out"
    with pytest.raises(InputError, match="another folder than the model's"):
        shrink_model(model, pool, out=model)
    with pytest.raises(InputError, match=r"holds 30 texts; a fifth of them is held out.*--validation"):
        shrink_model(model, pool[:30], out=out)
    with pytest.raises(InputError, match="holds 3 texts to learn from"):
        shrink_model(model, pool[:3], out=out)
    with pytest.raises(InputError, match="no column 'text'"):
        shrink_model(model, [{"body": "a"}], out=out)
    data = judge_texts(single)
    other = dataclasses.replace(data, labels=["weather"] * len(data))
    with pytest.raises(InputError, match="validation: toy has classes that the model does not know: 'weather'"):
        shrink_model(model, pool, out=out, validation=other)
    with pytest.raises(InputError, match="several labels a text, and the model gives one"):
        shrink_model(model, pool, out=out, test=judge_texts(multi))
    with pytest.raises(InputError, match="no labelled row"):
        shrink_model(model, pool, out=out, validation=dataclasses.replace(data, labels=[None] * len(data)))


def test_sizes():
    """Prevents units that are off by 2.4 or 1000 per cent."""
    assert [parse_size(text) for text in ("1b", "2KB", "3 mb", "1GB", "0.5kB", 77)] == [
        1,
        2000,
        3 * 10**6,
        10**9,
        500,
        77,
    ]
    for wrong in ("MB", "1MiB", "-1MB", "1 000", "1e3MB", "nan", "", "10"):
        with pytest.raises(InputError, match="target_size"):
            ShrinkSettings(target_size=wrong)


def test_standard_error_is_that_of_paired_answers():
    """Prevents a loss of a point on a handful of texts from looking sure."""
    judge = Judge(TextData(["x"] * 100, ["a"] * 100, False, list(range(100))), by_labels=False)
    assert judge.standard_error(10.0, 0.9) == pytest.approx(100 * (0.1 * 0.9 / 100) ** 0.5)
    assert judge.standard_error(0.0, 1.0) == 0
