"""What the benchmark of forecasts is judged on: real learning curves of three cheap methods on six sets.

A curve is one method on the nested slices of one seed. Curves of the part ``test`` are scored on test splits and give
the published figures; those of the part ``train`` are drawn from a train split and scored on other texts of it: all
settings were chosen on these.
"""

import dataclasses
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fewshot import load_encoder, training_slices
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import TextData
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.evaluation.metrics import score_labels, scores_per_label
from fewshot.recipes.method import Surroundings
from fewshot.recipes.methods import make_classifier
from tests.benchmarks.common import ROOT, load_split
from tests.benchmarks.few_labels_plan import SETS, TaskSet, of_classes
from tests.benchmarks.teacher_plan import at_most

METHODS = ("naive-bayes", "knn", "linear-probe")
JUDGED = ("ag_news", "emotion", "trec", "go_emotions_8", "nlbse24_issues", "banking77")
MORE = {"sst5": TaskSet("sst5"), "cr": TaskSet("cr")}
"""Sets on which settings were chosen too."""

SIZES = (2, 4, 8, 16, 32, 64)
FIRST_TRAIN_SEED = 100
MOST_A_CLASS = 200
"""Texts of a class (or of a set of labels) that curves of the part ``train`` are drawn from: each is encoded once."""

N_TEST = 1000
SCORES = ("accuracy", "micro_f1", "macro_f1")


@dataclasses.dataclass(frozen=True)
class Options:
    """How much is run.

    Parameters
    ----------
    quick : bool, default=False
        One set, the cheapest method, few seeds and texts: whether all runs, not what comes of it.
    part : {"test", "train"}, default="test"
        Texts of which split are scored.
    """

    quick: bool = False
    part: str = "test"

    @property
    def name(self) -> str:
        """Name of the result file."""
        return "forecast" + ("_train" if self.part == "train" else "") + ("_quick" if self.quick else "")

    @property
    def folder(self) -> Path:
        """Folder of the curves; vectors lie in a folder beside them."""
        return ROOT / "runs" / "benchmarks" / "forecast" / self.name

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods, cheapest first."""
        return METHODS[:1] if self.quick else METHODS

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the sets."""
        if self.quick:
            return ("trec",)
        return (*JUDGED, *MORE) if self.part == "train" else JUDGED

    @property
    def n_test(self) -> int:
        """Largest number of scored texts."""
        return 100 if self.quick else N_TEST

    def sizes(self, name: str) -> tuple[int, ...]:
        """Return labelled texts a class; some classes of Banking77 have few."""
        if name != "banking77":
            return SIZES
        return SIZES[:4] if self.part == "train" else SIZES[:5]

    def seeds(self, name: str) -> range:
        """Return the seeds of a set: whole groups of five."""
        first = FIRST_TRAIN_SEED if self.part == "train" else 0
        return range(first, first + (5 if self.quick or name == "banking77" else 10))


@dataclasses.dataclass(frozen=True)
class Field:
    """The texts of one set: what slices are drawn from, and what is scored."""

    train: TextData
    test: TextData


@cache
def field(name: str, options: Options) -> Field:
    """Return the texts of a set; those of the part ``train`` are all of its train split."""
    task = MORE.get(name) or SETS[name]
    train = of_classes(load_split(task.source, "train"), task.classes)
    if options.part == "test":
        return Field(train, at_most(of_classes(load_split(task.source, "test"), task.classes), options.n_test))
    order = np.random.default_rng(0).permutation(len(train))
    n_scored = min(options.n_test, len(train) // 10)
    scored = train.select(order[:n_scored])
    seen, taken, kept = set(scored.texts), Counter[Any](), []
    for row in order[n_scored:]:
        if train.texts[row] not in seen and taken[train.labels[row]] < MOST_A_CLASS:
            taken[train.labels[row]] += 1
            kept.append(row)
    return Field(train.select(kept), scored)


@cache
def slices_of(name: str, seed: int, options: Options) -> dict[int, np.ndarray]:
    """Return rows of the training texts by size; of several labels as many in all as there are classes times this."""
    train = field(name, options).train
    factor = len(LabelSpace.of(train.labels, warn=False).classes) if train.multi_label else 1
    sizes = options.sizes(name)
    drawn = training_slices(train.labels, [size * factor for size in sizes], random_state=seed)
    return {size: drawn[size * factor] for size in sizes}


def draw_curve(method: str, name: str, seed: int, options: Options) -> dict[str, Any]:
    """Return the scores of one method on the slices of one seed, and the F1 of each class."""
    train, test = field(name, options).train, field(name, options).test
    space = LabelSpace.of(train.labels, warn=False)
    points = {}
    for size, rows in slices_of(name, seed, options).items():
        labeled = train.select(rows)
        around = Surroundings(encoder(options), [], None, seed, space)
        fitted = make_classifier(method, around).fit(labeled.texts, labeled.labels)
        predicted = list(fitted.predict(test.texts))
        scores = score_labels(test.labels, predicted, multi_label=test.multi_label)
        by_class = scores_per_label(test.labels, predicted, multi_label=test.multi_label)
        points[str(size)] = {
            **{score: scores[score] for score in SCORES},
            "n_train": len(labeled),
            "f1_by_class": [by_class[label]["f1"] if label in by_class else 0.0 for label in space.classes],
        }
    return {"classes": [str(label) for label in space.classes], "points": points}


@cache
def encoder(options: Options) -> Encoder:
    """Return the encoder of all; vectors of texts that it gave once are kept."""
    return CachedEncoder(load_encoder("bundled"), EmbeddingCache(options.folder.parent / "vectors"))
