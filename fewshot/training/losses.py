"""The pairwise loss that teachers and students train with: every pair of a batch, each text encoded once.

A batch of B texts gives B(B−1)/2 pairs for B encoder passes. Pair lists, as SetFit and its distillation enumerate them,
cost two passes a pair and O(n²) memory; here memory is O(B²) for numbers and O(B) for texts.

The two journeys differ only in where a pair's target comes from: :class:`LabelSimilarity` (teacher: same class or not)
or :class:`EmbeddingSimilarity` (student: the teacher's cosine).
"""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from fewshot.core.errors import InputError


class PairTargets(Protocol):
    """Gives the wanted cosine of every pair among some training rows, and how much each pair counts."""

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return targets and weights, both ``(B, B)``, for row numbers ``(B,)``."""
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

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return targets and weights, both ``(B, B)``; weights sum to 1, the diagonal weighs nothing."""
        vectors = torch.as_tensor(np.asarray(self.embeddings[rows.cpu().numpy()], dtype=np.float32))
        vectors = nn.functional.normalize(vectors.to(rows.device))
        weights = 1.0 - torch.eye(len(rows), device=rows.device)
        return vectors @ vectors.T, weights / weights.sum().clamp_min(1.0)


class PairwiseCosineLoss(nn.Module):
    """Weighted mean squared difference between the cosines of all pairs of a batch and their targets.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : PairTargets
        Where the targets come from.

    Notes
    -----
    ``sentence_transformers`` calls it as ``loss(features, labels)``: one column of texts, and as label the text's row
    number, by which ``targets`` finds it.
    """

    def __init__(self, model: nn.Module, targets: PairTargets) -> None:
        super().__init__()
        self.model = model
        self.targets = targets

    def forward(self, features: Iterable[dict[str, torch.Tensor]], labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch, a scalar."""
        columns = list(features)
        if len(columns) != 1:
            raise InputError(f"the pairwise loss takes one column of texts, got {len(columns)}")
        embeddings = nn.functional.normalize(embed(self.model, columns[0]).float())
        targets, weights = self.targets(labels)
        return (weights * (embeddings @ embeddings.T - targets).square()).sum()

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for sentence-transformers' log."""
        return {"targets": type(self.targets).__name__}


CPU_ROWS = 8
"""Rows a forward pass on a CPU: small groups of like length stay in its cache and pad little."""


def embed(model: nn.Module, features: dict[str, torch.Tensor]) -> torch.Tensor:
    """Embed a padded batch, on a CPU in groups of like length.

    The result is that of one forward pass (dropout draws apart). On two cores with 64 news texts a training step took
    half the time, since a group is padded to its own longest text rather than to the batch's.

    Parameters
    ----------
    model : SentenceTransformer
    features : dict of str to Tensor
        What the model's tokenizer made of B texts.

    Returns
    -------
    Tensor of shape (B, dimension)
    """
    mask = features.get("attention_mask")
    if mask is None or not bool(mask[:, 0].all()) or mask.device.type != "cpu" or len(mask) <= CPU_ROWS:
        return model(features)["sentence_embedding"]
    lengths = mask.sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    groups = [
        model(_rows(features, rows, mask.shape, int(lengths[rows].max())))["sentence_embedding"]
        for rows in order.split(CPU_ROWS)
    ]
    return torch.cat(groups)[torch.argsort(order)]


def _rows(
    features: dict[str, torch.Tensor], rows: torch.Tensor, shape: torch.Size, length: int
) -> dict[str, torch.Tensor]:
    """Cut the named rows out of a right-padded batch, to the length of the longest of them."""
    return {
        name: value[rows, :length] if isinstance(value, torch.Tensor) and value.shape == shape else value
        for name, value in features.items()
    }
