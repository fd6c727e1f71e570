"""What the parts of the distillation benchmark share: its extent, its cells and their order, the drawn texts."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.data.texts import TextData
from tests.benchmarks.common import ROOT, load_split
from tests.benchmarks.teacher_plan import held_out_rows, labeled_rows

Cells = Mapping[str, dict[str, Any]]

MAIN_SETS = ("ag_news", "emotion")
"""Sets with all pool sizes and five seeds."""

END_SETS = ("trec", "sst5", "banking77")
"""Sets with the smallest and the largest pool and three seeds."""

POOLS = (50, 200, 1000, 5000)
PER_CLASS = {"banking77": 8}
DEFAULT_PER_CLASS = 16


@dataclasses.dataclass(frozen=True)
class Case:
    """One teacher and one pool.

    Parameters
    ----------
    name : str
        The data set.
    size : int
        Unlabelled texts.
    seed : int
        Decides the labelled texts, the teacher, the pool and the student.
    """

    name: str
    size: int
    seed: int

    def cell(self, contender: str) -> str:
        """Return the name of a contender's cell."""
        return f"{contender}-{self.name}-{self.size}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Options:
    """How much is run.

    Parameters
    ----------
    quick : bool, default=False
        One small set, one seed, few texts and steps: whether all runs, not what comes of it.
    """

    quick: bool = False

    @property
    def name(self) -> str:
        """Name of the folder of cells and of the result file."""
        return "distillation_quick" if self.quick else "distillation"

    @property
    def folder(self) -> Path:
        """Folder of cells; teachers and what they said of texts lie in folders of it."""
        return ROOT / "runs" / "benchmarks" / self.name

    @property
    def sets(self) -> tuple[str, ...]:
        """All sets."""
        return ("trec",) if self.quick else (*MAIN_SETS, *END_SETS)

    @property
    def n_test(self) -> int:
        """Largest number of test texts."""
        return 60 if self.quick else 2000

    @property
    def steps(self) -> int | None:
        """Steps of our training; ``None``: its own default."""
        return 2 if self.quick else None

    @property
    def largest(self) -> int:
        """The largest pool."""
        return max(self.sizes(self.sets[0]))

    def limited(self, steps: int) -> int:
        """Return how many steps the reference takes where it should take ``steps``."""
        return min(2, steps) if self.quick else steps

    def sizes(self, name: str) -> tuple[int, ...]:
        """Return the pool sizes of a set."""
        if self.quick:
            return (60,)
        return POOLS if name in MAIN_SETS else (POOLS[0], POOLS[-1])

    def seeds(self, name: str) -> range:
        """Return the seeds of a set."""
        if self.quick:
            return range(1)
        return range(5 if name in MAIN_SETS else 3)

    def cases(self, size: int | None = None) -> list[Case]:
        """Return the cases of the grid, of one pool size or all."""
        return [
            Case(name, some, seed)
            for name in self.sets
            for some in self.sizes(name)
            for seed in self.seeds(name)
            if size is None or some == size
        ]


@dataclasses.dataclass(frozen=True)
class Task:
    """One cell to compute.

    Parameters
    ----------
    compute : callable
        Returns what the cell keeps.
    rank : tuple of int
        Lower ones are run first, over all parts: seed, then how much the cell tells for its cost.
    """

    compute: Callable[[], dict[str, Any]]
    rank: tuple[int, ...]


Tasks = dict[str, Task]


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the benchmark.

    Parameters
    ----------
    tasks : callable
        Options → tasks by the name of their cell. Parts may share cells.
    summary : callable
        (finished cells, options) → the part's figures; some or all cells may be absent.
    """

    tasks: Callable[[Options], Tasks]
    summary: Callable[[Cells, Options], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The texts of one case."""

    labeled: TextData
    pool: list[str]
    test: TextData


def draw(case: Case, options: Options) -> Drawn:
    """Return the labelled texts, the first texts of the seed's pool, and the test texts.

    Pools nest: a larger one begins with the smaller. None of their texts is a labelled one or a test text.
    """
    labeled, pool, test = _drawn(case.name, case.seed, options.n_test)
    if len(pool) < case.size:
        raise ValueError(f"{case.name} has {len(pool)} unlabelled texts, not {case.size}")
    return Drawn(labeled, pool[: case.size], test)


@cache
def _drawn(name: str, seed: int, n_test: int) -> tuple[TextData, list[str], TextData]:
    labeled = labeled_rows(name, PER_CLASS.get(name, DEFAULT_PER_CLASS), seed)
    train, taken = load_split(name, "train"), set(labeled.texts) | set(load_split(name, "test").texts)
    order = np.random.default_rng(seed).permutation(len(train))
    pool = dict.fromkeys(train.texts[row] for row in order.tolist())
    return labeled, [text for text in pool if text.strip() and text not in taken], held_out_rows(name, n_test)
