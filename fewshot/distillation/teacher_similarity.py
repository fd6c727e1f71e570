"""The teacher's vectors of the training rows as what a student's pairs are held against.

Beside the targets of a batch's pairs it gives those between a batch and any other rows, which a memory queue asks for,
and it lets each text count by a weight, such as the teacher's confidence in it.
"""

import numpy as np
import torch
from torch import nn

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.training.targets import array_fingerprint

_ROWS_AT_ONCE = 65_536


class TeacherSimilarity:
    """Targets from a teacher's vectors: the cosine of each pair; a pair counts by the product of its texts' weights.

    A :class:`~fewshot.training.targets.PairTargets`, so every pair loss takes it.

    Parameters
    ----------
    embeddings : ndarray of shape (n, dimension)
        The teacher's vectors of the training texts. Kept by reference, so a memory map stays on disk; rows of zeros
        have the cosine 0 to all.
    weight : ndarray of shape (n,), optional
        How much each text counts, 0 or more; default 1. See :func:`fewshot.distillation.confidence.confidence_weights`.

    Raises
    ------
    InputError
        If the vectors are no matrix of finite numbers, or the weights do not fit them.

    Examples
    --------
    >>> teacher = TeacherSimilarity(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]), weight=np.array([1.0, 1.0, 0.0]))
    >>> targets, weights = teacher(torch.arange(3))
    >>> targets[0]
    tensor([1., 0., 1.])
    >>> weights[0]  # the third text counts nothing
    tensor([0.0000, 0.5000, 0.0000])
    """

    def __init__(self, embeddings: np.ndarray, weight: np.ndarray | None = None) -> None:
        _check_embeddings(embeddings)
        self.embeddings = embeddings
        self.weight = None if weight is None else _checked_weight(weight, len(embeddings))

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the vectors and the weights."""
        arrays = [self.embeddings] if self.weight is None else [self.embeddings, self.weight]
        return fingerprint(array_fingerprint(array) for array in arrays)

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return targets and weights, both ``(B, B)``; weights sum to 1, a text beside itself weighs nothing."""
        return self.between(rows, rows)

    def between(self, rows: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return targets and weights of the pairs of two sets of rows, both ``(B, M)``.

        Weights sum to 1, or are all 0 where no pair counts; a row beside itself, wherever it stands, weighs nothing.
        """
        weights = (rows[:, None] != others[None, :]).float()
        if self.weight is not None:
            weights = weights * self.weights(rows)[:, None] * self.weights(others)[None, :]
        return self.vectors(rows) @ self.vectors(others).T, weights / weights.sum().clamp_min(1e-12)

    def vectors(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the unit vectors of these rows, float32 ``(B, dimension)``, where ``rows`` are."""
        vectors = torch.as_tensor(np.asarray(self.embeddings[rows.cpu().numpy()], dtype=np.float32))
        return nn.functional.normalize(vectors.to(rows.device))

    def weights(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how much each of these rows counts, float32 ``(B,)``."""
        if self.weight is None:
            return torch.ones(len(rows), device=rows.device)
        return torch.as_tensor(self.weight[rows.cpu().numpy()]).to(rows.device)


def _check_embeddings(embeddings: np.ndarray) -> None:
    if embeddings.ndim != 2 or not embeddings.size or not np.issubdtype(embeddings.dtype, np.floating):
        raise InputError(
            "embeddings must be a matrix of floating point numbers with one row a training text, got shape "
            f"{embeddings.shape} of {embeddings.dtype}; give the teacher's vectors"
        )
    for start in range(0, len(embeddings), _ROWS_AT_ONCE):  # a memory map is not read whole
        if not np.isfinite(embeddings[start : start + _ROWS_AT_ONCE]).all():
            raise InputError(
                f"embeddings must be finite, got NaN or infinity in or after row {start}; "
                "look at what the teacher's encoder gave"
            )


def _checked_weight(weight: np.ndarray, n: int) -> np.ndarray:
    weight = np.asarray(weight, dtype=np.float32)
    if weight.shape != (n,) or not np.isfinite(weight).all() or weight.min() < 0 or not weight.any():
        raise InputError(
            f"weight must hold {n} numbers of 0 or more, one a row of embeddings and not all 0; got shape "
            f"{weight.shape}"
        )
    return weight
