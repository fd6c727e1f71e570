"""Cells as tasks of Ray: on the machines of a cluster, or on this one.

Ray moves data between its processes with pickle, inside the cluster; results are written by the runner, which does not.
The opening is put into Ray's shared memory once, and each worker reads it once. On several machines this package must
be installed on all, and names of encoders and models must mean the same there.
"""

import contextlib
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from fewshot.core.errors import WorkerError
from fewshot.core.optional import import_extra
from fewshot.evaluation.runner.contest import Cell, failed
from fewshot.evaluation.runner.engine import Finished, Opening
from fewshot.evaluation.runner.worker import Answer, Worker, thread_environment
from fewshot.evaluation.runner.worker_engine import WorkerEngine, told

ADDRESS = "RAY_ADDRESS"
"""Names a cluster that is there, as for any program with Ray."""

LOCAL = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Variables under which a Ray of this machine alone listens on the loopback address, tells nobody that it runs, and
works at the priority of the program that waits for it."""


def import_ray() -> Any:
    """Return the module.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    with _variables({} if ADDRESS in os.environ else LOCAL):  # some are read by the import
        return import_extra("ray", extra="ray", purpose="comparing with the engine ray")


class RayEngine(WorkerEngine):
    """Runs cells as tasks of one CPU and one thread each.

    A Ray that this program has begun (``ray.init``) is used and left as it is; else the cluster that ``RAY_ADDRESS``
    names; else one is begun on this machine, with a CPU more than there are workers, and ended afterwards. At most all
    but one CPUs of a cluster are taken.

    Parameters
    ----------
    workers, opening, prepare
        See :class:`~fewshot.evaluation.runner.worker_engine.WorkerEngine`.
    """

    def __init__(self, workers: int, opening: Opening, prepare: Callable[[Cell], None] | None = None) -> None:
        super().__init__(workers, opening, prepare)
        self._begun_here = False
        self._submit: Callable[[str], Any] | None = None
        self._running: dict[Any, Cell] = {}

    def _start(self, cell: Cell) -> None:
        if self._submit is None:
            self._submit = self._connect()
        self._running[self._submit(cell.key)] = cell

    def _connect(self) -> Callable[[str], Any]:
        """Reach Ray, send the opening, and return what submits a task."""
        ray = import_ray()
        if not ray.is_initialized():
            _init(ray, self.workers)
            self._begun_here = True
        self.workers = min(self.workers, max(1, int(ray.cluster_resources().get("CPU", 1)) - 1))
        variables = {"env_vars": thread_environment(1)}
        task = ray.remote(num_cpus=1, max_retries=0, runtime_env=variables)(_run)
        opening, name = ray.put(self.opening), uuid.uuid4().hex
        return lambda key: task.remote(name, [opening], key)  # in a list it is not fetched before it is asked for

    def _ended(self) -> Iterator[Finished]:
        ray = sys.modules["ray"]
        ready, _ = ray.wait(list(self._running), num_returns=1)
        for reference in ready:
            cell = self._running.pop(reference)
            try:
                answer: Answer | str = ray.get(reference)
            except ray.exceptions.RayError as error:
                name = type(error).__name__
                yield Finished(cell, failed(cell, WorkerError(f"the worker process of this cell died: {name}")))
                continue
            if isinstance(answer, str):
                raise WorkerError(f"a worker process could not open the comparison: {answer}")
            yield told(cell, answer)

    def _close(self) -> None:
        ray = sys.modules.get("ray")
        for reference in self._running:
            ray.cancel(reference, force=True)  # type: ignore[union-attr]
        self._running, self._submit = {}, None
        if self._begun_here:
            ray.shutdown()  # type: ignore[union-attr]
            self._begun_here = False


def _init(ray: Any, workers: int) -> None:
    quiet = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": False}
    if ADDRESS in os.environ:
        ray.init(**quiet)
        return
    with _variables(LOCAL):
        ray.init("local", num_cpus=workers + 1, include_dashboard=False, **quiet)


@contextlib.contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables inside this block; those that are set already stay."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


_opened: dict[str, Worker] = {}
"""In a process of Ray's: the comparison that it has opened."""


def _run(name: str, opening: list[Any], key: str) -> Answer | str:
    """Run a cell in a process of Ray's."""
    ray = sys.modules["ray"]
    try:
        if name not in _opened:
            _opened.clear()
            _opened[name] = Worker(ray.get(opening[0]))
        return _opened[name].run(key)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
