"""What a worker does: it opens the comparison once, then runs the cells whose keys it is told.

How keys and answers travel is left to the engines.
"""

import os
import warnings
from typing import NamedTuple

from fewshot.evaluation.runner.contest import CellResult, run_cell
from fewshot.evaluation.runner.engine import Opening
from fewshot.evaluation.runner.folds import judged_texts

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""Read by the libraries of linear algebra, by torch and FAISS (the first) and by tokenizers (the last) as they load."""


class Warned(NamedTuple):
    """A warning, as it can be sent."""

    text: str
    category: type[Warning]
    file: str
    line: int


class Answer(NamedTuple):
    """What a worker says of a cell: what came of it, and what it was warned of."""

    result: CellResult
    warnings: list[Warned]

    def warn(self) -> None:
        """Warn in this process, whose filters decide what is shown."""
        for one in self.warnings:
            warnings.warn_explicit(one.text, one.category, one.file, one.line)


class Worker:
    """Runs cells of one comparison.

    Parameters
    ----------
    opening : callable
        Called once; makes the contests and the test texts.
    """

    def __init__(self, opening: Opening) -> None:
        contests, self._test, self._folds = opening()
        self._contests = {contest.cell.key: contest for contest in contests}

    def run(self, key: str) -> Answer:
        """Run the cell of that key."""
        contest = self._contests[key]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            result = run_cell(*contest, judged_texts(contest.cell, self._test, self._folds))
        return Answer(result, [Warned(str(one.message), one.category, one.filename, one.lineno) for one in caught])


def thread_environment(n_threads: int) -> dict[str, str]:
    """Return environment variables that bound the threads of a process that begins with them.

    Where one of them is set lower already, it stays.

    Examples
    --------
    >>> set(thread_environment(1).values())
    {'1'}
    """
    given = {name: os.environ.get(name, "") for name in THREAD_VARIABLES}
    return {
        name: str(min(n_threads, int(value)) if value.isdecimal() and int(value) else n_threads)
        for name, value in given.items()
    }
