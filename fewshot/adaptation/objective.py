"""What every objective of domain adaptation shares: it learns from texts alone, and can be asked how well it does."""

from typing import Any

import torch
from torch import nn

from fewshot.training.batch_loss import BatchLoss


class Objective(BatchLoss):
    """Base of the objectives; subclasses give :meth:`value` and :meth:`settings`.

    Attributes
    ----------
    judges_with_dropout : bool
        Whether its loss means nothing without dropout, on held-out texts, too.
    judged_by : str
        Fingerprint of the held-out texts: they decide when a training ends.
    """

    judges_with_dropout = False
    judged_by = ""

    def forward(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch, a scalar; the trainer may have it computed in bfloat16."""
        return self.value(features, rows)

    def value(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch in the precision of the weights."""
        raise NotImplementedError

    @property
    def adapted(self) -> nn.Module:
        """What is kept of the training."""
        return self.model

    def settings(self) -> dict[str, Any]:
        """Return what shapes the loss, by the names of its arguments."""
        raise NotImplementedError

    def identity(self) -> list[str]:
        """Return the objective's name and settings, how much of a text is read, and what it is judged by."""
        return [type(self).__name__, repr(self.settings()), repr(self.model.max_seq_length), self.judged_by]
