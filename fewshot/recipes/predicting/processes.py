"""Blocks of texts answered by several processes on this machine."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from fewshot.core.errors import WorkerError
from fewshot.recipes.judging import Answers
from fewshot.recipes.predicting.staff import JOBS_AHEAD, Answering, Engine, Staff, Worker, in_order


@contextlib.contextmanager
def worker_processes(folder: Path, staff: Staff, answering: Answering) -> Iterator[Engine]:
    """Give what answers jobs by processes on this machine; they end with the block, however it ends.

    Parameters
    ----------
    folder : Path
        The model, which each of them opens.
    staff : Staff
    answering : Answering

    Raises
    ------
    WorkerError
        If a process ends before its work is done.
    """
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        staff.workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(folder, staff, answering),
    )
    try:
        yield lambda jobs: in_order(
            jobs,
            lambda texts: executor.submit(_work, texts),
            lambda future: future.result(),
            JOBS_AHEAD * staff.workers,
        )
    except BrokenProcessPool:
        raise WorkerError(
            "a worker process ended before its work was done, perhaps for want of memory or because somebody ended it; "
            "finished shards are kept: give the same command again, with fewer workers if memory is short"
        ) from None
    finally:
        # What is under way may take minutes and is wanted no more, after an error or Ctrl-C; else nothing is under way.
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        executor.shutdown(wait=True, cancel_futures=True)


_worker: Worker | None = None


def _begin(folder: Path, staff: Staff, answering: Answering) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = Worker(folder, staff, answering)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # killed, it could not end us


def _work(texts: list[str]) -> Answers:
    assert _worker is not None
    return _worker.answers(texts)
