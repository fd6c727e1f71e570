"""The benchmark as a whole: rows, files, failures, and what it refuses at the door."""

import csv
import json
import time

import numpy as np
import pytest

import fewshot.recipes.benchmarking as benchmarking
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.config import change_settings
from fewshot.core.errors import InputError, SourceNotFoundError
from fewshot.data.texts import TextData
from fewshot.encoders.cached import CachedEncoder
from fewshot.recipes.benchmark_outcome import COLUMNS, Benchmark
from fewshot.recipes.benchmarking import BenchmarkSettings, benchmark_models
from fewshot.recipes.judging import evaluate_classifier
from tests.recipes.benchmark_cases import QUICK, judge_texts, write_models


class Always:
    """Gives one answer to everything, after a while; fails on call."""

    def __init__(self, answer="login", *, seconds=0.0, fails=False):
        self.answer, self.seconds, self.fails = answer, seconds, fails

    def predict(self, texts):
        if self.fails:
            raise RuntimeError("no idea")
        time.sleep(self.seconds)
        return [self.answer] * len(texts)


@pytest.fixture(scope="module", params=["single", pytest.param("multi", marks=pytest.mark.long)])
def toy(request):
    """Both kinds of task."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def folders(toy, tiny_static, tmp_path_factory):
    """Two model directories."""
    return write_models(tmp_path_factory.mktemp("models"), toy, tiny_static)


def test_every_figure_of_folders(toy, folders, tmp_path):
    """Prevents scores that ``evaluate`` would not give, and a column that is promised and stays empty."""
    found = benchmark_models(folders, judge_texts(toy), out=tmp_path, **QUICK | {"cold_starts": 1})
    assert [row["model"] for row in found.rows] == ["probe", "bayes"]
    for row, folder in zip(found.rows, folders, strict=True):
        scores = evaluate_classifier(folder, judge_texts(toy))
        assert {name: row[name] for name in ("accuracy", "micro_f1", "macro_f1", "mcc")} == {
            name: value for name, value in scores.items() if name != "n"
        }
        assert row["status"] == "ok"
        assert all(row[name] is not None for name in COLUMNS if name not in ("error", "mcc"))
        assert row["latency_p50_ms"] <= row["latency_p95_ms"] <= row["latency_p99_ms"]
        assert 0 < row["load_seconds"] < row["cold_start_seconds"]
        assert row["gzip_bytes"] < row["size_bytes"]
    assert found.rows[0]["agreement"] == found.rows[0]["latency_speedup"] == 1.0
    files = {"benchmark.json", "benchmark.csv", "speeds.csv", "benchmark.html", "accuracy_latency.png"}
    assert {path.name for path in tmp_path.iterdir()} == files
    facts = json.loads((tmp_path / "benchmark.json").read_text())
    assert facts["rows"] == found.rows
    assert facts["settings"]["random_state"] == 0
    assert len(facts["data"]["hash"]) == 32
    assert {"torch", "python"} <= set(facts["versions"])
    assert facts["processor"]
    with (tmp_path / "benchmark.csv").open() as handle:
        assert [float(row["accuracy"]) for row in csv.DictReader(handle)] == [row["accuracy"] for row in found.rows]
    assert (tmp_path / "accuracy_latency.png").read_bytes() == found.plot()
    page = (tmp_path / "benchmark.html").read_text()
    assert "probe" in page
    assert found.headline()[1:] in page.replace("&#x27;", "'")
    assert str(folders[0]) in found.next_command() or str(folders[1]) in found.next_command()


def test_a_model_that_sleeps_is_as_slow_as_it_sleeps(single):
    """Prevents figures that have nothing to do with the model; the tolerance is that of a busy machine."""
    models = {"fast": Always(seconds=0.002), "slow": Always(seconds=0.02)}
    found = benchmark_models(models, judge_texts(single), **QUICK | {"seconds": 0.6, "rounds": 4})
    fast, slow = found.rows
    assert 20 <= slow["latency_p50_ms"] < 40
    assert slow["texts_per_second"] == pytest.approx(4 / 0.02, rel=0.5)
    assert slow["best_batch_size"] == fast["best_batch_size"] == 4
    assert 0.05 < slow["latency_speedup"] < 0.2
    assert fast["latency_speedup"] == 1.0


def test_objects_have_scores_and_no_files(single):
    """Prevents that a model has to be one of ours, and sizes of what has none."""
    found = benchmark_models([Always()], judge_texts(single), **QUICK)
    [row] = found.rows
    assert row["model"] == "Always"
    assert row["accuracy"] == pytest.approx(1 / 3)
    assert (row["size_bytes"], row["parameters"], row["calibration_error"]) == (None, None, None)
    assert found.next_command() is None
    assert "Always" in found.table()
    assert "MB" not in found.table()
    assert found.to_pandas().loc[0, "accuracy"] == row["accuracy"]


def test_a_classifier_in_memory_is_weighed_as_if_saved(single, tiny_static, tmp_path):
    """Prevents a size of nothing for what would have one on disk."""
    model = NaiveBayesClassifier().fit(single.texts, single.labels)
    model.save(tmp_path / "bayes")
    in_memory, saved = benchmark_models({"a": model, "b": tmp_path / "bayes"}, judge_texts(single), **QUICK).rows
    assert in_memory["size_bytes"] == pytest.approx(saved["size_bytes"], rel=0.02)
    assert in_memory["parameters"] == saved["parameters"]


def test_vectors_that_are_remembered_are_not_used(single, toy_encoder):
    """Prevents the speed of a cache under the name of a model's."""
    model = LinearProbeClassifier(CachedEncoder(toy_encoder)).fit(single.texts, single.labels)
    model.predict(single.test_texts)
    before = len(toy_encoder.encoded)
    found = benchmark_models([model], judge_texts(single), **QUICK)
    assert len(toy_encoder.encoded) - before > 2 * len(single.test_texts)
    assert isinstance(model.encoder_, CachedEncoder)
    assert found.rows[0]["accuracy"] == model.score(single.test_texts, single.test_labels)


def test_repeated_texts_are_scored_and_not_timed(single):
    """Prevents calls of a hundred copies of one text, which our encoders read once."""
    calls = []

    class Watcher(Always):
        def predict(self, texts):
            calls.append(list(texts))
            return super().predict(texts)

    data = judge_texts(single)
    doubled = data.select([*range(len(data)), *range(len(data))])
    found = benchmark_models([Watcher()], doubled, **QUICK | {"batch_sizes": (1, 4, 16)})
    assert found.rows[0]["n_texts"] == 30
    assert all(len(set(texts)) == len(texts) for texts in calls[1:])
    assert "calls of 16 were left out" in found.notes[0]


def test_one_that_fails_is_recorded_and_the_others_go_on(single, tmp_path):
    """Prevents the loss of all figures by one broken model, also where all are compared with it."""
    models = {"broken": Always(fails=True), "good": Always()}
    found = benchmark_models(models, judge_texts(single), out=tmp_path, **QUICK)
    broken, good = found.rows
    assert (broken["status"], broken["error"]) == ("failed", "RuntimeError: no idea")
    assert (good["status"], good["agreement"], good["latency_speedup"]) == ("ok", 1.0, 1.0)
    assert found.fastest_near_best == "good"
    assert "no idea" in (tmp_path / "benchmark.html").read_text()
    short = type("Short", (), {"predict": lambda self, texts: ["login"]})()
    [row] = benchmark_models([short], judge_texts(single), **QUICK).rows
    assert "1 labels for 15 texts" in row["error"]
    nobody = benchmark_models([Always(fails=True)], judge_texts(single), out=tmp_path / "none", **QUICK)
    assert nobody.headline() == "no model was measured to the end"
    assert not (tmp_path / "none" / "accuracy_latency.png").exists()


def test_ctrl_c_leaves_what_was_finished(single, tmp_path, monkeypatch):
    """Prevents twenty minutes of measuring from being lost to one key."""
    real = benchmarking.take_turns

    def interrupted(*args, **kwargs):
        for number, event in enumerate(real(*args, **kwargs)):
            if number == 5:
                raise KeyboardInterrupt
            yield event

    monkeypatch.setattr(benchmarking, "take_turns", interrupted)
    with pytest.raises(KeyboardInterrupt):
        benchmark_models({"a": Always(), "b": Always()}, judge_texts(single), out=tmp_path, **QUICK)
    facts = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["status"] for row in facts["rows"]] == ["unfinished"] * 2
    assert all(row["accuracy"] == pytest.approx(1 / 3) for row in facts["rows"])
    assert sum(row["rounds"] for row in facts["speeds"]) == 5


def test_a_part_of_the_test_set(single):
    """Prevents a part that is always the start of the file, or that a seed does not decide."""

    def hash_of(seed):
        data = benchmark_models([Always()], judge_texts(single), **QUICK, max_texts=6, random_state=seed).data
        assert data["texts"] == 6
        return data["hash"]

    assert hash_of(0) == hash_of(0) != hash_of(1)


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ([], "at least one model, got none"),
        ("runs/model", "put it in a list"),
        ([Always(), Always()], "two models are called 'Always'; give a mapping"),
        (["a", "a"], "two models are called 'a'"),
        ([3], "'int' must be a model folder"),
    ],
)
def test_models_that_cannot_be_told_apart_or_predict_are_refused(single, models, words):
    """Prevents two rows of one name, and a row of nothing."""
    with pytest.raises(InputError, match=words):
        benchmark_models(models, judge_texts(single), **QUICK)


def test_folders_are_called_by_what_tells_them_apart(single, tiny_static, tmp_path):
    """Prevents that two folders called ``model`` stand in the way of a benchmark."""
    one, _ = write_models(tmp_path / "one", single, tiny_static)
    other, bayes = write_models(tmp_path / "other", single, tiny_static)
    rows = benchmark_models([one, other, bayes], judge_texts(single), **QUICK).rows
    assert [row["model"] for row in rows] == [str(one), str(other), "bayes"]


def test_a_test_set_without_labels_and_a_folder_of_nothing_are_refused(single):
    """Prevents accuracies of nothing, and figures before a misspelt folder is found."""
    unlabeled = TextData(single.texts, [None] * len(single.texts), False, list(range(len(single.texts))))
    with pytest.raises(InputError, match="no labelled row"):
        benchmark_models([Always()], unlabeled, **QUICK)
    with pytest.raises(SourceNotFoundError, match="no model folder 'nowhere'"):
        benchmark_models([Always(), "nowhere"], judge_texts(single), **QUICK)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"batch_sizes": (0,)}, "batch_sizes must be at least 1"),
        ({"batch_sizes": ()}, "batch_sizes must be at least 1"),
        ({"threads": (0,)}, "threads must be at least 1"),
        ({"cold_starts": -1}, "cold_starts must be at least 0"),
        ({"max_texts": 0}, "max_texts must be at least 1"),
        ({"round": 3}, "unknown settings round"),
    ],
)
def test_settings_of_nothing_are_refused(single, changes, words):
    """Prevents an empty benchmark, and a misspelt setting that changes nothing."""
    with pytest.raises(InputError, match=words):
        benchmark_models([Always()], judge_texts(single), **changes)


def test_the_fastest_near_the_best():
    """Prevents the recommendation of a fast model that is clearly worse, or of a slow one that is hardly better."""

    def row(name, accuracy, ms):
        return {"model": name, "status": "ok", "accuracy": accuracy, "latency_p50_ms": ms}

    rows = [row("best", 0.90, 50.0), row("near", 0.891, 5.0), row("edge", 0.89, 4.0), row("fast", 0.85, 0.1)]
    rows.append({"model": "broken", "status": "failed", "accuracy": 0.95})
    found = Benchmark(rows, [], [], {}, {"multi_label": False}, {"edge": "nowhere"})
    assert found.fastest_near_best == "edge"
    assert found.headline() == (
        "fastest within 1 point of the best accuracy: edge (89.0 %, 4 ms a text; best: 90.0 %, 50 ms)"
    )
    assert found.next_command() is None
    alone = Benchmark([row("fast", 0.5, 0.1)], [], [], {}, {"multi_label": False})
    assert (
        alone.headline() == "fastest within 1 point of the best accuracy: fast, the best itself (50.0 %, 0.1 ms a text)"
    )


def test_settings_are_what_was_asked_for():
    """Prevents lists, as JSON gives them, from being another setting than tuples."""
    assert BenchmarkSettings().batch_sizes == (1, 32, 128)
    changed = change_settings(BenchmarkSettings(), {"threads": [1, 2], "seconds": 3})
    assert changed == BenchmarkSettings(threads=(1, 2), seconds=3)
    assert np.isfinite(BenchmarkSettings().seconds)
