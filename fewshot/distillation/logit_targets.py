"""What a student of logits learns of each example: the teacher's logits, gold labels, and how heavy it is."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from fewshot.core.errors import InputError, TeacherError
from fewshot.distillation.logit_losses import MISSING
from fewshot.training.targets import array_fingerprint

_CHUNK = 2**16


@dataclasses.dataclass(frozen=True)
class LogitTargets:
    """What there is to learn of each example, by its number.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes), optional
        The teacher's, computed beforehand. Kept by reference, so a memory map stays on disk.
    gold : ndarray of shape (n,) or (n, n_classes), optional
        Class numbers or a 0/1 matrix; :data:`~fewshot.distillation.logit_losses.MISSING` where there is none.
    weights : ndarray of shape (n,), optional
        How heavy each example is, at least 0. The loss of a batch is the sum over its examples divided by their
        number, not by the sum of their weights, so that the mean of equal parts of a batch is that of the batch;
        weights with a mean of 1 leave the size of a step as it is.

    Examples
    --------
    >>> LogitTargets(gold=np.array([0, 1, MISSING])).of([2, 0])
    {'gold': tensor([-100,    0])}
    """

    logits: np.ndarray | None = None
    gold: np.ndarray | None = None
    weights: np.ndarray | None = None

    def of(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return what there is of some examples.

        Parameters
        ----------
        rows : sequence of int
            Their numbers.

        Returns
        -------
        dict of str to Tensor
            ``"logits"``, ``"gold"`` and ``"weights"``, so far as there are any: gold as integers, the rest in float32.
        """
        kinds = {"logits": np.float32, "gold": np.int64, "weights": np.float32}
        return {
            name: torch.from_numpy(np.array(array[list(rows)], dtype=kinds[name]))
            for name, array in self._arrays().items()
        }

    def fingerprints(self) -> list[str]:
        """Return strings that change with the targets; checkpoints are known by them."""
        return [f"{name} {array_fingerprint(array)}" for name, array in self._arrays().items()]

    def check(self, n: int, n_classes: int, *, multi_label: bool) -> None:
        """Raise unless the targets are sound, and fit the examples and the student.

        Parameters
        ----------
        n : int
            Number of examples.
        n_classes : int
            Outputs of the student.
        multi_label : bool
            Whether gold labels are a 0/1 matrix.

        Raises
        ------
        InputError
            If shapes or values are not as the class says.
        TeacherError
            If the teacher's logits hold NaN or infinite values.
        """
        shapes = {"logits": (n, n_classes), "gold": (n, n_classes) if multi_label else (n,), "weights": (n,)}
        for name, array in self._arrays().items():
            if array.shape != shapes[name]:
                raise InputError(
                    f"{name} must have shape {shapes[name]} for {n} examples and a student of {n_classes} classes, got "
                    f"{array.shape}"
                )
        if self.logits is not None:
            _check_finite(self.logits)
        if self.gold is not None:
            _check_gold(self.gold, 1 if multi_label else n_classes - 1)
        if self.weights is not None and not (
            np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.any()
        ):
            raise InputError("weights must be finite, at least 0, and not all of them 0")

    @property
    def has_gold(self) -> bool:
        """Whether any example has a gold label."""
        return self.gold is not None and bool((self.gold != MISSING).any())

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"logits": self.logits, "gold": self.gold, "weights": self.weights}
        return {name: array for name, array in arrays.items() if array is not None}


def _check_finite(logits: np.ndarray) -> None:
    for start in range(0, len(logits), _CHUNK):  # a memory map may be larger than memory
        finite = np.isfinite(logits[start : start + _CHUNK]).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise TeacherError(
                f"the teacher's logits of example {row} hold NaN or infinite values; train the teacher again"
            )


def _check_gold(gold: np.ndarray, highest: int) -> None:
    if not np.issubdtype(gold.dtype, np.integer):
        raise InputError(f"gold must hold integers, got {gold.dtype}")
    wrong = gold[(gold != MISSING) & ((gold < 0) | (gold > highest))]
    if len(wrong):
        raise InputError(
            f"gold must hold numbers from 0 to {highest}, or {MISSING} where a label is not known; got {wrong[0]}"
        )


def targets_of(
    logits: np.ndarray, columns: np.ndarray, y: np.ndarray | None = None, weights: np.ndarray | None = None
) -> LogitTargets:
    """Return the targets of a student whose outputs stand in an order of their own.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
        The teacher's, in the order of the classes.
    columns : ndarray of shape (n_classes,)
        Which of the student's outputs stands for each class.
    y : ndarray of shape (n_gold,) or (n_gold, n_classes), optional
        Class numbers, or a 0/1 matrix, of the first ``n_gold`` examples.
    weights : ndarray of shape (n,), optional

    Returns
    -------
    LogitTargets
        In the order of the student's outputs; the other examples have no gold label.

    Examples
    --------
    >>> targets = targets_of(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0]), np.array([0]))
    >>> targets.logits.tolist(), targets.gold.tolist()
    ([[2.0, 1.0], [4.0, 3.0]], [1, -100])
    """
    by_output = np.argsort(columns)
    gold = None
    if y is not None:
        gold = np.full(logits.shape[:1] if y.ndim == 1 else logits.shape, MISSING)
        gold[: len(y)] = columns[y] if y.ndim == 1 else y[:, by_output]
    return LogitTargets(logits[:, by_output], gold, weights)
