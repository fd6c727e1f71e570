"""Cells in processes of this machine, by joblib's process launcher (loky).

Each worker has a pipe of its own: whose end is closed, that process is gone, and it is known which cell it held.
``joblib.Parallel`` would give up all cells under way when one process dies, and not say whose fault it was. What goes
through the pipes is pickled, by this program for itself; on disk there is none.
"""

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

import joblib
from joblib.externals.loky.backend import get_context
from joblib.externals.loky.backend.utils import kill_process_tree

from fewshot.core.errors import WorkerError
from fewshot.evaluation.runner.contest import Cell, failed
from fewshot.evaluation.runner.engine import Finished, Opening
from fewshot.evaluation.runner.worker import Answer, Worker, thread_environment
from fewshot.evaluation.runner.worker_engine import WorkerEngine, told

SECONDS_TO_LEAVE = 5.0
"""So long an idle worker has to end by itself."""


class JoblibEngine(WorkerEngine):
    """Runs cells in several processes; each has an equal share of the cores for its threads.

    Parameters
    ----------
    workers, opening, prepare
        See :class:`~fewshot.evaluation.runner.worker_engine.WorkerEngine`.
    """

    def __init__(self, workers: int, opening: Opening, prepare: Callable[[Cell], None] | None = None) -> None:
        super().__init__(workers, opening, prepare)
        self._idle: list[_Process] = []
        self._busy: dict[Connection, tuple[_Process, Cell]] = {}

    def _start(self, cell: Cell) -> None:
        process = next((one for one in self._idle if one.alive), None)
        if process is None:
            n_threads = max(1, joblib.cpu_count() // self.workers)
            process = _Process(self.opening, thread_environment(n_threads))
        else:
            self._idle.remove(process)
        self._busy[process.connection] = process, cell
        process.send(cell.key)

    def _ended(self) -> Iterator[Finished]:
        for connection in wait(list(self._busy)):
            assert isinstance(connection, Connection)
            process, cell = self._busy.pop(connection)
            answer = process.answer()
            if isinstance(answer, WorkerError):
                yield Finished(cell, failed(cell, answer))
            else:
                self._idle.append(process)
                yield told(cell, answer)

    def _close(self) -> None:
        for process, _ in self._busy.values():
            process.kill()
        for process in self._idle:
            process.send(None)
        for process in self._idle:
            process.leave()
        self._busy, self._idle = {}, []


class _Process:
    """A worker process and this side of its pipe."""

    def __init__(self, opening: Opening, environment: dict[str, str]) -> None:
        context = get_context("loky")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, opening), env=environment)
        self._process.start()
        theirs.close()  # so that theirs is the only one, and closed with them

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def send(self, key: str | None) -> None:
        """Tell the next key, or that there is none. Where nobody listens any more, :meth:`answer` says so."""
        with contextlib.suppress(OSError):
            self.connection.send(key)

    def answer(self) -> Answer | WorkerError:
        """Return what it says; where it died instead, how. What it could not open is raised here."""
        try:
            answer: Answer | str = self.connection.recv()
        except (EOFError, OSError):
            self.kill()
            return WorkerError(f"the worker process of this cell died: {_how(self._process.exitcode)}")
        if isinstance(answer, str):
            self.kill()
            raise WorkerError(f"a worker process could not open the comparison: {answer}")
        return answer

    def leave(self) -> None:
        """Wait for its end, not for long."""
        self._process.join(SECONDS_TO_LEAVE)
        self.kill()

    def kill(self) -> None:
        """End it at once, and what it has begun."""
        if self.alive:
            kill_process_tree(self._process)
        self._process.join()
        self.connection.close()


def _how(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    reason = "; the system does so where memory runs out, and fewer workers need less" if name == "SIGKILL" else ""
    return f"ended by {name}{reason}"


def serve(connection: Connection, opening: Opening) -> None:
    """Run the cells whose keys come through the pipe, until ``None`` comes. This is all that a worker process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent decides
    keys: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, keys), daemon=True).start()
    worker: Worker | None = None
    while (key := keys.get()) is not None:
        answer: Any
        try:
            worker = worker or Worker(opening)
            answer = worker.run(key)
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        connection.send(answer)


def _listen(connection: Connection, keys: "queue.SimpleQueue[str | None]") -> None:
    """Hand on keys, and end this process as soon as its parent is gone, also in the midst of a training."""
    while True:
        try:
            keys.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)
