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

from fewshot.training.row_table import RowTable

_CHUNK = 4096
"""Rows hashed at once, so that a memory map is not read whole into memory."""


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
    """Targets from a teacher's vectors: the cosine of each pair; every pair weighs the same.

    Parameters
    ----------
    embeddings : ndarray of shape (n, dimension)
        The teacher's vectors of the training texts. Kept by reference, so a memory map stays on disk.

    Examples
    --------
    >>> targets, weights = EmbeddingSimilarity(np.array([[1.0, 0.0], [0.0, 2.0]]))(torch.arange(2))
    >>> targets
    tensor([[1., 0.],
            [0., 1.]])
    """

    def __init__(self, embeddings: np.ndarray) -> None:
        self.embeddings = embeddings
        self._rows = RowTable(embeddings)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the vectors."""
        return array_fingerprint(self.embeddings)

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return targets and weights, both ``(B, B)``; weights sum to 1, the diagonal weighs nothing."""
        vectors = nn.functional.normalize(self._rows(rows))
        weights = 1.0 - torch.eye(len(rows), device=rows.device)
        return vectors @ vectors.T, weights / weights.sum().clamp_min(1.0)


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
