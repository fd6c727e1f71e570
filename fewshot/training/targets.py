"""What each pair of training texts should look like: alike, unlike, or somewhere between.

The two journeys differ only in where a pair's target comes from: :class:`LabelSimilarity` (teacher: same class or not)
or :class:`EmbeddingSimilarity` (student: the teacher's cosine). The losses (:mod:`fewshot.training.losses`) ask for no
more than :class:`PairTargets`.
"""

import hashlib
from typing import Protocol

import numpy as np
import torch
from torch import nn

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.training.row_table import RowTable

_CHUNK = 4096
"""Rows hashed at once, so that a memory map is not read whole into memory."""

_ROWS_AT_ONCE = 65_536


class PairTargets(Protocol):
    """Gives the wanted cosine of every pair among some training rows, and how much each pair counts."""

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return targets and weights, both ``(B, B)``, for row numbers ``(B,)``."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the targets; checkpoints are known by them."""
        ...


class LabelSimilarity:
    """Targets from labels: 1 for the same class, 0 for different ones; Jaccard overlap in multi-label data.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix. Two texts without any label count as alike.

    Notes
    -----
    Positive pairs get thinner as classes get more (1 in 77 on Banking77), so both kinds weigh the same in all, as
    SetFit reaches by oversampling (Tunstall et al. 2022, arXiv:2209.11055). A batch of one kind weighs evenly.

    Examples
    --------
    >>> targets, weights = LabelSimilarity(np.array([0, 0, 1]))(torch.arange(3))
    >>> targets[0]
    tensor([1., 1., 0.])
    >>> weights[0]  # the pair (0, 1) is as heavy as (0, 2) and (1, 2) together
    tensor([0.0000, 0.2500, 0.1250])
    """

    def __init__(self, y: np.ndarray) -> None:
        self.similarity_of = _jaccard if y.ndim == 2 else _same
        self.y = torch.as_tensor(y)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the labels."""
        return array_fingerprint(self.y.numpy())

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return targets and weights, both ``(B, B)``; weights sum to 1, the diagonal weighs nothing."""
        targets = self.similarity_of(self.y.to(rows.device)[rows])
        off_diagonal = 1.0 - torch.eye(len(rows), device=rows.device)
        positive, negative = targets * off_diagonal, (1.0 - targets) * off_diagonal
        weights = positive / positive.sum().clamp_min(1e-12) + negative / negative.sum().clamp_min(1e-12)
        return targets, weights / weights.sum().clamp_min(1e-12)


def _same(y: torch.Tensor) -> torch.Tensor:
    return (y[:, None] == y[None, :]).float()


def _jaccard(y: torch.Tensor) -> torch.Tensor:
    y = y.float()
    shared = y @ y.T
    union = y.sum(1)[:, None] + y.sum(1)[None, :] - shared
    return torch.where(union > 0, shared / union.clamp_min(1.0), torch.ones_like(shared))


class EmbeddingSimilarity:
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
    >>> teacher = EmbeddingSimilarity(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]), weight=np.array([1.0, 1.0, 0.0]))
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
        self._vectors = RowTable(embeddings)
        self._weights = None if self.weight is None else RowTable(self.weight)

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
        vectors = self.vectors(rows)
        cosines = vectors @ (vectors if others is rows else self.vectors(others)).T
        return cosines, weights / weights.sum().clamp_min(1e-12)

    def vectors(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the unit vectors of these rows, float32 ``(B, dimension)``, where ``rows`` are."""
        return nn.functional.normalize(self._vectors(rows))

    def weights(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how much each of these rows counts, float32 ``(B,)``."""
        return torch.ones(len(rows), device=rows.device) if self._weights is None else self._weights(rows)


def array_fingerprint(array: np.ndarray) -> str:
    """Return 32 hexadecimal digits that change with an array's values, shape or type.

    Examples
    --------
    >>> array_fingerprint(np.zeros(4)) == array_fingerprint(np.zeros((2, 2)))
    False
    """
    digest = hashlib.blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=16)
    for start in range(0, len(array), _CHUNK):
        digest.update(np.ascontiguousarray(array[start : start + _CHUNK]).tobytes())
    return digest.hexdigest()


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
