"""What a worker does, without a process of its own."""

import warnings

import pytest

from fewshot.core.errors import DataWarning
from fewshot.evaluation.runner.worker import THREAD_VARIABLES, Worker, thread_environment
from tests.evaluation.runner.openings import Opening


def test_a_worker_opens_once_and_runs_what_it_is_told(tmp_path):
    """Prevents texts and vectors from being opened anew in every cell."""
    opened = []
    opening = Opening(("ok", "fail"), str(tmp_path))
    worker = Worker(lambda: (opened.append(1), opening())[1])
    assert worker.run("ok-0").result.row["status"] == "ok"
    assert worker.run("fail-1").result.row["error"] == "RuntimeError: broken, with a comma"
    assert worker.run("ok-0").result.predictions.labels == ["pos"] * 3
    assert opened == [1]


def test_warnings_are_told_where_they_are_read(tmp_path):
    """Prevents a warning about the data from being lost in a process without a terminal."""
    worker = Worker(Opening(("warn",), str(tmp_path)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = worker.run("warn-0")
    assert answer.result.row["status"] == "ok"
    with pytest.warns(DataWarning, match="looks odd"):
        answer.warn()


def test_threads_are_bounded_and_a_lower_bound_stays(monkeypatch):
    """Prevents two workers with the threads of all cores each, and more threads than somebody allowed."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("MKL_NUM_THREADS", "64")
    monkeypatch.setenv("RAYON_NUM_THREADS", "as many as there are")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "0")
    made = thread_environment(4)
    assert set(made) == set(THREAD_VARIABLES)
    assert made["OMP_NUM_THREADS"] == "2"
    assert {made[name] for name in THREAD_VARIABLES if name != "OMP_NUM_THREADS"} == {"4"}
