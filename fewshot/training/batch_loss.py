"""What the trainer asks of a loss, and the base of the losses that look at all pairs of a batch."""

from typing import Any

import torch
from torch import nn

from fewshot.training.embedding import embed
from fewshot.training.processes import gather_batch
from fewshot.training.targets import PairTargets


class BatchLoss(nn.Module):
    """What the trainer asks of a loss: a scalar for a batch, its parameters, and what it is known by.

    Subclasses hold the encoder in training as ``model`` and give :meth:`forward` and :meth:`identity`.
    """

    model: Any

    def forward(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch, a scalar, from tokenized texts and their row numbers ``(B,)``."""
        raise NotImplementedError

    def identity(self) -> list[str]:
        """Return strings that change with the settings and the targets; checkpoints are known by them."""
        raise NotImplementedError

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the optimizer's parameter groups; all at ``learning_rate``, the encoder's, unless overridden."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "lr": learning_rate}]


class PairLoss(BatchLoss):
    """Base of the losses that look at a batch through the cosines of its pairs.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : PairTargets
        Where the targets come from.
    """

    def __init__(self, model: nn.Module, targets: PairTargets) -> None:
        super().__init__()
        self.model = model
        self.targets = targets

    def forward(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch, a scalar; under several processes that of the global batch."""
        return self.of(*self.embed(features, rows))

    def embed(self, features: dict[str, Any], rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return unit embeddings ``(B, dimension)`` in float32 and row numbers ``(B,)`` of the global batch."""
        embeddings, rows = gather_batch(embed(self.model, features).float(), rows)
        return nn.functional.normalize(embeddings), rows

    def of(self, embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of unit embeddings, in float32 whatever the encoder computes in."""
        with torch.autocast(embeddings.device.type, enabled=False):
            targets, weights = self.targets(rows)
            return self.compare(embeddings @ embeddings.T, targets, weights)

    def compare(self, cosines: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of cosines ``(B, B)`` against targets and weights ``(B, B)``."""
        raise NotImplementedError

    def settings(self) -> dict[str, float]:
        """Return the numbers that shape the loss, by the names of their arguments."""
        return {}

    def identity(self) -> list[str]:
        """Return the loss's name, settings and targets."""
        return [type(self).__name__, repr(self.settings()), type(self.targets).__name__, self.targets.fingerprint]
