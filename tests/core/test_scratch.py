"""Temporary folders that no process outlives for long."""

import gc
import os
import subprocess
import sys
import time

import pytest

from fewshot.core.scratch import ScratchFolder

LEAVE = """
import os, signal
from fewshot.core.scratch import ScratchFolder
scratch = ScratchFolder("fewshot-test-")
(scratch.path / "large").write_bytes(b"x" * 1000)
print(scratch.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A temporary folder of the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def make_old(folder):
    """Set a folder's time an hour back."""
    hour_ago = time.time() - 3600
    os.utime(folder, (hour_ago, hour_ago))


def leave_behind():
    """Return what a killed process leaves."""
    subprocess.run([sys.executable, "-c", LEAVE], stdout=subprocess.PIPE, check=False)


def test_it_goes_with_its_object(temporary):
    """Prevents a temporary folder that fills up while all goes well."""
    scratch = ScratchFolder("fewshot-test-")
    (scratch.path / "file").write_text("x")
    del scratch
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_a_worker_leaves_it_to_its_parent(temporary, monkeypatch):
    """Prevents a forked worker that ends from removing the folder of the process that made it."""
    scratch, owner = ScratchFolder("fewshot-test-"), os.getpid()
    monkeypatch.setattr("os.getpid", lambda: owner + 1)
    scratch.remove()
    assert scratch.path.is_dir()


def test_a_killed_process_is_swept_up_after(temporary):
    """Prevents gigabytes of each killed run from staying in the temporary folder."""
    leave_behind()
    (left,) = temporary.iterdir()
    assert (left / "large").is_file()
    make_old(left)
    scratch = ScratchFolder("fewshot-test-")
    assert list(temporary.iterdir()) == [scratch.path]


def test_the_living_the_young_and_others_stay(temporary):
    """Prevents a run from removing what another one reads, has just made, or never belonged to this package."""
    living = ScratchFolder("fewshot-test-")
    make_old(living.path)
    leave_behind()
    others = temporary / "fewshot-test-others"
    others.mkdir()
    make_old(others)  # holds no lock file, so it is not ours
    before = set(temporary.iterdir())
    assert len(before) == 3
    scratch = ScratchFolder("fewshot-test-")
    assert set(temporary.iterdir()) == {*before, scratch.path}


def test_without_locks_nothing_is_swept(temporary, monkeypatch):
    """Prevents the folders of living processes from being removed where nobody can tell who lives."""
    leave_behind()
    (left,) = temporary.iterdir()
    make_old(left)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    scratch = ScratchFolder("fewshot-test-")
    assert set(temporary.iterdir()) == {left, scratch.path}
