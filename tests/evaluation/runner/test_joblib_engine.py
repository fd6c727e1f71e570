"""Cells in real processes of this machine."""

import json
import os
import re

import joblib
import pytest

from fewshot.core.errors import DataWarning, WorkerError
from fewshot.data.texts import TextData
from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.joblib_engine import JoblibEngine
from fewshot.evaluation.runner.store import ResultStore
from tests.evaluation.runner.openings import SEVERAL, Locked, Opening


@pytest.fixture
def run(tmp_path):
    """A function that runs cells of these names in processes, or where ``workers`` is 1 in this one."""
    desk = tmp_path / "desk"
    desk.mkdir()

    def run(*what, workers=2, out="out", data=None, **options):
        opening = Opening(what, str(desk)) if data is None else Opening(what, str(desk), data, data)
        engine = JoblibEngine(workers, opening) if workers > 1 else None
        contests, test, _ = opening()
        return run_comparison(contests, test, ResultStore(tmp_path / out), engine=engine, **options)

    run.desk, run.out = desk, tmp_path
    return run


def files(folder):
    """Return the bytes of the cells' files, by name, without their times."""
    return {path.name: timeless(path.read_bytes()) for path in (folder / "cells").iterdir()}


def timeless(content):
    """Return a cell's file with its times blanked."""
    return re.sub(rb'(_seconds": )[0-9.e-]+', rb"\1", content)


def pids(folder, kind):
    """Return which processes did something."""
    return {int(path.name.partition("-")[2]) for path in folder.glob(f"{kind}-*")}


def is_there(pid):
    """Return whether a process is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("data", [None, SEVERAL])
def test_two_workers_leave_the_files_that_one_leaves(run, data):
    """Prevents figures that depend on how many processes made them."""
    what = ("ok", "fail", "ok", "ok", "fail", "ok")
    rows, plain = run(*what, data=data), run(*what, data=data, workers=1, out="plain")
    assert files(run.out / "out") == files(run.out / "plain")
    assert [row["status"] for row in rows] == [row["status"] for row in plain]
    at_work = pids(run.desk, "pid") - {os.getpid()}
    assert at_work == pids(run.desk, "opened") - {os.getpid()}
    assert 1 <= len(at_work) <= 2
    assert not any(map(is_there, at_work))


@pytest.mark.parametrize(("end", "told"), [("die", "ended by SIGKILL; the system"), ("leave", "exit code 3")])
def test_a_worker_that_dies_costs_its_cell_alone(run, end, told):
    """Prevents one method that needs too much memory from ending the whole comparison, or from hanging it."""
    rows = run("ok", end, "ok", end, "ok")
    assert [row["status"] for row in rows] == ["ok", "failed", "ok", "failed", "ok"]
    assert rows[1]["error"].startswith(f"WorkerError: the worker process of this cell died: {told}")
    again = []
    assert len(run("ok", end, "ok", end, "ok", on_result=lambda cell, row: again.append(cell.seed))) == 5
    assert sorted(again) == [1, 3], "failed cells are tried again, and no others"


def test_ctrl_c_ends_the_workers_and_keeps_what_is_finished(run):
    """Prevents processes that train on when nobody waits for them, and a second run that begins afresh."""

    def stop(cell, row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("ok", "hang", "hang", on_result=stop)
    assert [path.name for path in (run.out / "out" / "cells").iterdir()] == ["ok-0.json"]
    assert not any(map(is_there, pids(run.desk, "opened") - {os.getpid()}))
    done = run("ok", "ok", "ok")
    assert [row["status"] for row in done] == ["ok"] * 3


def test_what_cannot_be_opened_is_told_once(tmp_path):
    """Prevents a table of cells that all failed for a reason that is none of theirs."""
    contests, test, _ = Opening(("ok",) * 3, str(tmp_path))()
    with pytest.raises(WorkerError, match="could not open the comparison: OSError: the key does not fit"):
        run_comparison(contests, test, ResultStore(tmp_path / "out"), engine=JoblibEngine(2, Locked()))


def test_warnings_of_workers_reach_this_process(run):
    """Prevents a warning about the data from being lost."""
    with pytest.warns(DataWarning, match="looks odd"):
        [row] = run("warn")
    assert row["status"] == "ok"


def test_each_worker_has_its_share_of_the_cores(run, monkeypatch):
    """Prevents four workers with four threads each on four cores, which is slower than one."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 6)
    for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    run("threads")
    seen = json.loads((run.desk / "threads.json").read_text())
    assert {seen["OMP_NUM_THREADS"], seen["RAYON_NUM_THREADS"]} == {"3"}
    assert 0 < seen["pools"] <= 3
    assert not seen["torch"], "the judge must not bring torch"
    assert dict(os.environ) == before


def test_large_answers_come_whole(run):
    """Prevents a pipe that is full from stopping both sides."""
    n = 300_000
    many = TextData([f"text {i}" for i in range(n)], ["pos", "neg"] * (n // 2), multi_label=False, rows=list(range(n)))
    [row] = run("ok", data=many)
    assert row["accuracy"] == 0.5
