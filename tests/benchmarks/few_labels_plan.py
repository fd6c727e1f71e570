"""What the benchmark of few labels draws: data sets, slices of growing size, pools, test texts."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fewshot import training_slices
from fewshot.core.artifacts import read_json
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import TextData
from tests.benchmarks.common import ROOT, load_split
from tests.benchmarks.teacher_plan import at_most

Cells = Mapping[str, dict[str, Any]]

SIZES = (0, 2, 4, 8, 16, 32, 64)
POOL = 2000
DESCRIPTIONS = Path(__file__).with_name("label_descriptions.json")
FREQUENT_EMOTIONS = ("admiration", "amusement", "annoyance", "approval", "curiosity", "gratitude", "love", "neutral")


@dataclasses.dataclass(frozen=True)
class TaskSet:
    """One data set as it is used here.

    Parameters
    ----------
    source : str
        Folder of the shared data sets.
    seeds : int
    sizes : tuple of int
        Labelled texts a class; of several labels as many in all as there are classes times this.
    classes : tuple of str
        All others are left out; empty: none is.
    """

    source: str
    seeds: int = 3
    sizes: tuple[int, ...] = SIZES
    classes: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """The figure that methods are compared by."""
        return "micro_f1" if self.source == "go_emotions" else "accuracy"


SETS = {
    "ag_news": TaskSet("ag_news", seeds=5),
    "emotion": TaskSet("emotion", seeds=5),
    "trec": TaskSet("trec"),
    "go_emotions_8": TaskSet("go_emotions", classes=FREQUENT_EMOTIONS),
    "banking77": TaskSet("banking77", sizes=SIZES[:-1]),
    "nlbse24_issues": TaskSet("nlbse24_issues"),
    "banking77_8": TaskSet(
        "banking77",
        sizes=(0,),
        classes=(
            *("cancel_transfer", "card_arrival", "change_pin", "exchange_rate"),
            *("lost_or_stolen_card", "request_refund", "top_up_failed", "verify_my_identity"),
        ),
    ),
}
"""The sets by name. ``go_emotions_8`` has the eight most frequent labels, ``banking77_8`` is for inference alone."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How much is run.

    Parameters
    ----------
    quick : bool, default=False
        One small set, one seed, two sizes, few texts: whether all runs, not what comes of it.
    """

    quick: bool = False

    @property
    def name(self) -> str:
        """Name of the folder of cells and of the result file."""
        return "few_labels_quick" if self.quick else "few_labels"

    @property
    def folder(self) -> Path:
        """Folder of cells; adapted encoders and vectors lie in folders of it."""
        return ROOT / "runs" / "benchmarks" / self.name

    @property
    def n_test(self) -> int:
        """Largest number of test texts."""
        return 60 if self.quick else 1000

    @property
    def n_pool(self) -> int:
        """Unlabelled texts."""
        return 60 if self.quick else POOL

    @property
    def steps(self) -> int | None:
        """Optimizer steps; ``None``: each method's own default."""
        return 2 if self.quick else None

    def sets(self) -> tuple[str, ...]:
        """Return the names of the sets."""
        return ("trec",) if self.quick else tuple(SETS)

    def sizes(self, name: str) -> tuple[int, ...]:
        """Return the sizes of a set."""
        return (0, 2) if self.quick else SETS[name].sizes

    def seeds(self, name: str) -> range:
        """Return the seeds of a set."""
        return range(1 if self.quick else SETS[name].seeds)


@dataclasses.dataclass(frozen=True)
class Case:
    """Labelled texts of one set, size and seed, and what is beside them.

    Parameters
    ----------
    name : str
        The data set.
    size : int
        Labelled texts a class.
    seed : int
        Decides the labelled texts, the pool and the method.
    """

    name: str
    size: int
    seed: int

    def cell(self, contender: str) -> str:
        """Return the name of a contender's cell."""
        return f"{contender}-{self.name}-{self.size}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The texts of one case."""

    labeled: TextData
    pool: list[str]
    test: TextData
    space: LabelSpace


def draw(case: Case, options: Options) -> Drawn:
    """Return the texts of a case: slices of a seed nest, and all of them have its pool."""
    train, slices, pool, test = _drawn(case.name, case.seed, options)
    return Drawn(train.select(slices[case.size]), pool, test, LabelSpace.of(train.labels, warn=False))


def descriptions(name: str) -> dict[str, list[str]]:
    """Return the classes of a set in words, written before any figure was seen."""
    return read_json(DESCRIPTIONS).get(name, {})


@cache
def _drawn(name: str, seed: int, options: Options) -> tuple[TextData, dict[int, np.ndarray], list[str], TextData]:
    task = SETS[name]
    train, test = (of_classes(load_split(task.source, split), task.classes) for split in ("train", "test"))
    sizes = options.sizes(name)
    factor = len(task.classes) if train.multi_label else 1
    given = training_slices(train.labels, [size * factor for size in sizes], random_state=seed)
    slices = {size: given[size * factor] for size in sizes}
    taken = {train.texts[row] for rows in slices.values() for row in rows} | set(test.texts)
    order = np.random.default_rng(seed).permutation(len(train)).tolist()
    pool = [text for text in dict.fromkeys(train.texts[row] for row in order) if text.strip() and text not in taken]
    return train, slices, pool[: options.n_pool], at_most(test, options.n_test)


def of_classes(data: TextData, classes: tuple[str, ...]) -> TextData:
    """Return the rows with one of these classes, and of their labels these."""
    if not classes:
        return data
    kept = set(classes)
    if not data.multi_label:
        return data.select([row for row, label in enumerate(data.labels) if label in kept])
    labels = [tuple(label for label in row if label in kept) for row in data.labels]
    return dataclasses.replace(data, labels=labels).select([row for row, few in enumerate(labels) if few])


@dataclasses.dataclass(frozen=True)
class Task:
    """One cell to compute.

    Parameters
    ----------
    compute : callable
        Returns what the cell keeps.
    rank : tuple of int
        Lower ones are run first.
    """

    compute: Callable[[], dict[str, Any]]
    rank: tuple[int, ...]
