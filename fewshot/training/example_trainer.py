"""``transformers.Trainer`` for examples of any kind, and a function that turns them into the arguments of a model.

Checkpoints, parameter groups and several processes are those of :mod:`fewshot.training.pairwise_trainer`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import TrainingArguments

from fewshot.training.batch_loss import BatchLoss
from fewshot.training.pairwise_trainer import PairwiseTrainer

Features = Callable[[list[Any]], Mapping[str, torch.Tensor]]
"""Turns examples into the arguments of a model: a tokenizer or an image processor, padding included."""


class ExampleTrainer(PairwiseTrainer):
    """Trains a :class:`~fewshot.training.batch_loss.BatchLoss` on examples of any kind.

    Parameters
    ----------
    loss : BatchLoss
    args : TrainingArguments
    examples : sequence
    features : callable
        Of the model in training.
    **options
        ``batches``, ``callbacks`` and ``checkpoints`` as for its base.
    """

    def __init__(
        self, loss: BatchLoss, args: TrainingArguments, *, examples: Sequence[Any], features: Features, **options: Any
    ) -> None:
        self.features = features
        super().__init__(loss, args, texts=examples, **options)
        # The base does so, too; here every gradient hangs on it: a step would be the sum of its micro-batches.
        self.model_accepts_loss_kwargs = False

    def _collate(self, rows: list[int]) -> dict[str, Any]:
        return {"features": self._features_of([self.texts[row] for row in rows], rows), "rows": torch.tensor(rows)}

    def _features_of(self, examples: list[Any], rows: list[int]) -> dict[str, Any]:
        """Return what the loss is told of some examples."""
        return dict(self.features(examples))

    def _told(self) -> tuple[Any, ...]:
        """Return what else the loss is told of a batch."""
        return ()

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss of a micro-batch."""
        loss = model(inputs["features"], inputs["rows"], *self._told())
        return (loss, {}) if return_outputs else loss
