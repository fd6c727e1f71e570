"""Where the cells of a comparison run: here one after another, or in other processes.

No engine writes. It is given contests one at a time, as it has room for them, and gives back what came of each, in any
order.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple, Protocol

from fewshot.data.texts import TextData
from fewshot.evaluation.runner.contest import Cell, CellResult, Contest, run_cell
from fewshot.evaluation.runner.folds import Folds, judged_texts


class Arena(NamedTuple):
    """All contests of a comparison, and the test texts on which they are scored; in a cross-validation, by fold."""

    contests: Sequence[Contest]
    test: TextData
    folds: Folds | None = None


Opening = Callable[[], Arena]
"""Can be sent to another process, and makes there the same contests (by their cells' keys) as there are here."""


class Finished(NamedTuple):
    """A cell and what came of it."""

    cell: Cell
    result: CellResult


class Engine(Protocol):
    """What runs cells.

    Attributes
    ----------
    workers : int
        How many cells run at once, at most.
    """

    workers: int

    def run(self, contests: Iterator[Contest]) -> Generator[Finished, None, None]:
        """Run contests; the next one is asked for when there is room for it.

        Closing the iterator, as Ctrl-C does, ends what still runs.
        """


class PlainEngine:
    """Runs one cell after another in this process.

    Parameters
    ----------
    test : TextData
        Labelled texts that every contestant is scored on.
    folds : Folds, optional
        Which of them, in a cross-validation.
    """

    workers = 1

    def __init__(self, test: TextData, folds: Folds | None = None) -> None:
        self.test = test
        self.folds = folds

    def run(self, contests: Iterator[Contest]) -> Generator[Finished, None, None]:
        """Run contests in their order."""
        for contest in contests:
            yield Finished(contest.cell, run_cell(*contest, judged_texts(contest.cell, self.test, self.folds)))
