"""Locks that end with their process."""

import subprocess
import sys

import pytest

from fewshot.core.locks import take_lock

HOLD = """
import sys, time
from fewshot.core.locks import take_lock
handle = open(sys.argv[1], "ab")
print(take_lock(handle), flush=True)
time.sleep(600)
"""


def test_one_holder_at_a_time(tmp_path):
    """Prevents two runs that write to one folder, and a lock that outlives the file that it was taken on."""
    first, second = (tmp_path / "lock").open("ab"), (tmp_path / "lock").open("ab")
    assert take_lock(first)
    assert not take_lock(second)
    first.close()
    assert take_lock(second)
    second.close()


def test_those_that_share_keep_out_those_that_do_not(tmp_path):
    """Prevents machines that share their work from being taken for rivals, and a rival that is let in beside them."""
    one, other, rival = ((tmp_path / "lock").open("ab") for _ in range(3))
    assert take_lock(one, shared=True)
    assert take_lock(other, shared=True)
    assert not take_lock(rival)
    one.close()
    other.close()
    assert take_lock(rival)
    rival.close()


def test_a_killed_process_holds_nothing(tmp_path):
    """Prevents a folder that stays locked after SIGKILL."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"True\n"
        with (tmp_path / "lock").open("ab") as handle:
            assert not take_lock(handle)
            process.kill()
            process.wait()
            assert take_lock(handle)


@pytest.mark.parametrize("otherwise", [True, False])
def test_where_there_are_no_locks(tmp_path, monkeypatch, otherwise):
    """Prevents a crash on Windows, and files of the living from being taken for those of the dead there."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with (tmp_path / "lock").open("ab") as handle:
        assert take_lock(handle, otherwise=otherwise) is otherwise
