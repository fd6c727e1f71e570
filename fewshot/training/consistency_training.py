"""Training of a classifier on gold labels and on unlabelled texts: these and copies of them shall be answered alike."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.consistency_loss import ConsistencyLoss
from fewshot.training.example_trainer import Features
from fewshot.training.label_training import LabelTrainer, train_on_batches
from fewshot.training.samplers import EpochBatches, MixedBatches
from fewshot.training.schedule import Schedule
from fewshot.training.unlabeled_pairs import UnlabeledPairs


class ConsistencyTrainer(LabelTrainer):
    """Trains a :class:`~fewshot.training.consistency_loss.ConsistencyLoss` on the batches of a ``MixedBatches``.

    Its examples are labelled texts, and after them pairs of an unlabelled text and a copy.
    """

    batches: MixedBatches

    def _collate(self, rows: list[int]) -> dict[str, Any]:
        n = self.batches.labeled.n
        labeled = [row for row in rows if row < n]
        pairs = [self.texts[row] for row in rows if row >= n]
        copies = [pair[1] for pair in pairs]
        features = {"learning": dict(self.features([*(self.texts[row] for row in labeled), *copies]))}
        if pairs:
            features["originals"] = dict(self.features([pair[0] for pair in pairs]))
        return {"features": features, "rows": torch.tensor(labeled, dtype=torch.int64)}

    def _told(self) -> tuple[Any, ...]:
        step = self.state.global_step
        return (self.batches.mean_size(step), self.batches.mean_pairs(step), step + 1)


def train_consistently(
    model: nn.Module,
    examples: Sequence[str],
    pairs: UnlabeledPairs,
    features: Features,
    loss: ConsistencyLoss,
    schedule: Schedule,
    *,
    accumulation: int = 1,
    random_state: int = 0,
    device: str | None = None,
    precision: str = "auto",
    description: str = "training",
    **options: Any,
) -> list[float]:
    """Train ``model`` in place on labelled examples and unlabelled texts.

    Parameters
    ----------
    model : Module
        A classifier whose output has ``logits``; its ``base_model`` is what stands below the head.
    examples : sequence of str
        The labelled ones; at least one.
    pairs : UnlabeledPairs
        May be empty.
    features : callable
        ``features(list of texts)`` returns the arguments of the model's ``forward`` as a mapping of tensors.
    loss : ConsistencyLoss
        Of this ``model``.
    schedule : Schedule
        Steps, labelled examples a batch, learning rate of the uppermost layer.
    accumulation : int, default=1
        Batches a step; equal to one batch of as many examples.
    random_state : int, default=0
        Decides batches, which texts and copies come in which step, and dropout.
    device, precision, description, **options
        As for :func:`~fewshot.training.label_training.train_on_labels`.

    Returns
    -------
    list of float
        The loss of each step, those before a resume included.

    Raises
    ------
    InputError
        If the arguments do not fit together, the checkpoints belong to another run, or the training diverges.
    """
    if accumulation < 1:
        raise InputError(f"accumulation must be at least 1, got {accumulation}")
    labeled = EpochBatches(
        len(examples),
        batch_size=schedule.batch_size,
        accumulation=accumulation,
        steps=schedule.steps,
        random_state=random_state,
    )
    ratio = loss.settings.unlabeled_ratio
    return train_on_batches(
        ConsistencyTrainer,
        model,
        loss,
        schedule,
        MixedBatches(labeled, pairs.n_copies, ratio=ratio, random_state=random_state),
        examples=[*examples, *pairs],
        identity=itertools.chain(examples, ["labelled until here"], pairs.texts, pairs.copies),
        features=features,
        random_state=random_state,
        device=device,
        precision=precision,
        description=description,
        **{"checkpoints": None, "resume": False} | options,
    )
