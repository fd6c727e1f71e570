"""Answers by several processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fewshot.core.errors import WorkerError
from fewshot.data.row_writers import DelimitedWriter
from fewshot.data.writers import write_rows
from fewshot.recipes.predicting import staff
from fewshot.recipes.predicting.pool import predict_pool

SCRIPT = """
import sys
from fewshot.recipes.predicting.pool import predict_pool
predict_pool(*sys.argv[1:3], out=sys.argv[3], workers=2)
"""


def test_threads_are_shared_out(monkeypatch):
    """Prevents as many threads as workers times processors, which wait for each other."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [staff.Staff(workers).threads_each for workers in (1, 2, 3, 16)] == [8, 4, 2, 1]
    assert staff.Staff(2, threads=3).threads_each == 3


def test_jobs_come_back_in_order_and_not_too_many_wait():
    """Prevents a reader that fills the memory with blocks that nobody has come to yet."""
    waiting, most, texts = set(), [], ((n, [str(n)]) for n in range(20))

    def submit(texts):
        waiting.add(texts[0])
        most.append(len(waiting))
        return texts[0]

    def result(text):
        waiting.remove(text)
        return text

    assert list(staff.in_order(texts, submit, result, depth=4)) == [(n, str(n)) for n in range(20)]
    assert max(most) == 4


@pytest.mark.slow
def test_workers_give_the_same_bytes_and_a_dead_one_is_told(tmp_path, student, monkeypatch):
    """Prevents answers in another order, and a run that waits for ever for a worker that is gone."""
    write_rows(tmp_path / "in.csv", [{"id": n, "text": f"refund {n} card {n * 7 % 101}"} for n in range(40_000)])
    predict_pool(student, tmp_path / "in.csv", out=tmp_path / "one.csv", rows_per_shard=3_000)
    real = DelimitedWriter.write

    def write(self, columns):
        for process in multiprocessing.active_children():
            process.kill()
        real(self, columns)

    out = tmp_path / "two.csv"
    with monkeypatch.context() as patch:
        patch.setattr(DelimitedWriter, "write", write)
        with pytest.raises(WorkerError, match="finished shards are kept"):
            predict_pool(student, tmp_path / "in.csv", out=out, rows_per_shard=3_000, workers=2)
    assert multiprocessing.active_children() == []
    predict_pool(student, tmp_path / "in.csv", out=out, rows_per_shard=3_000, workers=2)
    assert out.read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_workers_of_a_killed_run_end_too(tmp_path, student):
    """Prevents models that stay in memory for ever after the run that opened them was killed."""
    write_rows(tmp_path / "in.csv", [{"text": f"refund {n}"} for n in range(200_000)])
    command = [sys.executable, "-c", SCRIPT, student, tmp_path / "in.csv", tmp_path / "out.csv"]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(_children(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = _children(process.pid)
    assert workers
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(map(_runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, workers))


def _children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
