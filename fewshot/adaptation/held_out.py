"""How well an objective does on held-out texts, and whether an encoder's vectors still differ."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.adaptation.length_batches import batches_of
from fewshot.adaptation.objective import Objective
from fewshot.training.seeding import seeded
from fewshot.training.watching import BestWatch


class HeldOut:
    """The loss of held-out texts: always the same batches and the same draws, so that figures compare.

    Parameters
    ----------
    texts : sequence of str
    batch_size : int
        That of the training, on which a contrastive loss depends.
    random_state : int
    """

    def __init__(self, texts: Sequence[str], *, batch_size: int, random_state: int) -> None:
        self.texts = sorted(texts, key=lambda text: (len(text), text))
        self.batch_size, self.random_state = batch_size, random_state

    def loss(self, objective: Objective) -> float:
        """Return the mean loss of the texts; model and random states are left as they were."""
        batches = np.array_split(np.arange(len(self.texts)), batches_of(len(self.texts), self.batch_size))
        modes = {module: module.training for module in objective.modules()}
        objective.train(objective.judges_with_dropout)
        try:
            with seeded(self.random_state), torch.no_grad():
                total = sum(len(rows) * self._of(objective, rows) for rows in batches)
        finally:
            for module, was_training in modes.items():
                module.training = was_training
        return total / len(self.texts)

    def _of(self, objective: Objective, rows: np.ndarray) -> float:
        device = next(objective.parameters()).device
        features: dict[str, Any] = {
            name: value.to(device) if isinstance(value, torch.Tensor) else value
            for name, value in objective.model.preprocess([self.texts[row] for row in rows]).items()
        }
        return float(objective.value(features, torch.from_numpy(rows).to(device)))


class HeldOutWatch(BestWatch):
    """Watches the ``held_out_loss`` of an objective; the best look is that of the lowest."""

    def restore(self, model: nn.Module) -> int | None:
        """Put the best weights back into what is kept of an objective; return their step."""
        return super().restore(model.adapted)  # type: ignore[arg-type]

    def _keep(self, model: nn.Module) -> None:
        super()._keep(model.adapted)  # type: ignore[arg-type]

    def rank(self, row: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return the loss, the other way round."""
        return (-row["held_out_loss"],)

    def in_words(self, figures: Mapping[str, float | None]) -> str:
        """Return the loss."""
        return f"held out {figures['held_out_loss']:.4f}"


def mean_cosine(vectors: np.ndarray) -> float:
    """Return the mean cosine of all pairs of different rows: near 1 where the vectors have collapsed.

    Examples
    --------
    >>> mean_cosine(np.array([[1.0, 0.0], [2.0, 0.0]])), mean_cosine(np.eye(3))
    (1.0, 0.0)
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    n = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - np.square(unit).sum()) / (n * (n - 1)))
