"""Cold starts: processes of their own, in turn, with the memory that the model takes and no more."""

import json
import subprocess
import sys

import numpy as np
import pytest

from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.recipes import cold_start
from fewshot.recipes.cold_process import resident_bytes
from fewshot.recipes.cold_start import PROGRAM, measure_cold_starts


@pytest.fixture(scope="module")
def bayes(single, tmp_path_factory):
    """A model that starts without torch."""
    folder = tmp_path_factory.mktemp("cold") / "bayes"
    NaiveBayesClassifier().fit(single.texts, single.labels).save(folder)
    return folder


def test_a_start_from_nothing(bayes, single):
    """Prevents a cold start that leaves out the imports, and a load that counts them."""
    facts, notes = measure_cold_starts({"bayes": bayes}, single.test_texts, repeats=1, device="cpu")
    assert notes == []
    found = facts["bayes"]
    assert 0 < found["load_seconds"] < found["cold_start_seconds"] / 2
    assert found["cold_start_seconds"] == found["cold_start_seconds_q1"]
    if resident_bytes("VmHWM") is not None:
        assert 10e6 < found["peak_memory_bytes"] < 1e9


def test_models_take_turns(monkeypatch):
    """Prevents a machine that slows down from being blamed on the last model."""
    order = []

    def start(folder, texts, device):
        order.append(folder)
        return {"cold_start_seconds": len(order), "load_seconds": 1.0, "peak_memory_bytes": None}

    monkeypatch.setattr(cold_start, "_start", start)
    facts, _ = measure_cold_starts({"a": "a", "b": "b"}, ["x"], repeats=3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert facts["a"]["cold_start_seconds"] == np.median([1, 4, 5])
    assert facts["a"]["peak_memory_bytes"] is None


def test_one_that_cannot_start_is_told_of(bayes, tmp_path, single):
    """Prevents that one damaged folder ends the benchmark, or goes unmentioned."""
    facts, notes = measure_cold_starts({"broken": tmp_path, "bayes": bayes}, single.test_texts, repeats=1)
    assert set(facts) == {"bayes"}
    [note] = notes
    assert note.startswith("the cold start of broken could not be measured: ModelFormatError")
    assert "is no model" in note


def test_the_process_imports_nothing_before_it_looks():
    """Prevents a bare interpreter that already holds NumPy: a model's memory would look smaller than it is."""
    code = f"import {PROGRAM}, sys; print(sorted({{'numpy', 'torch', 'rich', 'sklearn'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_memory_is_this_process_own():
    """Prevents the peak of the process that began another one from being taken for its own, as getrusage does."""
    if resident_bytes("VmHWM") is None:
        pytest.skip("this system has no /proc/self/status")
    ballast = np.ones(40_000_000)  # 320 MB here
    code = (
        f"from {PROGRAM} import resident_bytes as r; import json; print(json.dumps([r('VmRSS'), r('VmHWM'), r('x')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    now, peak, unknown = json.loads(done.stdout)
    assert 1e6 < now <= peak < 150e6 < resident_bytes("VmRSS")
    assert unknown is None
    assert ballast.any()
