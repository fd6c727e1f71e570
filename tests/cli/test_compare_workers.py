"""``fewshot compare`` with workers, and killed: through the real command."""

import os
import signal
import time

import pytest

from tests.cli.kills import Command, kill_at_random, left, write_inputs
from tests.cli.test_story import run


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with labelled texts and a tiny encoder."""
    folder = tmp_path_factory.mktemp("desk")
    write_inputs(folder)
    return folder


def test_workers_leave_the_same_files(desk):
    """Prevents a flag that is parsed and forgotten, and figures that depend on it."""
    arguments = ("compare", "things.csv:train", "--test", "things.csv:test", "--methods", "naive-bayes,knn")
    arguments += ("--slices", "1,2", "--seeds", "2", "--encoder", "encoder", "--quiet")
    run(*arguments, "--out", "one", folder=desk)
    run(*arguments, "--out", "two", "--workers", "2", folder=desk)
    assert left(desk / "two") == left(desk / "one")
    assert len(left(desk / "two")) == 2 + 8


def test_what_cannot_be_asked_for_is_refused(desk):
    """Prevents a traceback, or a run on other processes than were asked for."""
    assert "--workers" in run("compare", "things.csv", "--workers", "0", folder=desk, code=2).stderr
    refused = run("compare", "things.csv", "--workers", "2", "--engine", "slurm", folder=desk, code=1)
    assert "engine must be one of joblib, ray, got 'slurm'" in refused.stderr


def are_gone(group):
    """Return whether the processes of a group are all gone within seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_ctrl_c_on_a_terminal_ends_all_processes_in_one_line(desk):
    """Prevents tracebacks of each worker, workers that train on, and cells that are lost; all processes get Ctrl-C."""
    command = Command(desk, seeds=40, workers=2)
    process = command.begin("stopped")
    while process.poll() is None and command.n_kept("stopped") < 9:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130, errors.decode()
    assert [line for line in errors.decode().splitlines() if line.strip()][-1].startswith("fewshot: error: interrupted")
    assert "Traceback" not in errors.decode()
    assert are_gone(process.pid)
    kept = {path.name: path.read_bytes() for path in (desk / "stopped" / "cells").glob("*.json")}
    assert 9 <= len(kept) < command.n_cells
    command.finish("stopped")
    assert {name: (desk / "stopped" / "cells" / name).read_bytes() for name in kept} == kept
    assert command.n_kept("stopped") == command.n_cells


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_kills_lose_nothing(tmp_path, workers):
    """Prevents torn files, cells that are lost or counted twice, and a folder that no later run can go on with."""
    write_inputs(tmp_path)
    done = kill_at_random(Command(tmp_path, seeds=20, workers=workers), 3)
    assert done["differences"] == []
    assert done["kills"] == 3
