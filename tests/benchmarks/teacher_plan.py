"""What the parts of the teacher's benchmark share: its extent, what a part is, the drawn texts, the statistics."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fewshot import sample_few_shot
from fewshot.data.texts import TextData
from tests.benchmarks.common import load_split, mean_sd

Cells = Mapping[str, dict[str, Any]]
Tasks = dict[str, Callable[[], dict[str, Any]]]

SETS = ("cr", "trec", "sst5", "emotion", "ag_news")
MANY_CLASSES = "banking77"
"""The set whose list of pairs is longest: 77 classes."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How much is run.

    Parameters
    ----------
    quick : bool, default=False
        One set, one seed, few texts, a few steps of the reference: whether all runs, not what comes of it.
    full : bool, default=False
        The reference at 16 texts a class too, and more seeds of the issue reports.
    """

    quick: bool = False
    full: bool = False

    @property
    def name(self) -> str:
        """Name of the folder of cells and of the result file."""
        return "teacher_quick" if self.quick else "teacher"

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets of accuracy and time."""
        return SETS[:1] if self.quick else SETS

    @property
    def sizes(self) -> tuple[int, ...]:
        """Texts a class."""
        return (8,) if self.quick else (8, 16)

    @property
    def n_test(self) -> int:
        """Largest number of test texts."""
        return 60 if self.quick else 2000

    @property
    def reference_steps(self) -> int | None:
        """Steps at which a reference that is trained for its accuracy stops; ``None``: its own."""
        return 2 if self.quick else None

    def seeds(self, n: int) -> range:
        """Return the seeds of a number."""
        return range(1 if self.quick else n)


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the benchmark.

    Parameters
    ----------
    tasks : callable
        Options → cells by name, each with what computes it, in the order in which they are to be run.
    summary : callable
        (finished cells, options) → the part's figures; some or all cells may be absent.
    """

    tasks: Callable[[Options], Tasks]
    summary: Callable[[Cells, Options], dict[str, Any]]


def labeled_rows(name: str, n_per_class: int, seed: int) -> TextData:
    """Draw the labelled texts of a set."""
    train = load_split(name, "train")
    return train.select(sample_few_shot(train.labels, n_per_class, random_state=seed))


def held_out_rows(name: str, limit: int) -> TextData:
    """Return a set's test split, or ``limit`` rows of it, the same in every run."""
    return at_most(load_split(name, "test"), limit)


def at_most(data: TextData, limit: int) -> TextData:
    """Return the data, or ``limit`` of its rows."""
    if len(data) <= limit:
        return data
    return data.select(np.random.default_rng(0).choice(len(data), limit, replace=False))


def of_report(classifier: Any) -> dict[str, Any]:
    """Return what a cell keeps of a classifier's own report."""
    report = getattr(classifier, "report_", {})
    return {name: report.get(name) for name in ("chosen", "held_out", "steps", "name_sentences", "notes")}


def values_of(cells: Cells, names: Sequence[str], key: str) -> dict[str, float]:
    """Return one value of each cell that is finished and has it, by the cell's name."""
    return {name: cells[name][key] for name in names if cells.get(name, {}).get(key) is not None}


def stats(values: Sequence[float]) -> dict[str, Any] | None:
    """Return mean, sd and the values themselves, ``None`` for no value."""
    return mean_sd(list(values)) if values else None


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean, ``None`` below two values."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None


def difference(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any] | None:
    """Return mean and standard error of paired differences, and the differences themselves."""
    if not ours:
        return None
    values = [a - b for a, b in zip(ours, theirs, strict=True)]
    return {"mean": float(np.mean(values)), "se": standard_error(values), "values": values}


def geometric_mean(values: Sequence[float]) -> float | None:
    """Return the geometric mean of ratios, ``None`` for no value."""
    return math.exp(float(np.mean(np.log(values)))) if values else None


def goal(figure: str, wanted: float, measured: float | None, *, at_most: bool = False) -> dict[str, Any]:
    """Return one figure beside what is wanted of it; ``reached`` is ``None`` where nothing was measured."""
    reached = None if measured is None else bool(measured <= wanted if at_most else measured >= wanted)
    bound = "at_most" if at_most else "at_least"
    return {"figure": figure, bound: wanted, "measured": measured, "reached": reached}
