"""The loss of a classifier on gold labels: each example by itself, the loss of a batch their mean."""

from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.embedding import by_length
from fewshot.training.layer_rates import LayerRates
from fewshot.training.processes import gather_batch
from fewshot.training.targets import array_fingerprint

MOST_WEIGHT = 10.0
"""No label weighs more than so many times another kind of answer: one example would else decide a step."""


class LabelLoss(BatchLoss):
    """Cross-entropy on class numbers, or binary cross-entropy of each label on a 0/1 matrix.

    Parameters
    ----------
    model : Module
        The classifier in training; its output has ``logits`` ``(B, n_classes)``.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix.
    rates : LayerRates
        Learning rates of its parts.
    class_weights : ndarray of shape (n_classes,), optional
        How heavy each class is, in multi-label tasks that a label applies; see :func:`balanced_weights`. Default: 1.
    smoothing : float, default=0.0
        Share of each target, from 0 to below 1, that is spread evenly: over the classes, or over yes and no.
    example_weights : ndarray of shape (n,), optional
        How heavy each example is, 0 or more. Default: 1.

    Raises
    ------
    InputError
        If ``smoothing`` or a weight is out of range.

    Notes
    -----
    The loss of a batch is the sum over its examples divided by their number, not by the sum of their weights, so that
    the mean of equal parts of a batch is that of the batch.

    References
    ----------
    Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567 (smoothing).
    """

    def __init__(
        self,
        model: nn.Module,
        y: np.ndarray,
        rates: LayerRates,
        *,
        class_weights: np.ndarray | None = None,
        smoothing: float = 0.0,
        example_weights: np.ndarray | None = None,
    ) -> None:
        if not 0 <= smoothing < 1:
            raise InputError(f"label_smoothing must be at least 0 and below 1, got {smoothing}")
        if example_weights is not None and not _are_weights(example_weights, len(y)):
            raise InputError(f"example_weights must be {len(y)} finite numbers, one an example, each 0 or more")
        super().__init__()
        self.model, self.rates, self.smoothing = model, rates, smoothing
        self._y = torch.as_tensor(y)
        self._weights = _tensor_of(class_weights)
        self._example_weights = _tensor_of(example_weights)

    def forward(self, features: dict[str, Any], rows: torch.Tensor, mean_size: float | None = None) -> torch.Tensor:
        """Return the loss of one batch, a scalar; under several processes that of the global batch.

        Parameters
        ----------
        features : dict
            Arguments of the model.
        rows : Tensor of shape (B,)
            Numbers of the examples.
        mean_size : float, optional
            What the sum is divided by, where batches of a step differ in size: their mean size. Default: B.
        """
        logits = by_length(lambda group: self.model(**group).logits, features)
        # Shares of an uneven batch differ in size, so the mean of their means would not be the batch's.
        whole, _ = gather_batch(self.per_example(logits, rows), rows)
        return whole.sum() / (mean_size or len(whole))

    def per_example(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of each example ``(B,)``, in float32 whatever the model computes in."""
        losses = mean_of_labels(self.per_answer(logits, rows))
        return losses if self._example_weights is None else losses * self._example_weights.to(rows.device)[rows]

    def per_answer(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of each example ``(B,)``, in multi-label tasks of each of its labels ``(B, n_classes)``."""
        y = self._y.to(rows.device)[rows]
        weights = None if self._weights is None else self._weights.to(rows.device)
        with torch.autocast(logits.device.type, enabled=False):
            if y.ndim == 1:
                losses = nn.functional.cross_entropy(
                    logits.float(), y, reduction="none", label_smoothing=self.smoothing
                )
                return losses if weights is None else losses * weights[y]
            wanted = y.float() * (1 - self.smoothing) + self.smoothing / 2
            return nn.functional.binary_cross_entropy_with_logits(
                logits.float(), wanted, pos_weight=weights, reduction="none"
            )

    def identity(self) -> list[str]:
        """Return labels, weights and settings."""
        given = (self._weights, self._example_weights)
        weights = ["" if values is None else array_fingerprint(values.numpy()) for values in given]
        return [type(self).__name__, array_fingerprint(self._y.numpy()), *weights, repr((self.rates, self.smoothing))]

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the parts of the model, each at its rate."""
        return self.rates.groups(self.model, learning_rate)


def _tensor_of(values: np.ndarray | None) -> torch.Tensor | None:
    return None if values is None else torch.as_tensor(values, dtype=torch.float32)


def _are_weights(values: np.ndarray, n: int) -> bool:
    return values.shape == (n,) and bool(np.isfinite(values).all() and (values >= 0).all())


def mean_of_labels(answers: torch.Tensor) -> torch.Tensor:
    """Return a figure of each example ``(B,)``: the mean over its labels, where there is one for each of them."""
    return answers if answers.ndim == 1 else answers.mean(dim=1)


def balanced_weights(y: np.ndarray, n_classes: int) -> np.ndarray:
    """Return weights that make rare classes count as much as frequent ones.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
    n_classes : int

    Returns
    -------
    ndarray of shape (n_classes,)
        For class numbers inversely proportional to how often a class comes, with a mean of 1 over the rows. For a 0/1
        matrix the number of rows without the label by that of rows with it. Neither is more than 10; a class that never
        comes has 1.

    Examples
    --------
    >>> balanced_weights(np.array([0, 0, 0, 1]), 2).round(2).tolist()
    [0.67, 2.0]
    >>> balanced_weights(np.array([[1, 0], [1, 0], [0, 0], [0, 1]]), 2).tolist()
    [1.0, 3.0]
    """
    if y.ndim == 2:
        counts = y.sum(axis=0)
        return np.where(counts > 0, ((len(y) - counts) / np.maximum(counts, 1)).clip(1 / MOST_WEIGHT, MOST_WEIGHT), 1.0)
    counts = np.bincount(y, minlength=n_classes)
    there = int((counts > 0).sum())
    return np.where(counts > 0, np.minimum(len(y) / (there * np.maximum(counts, 1)), MOST_WEIGHT), 1.0)
