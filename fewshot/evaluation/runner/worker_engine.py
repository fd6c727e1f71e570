"""What engines with workers share: no more cells under way than workers; one that dies costs its cell alone.

A worker is told the key of a cell and nothing more: all else it has from the opening, which is sent once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator

from fewshot.evaluation.runner.contest import Cell, Contest, failed
from fewshot.evaluation.runner.engine import Finished, Opening
from fewshot.evaluation.runner.worker import Answer


class WorkerEngine(ABC):
    """Base of engines that run cells in other processes.

    Parameters
    ----------
    workers : int
        How many cells run at once, at most.
    opening : callable
        Sent to each worker, which calls it before its first cell.
    prepare : callable, optional
        ``prepare(cell)`` is called here before a cell is sent, for work that all workers share. Where it fails, the
        cell has failed.
    """

    def __init__(self, workers: int, opening: Opening, prepare: Callable[[Cell], None] | None = None) -> None:
        self.workers = workers
        self.opening = opening
        self.prepare = prepare

    def run(self, contests: Iterator[Contest]) -> Generator[Finished, None, None]:
        """Run contests; they come back in the order in which they end."""
        cells, n_running = (contest.cell for contest in contests), 0
        try:
            while True:
                while n_running < self.workers and (cell := next(cells, None)) is not None:
                    error = self._unprepared(cell)
                    if error is not None:
                        yield Finished(cell, failed(cell, error))
                        continue
                    self._start(cell)
                    n_running += 1
                if not n_running:
                    return
                for finished in self._ended():
                    n_running -= 1
                    yield finished
        finally:
            self._close()

    def _unprepared(self, cell: Cell) -> BaseException | None:
        """Prepare a cell, and return what went wrong."""
        try:
            if self.prepare is not None:
                self.prepare(cell)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # as in a cell itself
            return error
        return None

    @abstractmethod
    def _start(self, cell: Cell) -> None:
        """Give a cell to a free worker."""

    @abstractmethod
    def _ended(self) -> Iterable[Finished]:
        """Wait until at least one cell has ended, and return those that have."""

    @abstractmethod
    def _close(self) -> None:
        """End the workers, whatever they do."""


def told(cell: Cell, answer: Answer) -> Finished:
    """Return what a worker's answer says, and warn of what it was warned of."""
    answer.warn()
    return Finished(cell, answer.result)
