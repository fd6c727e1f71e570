"""Which training slices the labels of a task allow: as a comparison will cut them, so that none is too large."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fewshot.data.splits import balanced_split
from fewshot.recipes.compared_texts import FEW_HELD_OUT, FOLDS
from fewshot.recipes.comparison import CompareSettings
from fewshot.recipes.task_reading import Task
from fewshot.recipes.usual_slices import parts_of

_RARE, _USUAL = 4, 8


@dataclasses.dataclass(frozen=True)
class Slices:
    """Training slices that the labels allow.

    Parameters
    ----------
    sizes : tuple of int
        Ascending.
    total : bool
        Whether sizes count all labels; else those of each class.
    n_classes : int
        In the training part.
    n_held_out : int or None
        Texts that a comparison would hold out, with folds each in its turn; ``None`` with a test set.
    folds : int or None
        Of a cross-validation, where a part held out once would be too small to tell methods apart.
    """

    sizes: tuple[int, ...]
    total: bool
    n_classes: int
    n_held_out: int | None
    folds: int | None = None

    def n_texts(self, size: int) -> int:
        """Return how many texts a slice has."""
        return size if self.total else size * self.n_classes


def choose_slices(task: Task) -> Slices | None:
    """Return slices of a quarter, half and all of what the rarest class has (or all labels have).

    Parameters
    ----------
    task : Task

    Returns
    -------
    Slices or None
        ``None`` where there are too few labels to compare anything. Where a class is much rarer than the others, and
        in multi-label data, sizes count labels in all.
    """
    labels = task.labeled.labels
    held_out = None
    if task.facts.n_test is None:
        if len(labels) < 2:
            return None
        split = balanced_split(labels, CompareSettings.test_size, random_state=CompareSettings.seed)
        if len(split.test) < FEW_HELD_OUT and (folded := _slices_of_folds(labels, task.facts.multi_label)):
            return folded
        labels, held_out = [labels[i] for i in split.train], len(split.test)
    if task.facts.multi_label:
        classes = {label for entry in labels for label in entry}
        return Slices(parts_of(len(labels)), True, len(classes), held_out) if classes else None
    counts = sorted(Counter(labels).values())
    if len(counts) < 2:
        return None
    total = counts[0] < _RARE and counts[len(counts) // 2] >= _USUAL
    return Slices(parts_of(len(labels) if total else counts[0]), total, len(counts), held_out)


def _slices_of_folds(labels: Sequence[Any], multi_label: bool) -> Slices | None:
    """Return slices that every training of a cross-validation can draw; ``None`` if nothing could be held out."""
    if multi_label:
        classes = {label for entry in labels for label in entry}
        most = len(labels) - _share(len(labels))
        return Slices(parts_of(most), True, len(classes), len(labels), FOLDS) if classes and most else None
    counts = sorted(Counter(labels).values())
    if len(counts) < 2 or counts[-1] < 2:
        return None
    left = [count - _share(count) if count > 1 else 1 for count in counts]
    total = left[0] < _RARE and left[len(left) // 2] >= _USUAL
    held_out = sum(count for count in counts if count > 1)
    return Slices(parts_of(sum(left) if total else left[0]), total, len(counts), held_out, FOLDS)


def _share(count: int) -> int:
    """Return how many of so many texts the largest fold holds."""
    return -(-count // FOLDS)
