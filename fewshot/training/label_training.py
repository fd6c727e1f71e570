"""Training of a classifier on gold labels: what its outputs stand for is left to the rooms above."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.callbacks import Watch, WatchCallback
from fewshot.training.example_trainer import ExampleTrainer, Features
from fewshot.training.label_loss import LabelLoss
from fewshot.training.running import Run, prepare_run
from fewshot.training.samplers import EpochBatches
from fewshot.training.schedule import Schedule


class LabelTrainer(ExampleTrainer):
    """Trains a :class:`~fewshot.training.label_loss.LabelLoss` on the batches of an ``EpochBatches``."""

    batches: EpochBatches

    def _told(self) -> tuple[float]:
        return (self.batches.mean_size(self.state.global_step),)


def train_on_labels(
    model: nn.Module,
    examples: Sequence[str],
    features: Features,
    loss: LabelLoss,
    schedule: Schedule,
    *,
    accumulation: int = 1,
    device: str | None = None,
    precision: str = "auto",
    random_state: int = 0,
    checkpoints: Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    watch_every: int = 1,
    description: str = "training",
) -> list[float]:
    """Train ``model`` in place on labelled examples.

    Parameters
    ----------
    model : Module
        A classifier whose output has ``logits``; its ``base_model`` is what stands below the head.
    examples : sequence of str
        At least one.
    features : callable
        ``features(list of examples)`` returns the arguments of the model's ``forward`` as a mapping of tensors.
    loss : LabelLoss
        Of this ``model``.
    schedule : Schedule
        Steps, examples a batch, learning rate of the uppermost layer.
    accumulation : int, default=1
        Batches a step; equal to one batch of as many examples.
    device, precision : str, optional
        As for :class:`~fewshot.encoders.sentence.SentenceEncoder`; ``"auto"`` trains in bfloat16 autocast where the
        processor has it natively. Weights stay float32.
    random_state : int, default=0
        Decides batches and dropout.
    checkpoints : Path, optional
        A folder private to this run, where checkpoints are written; the caller removes it.
    resume : bool, default=False
        Go on from the newest whole checkpoint, to the same weights and losses, bit by bit, as without a break; from the
        start where there is none. Otherwise older checkpoints in the folder are removed first.
    watch : callable, optional
        ``watch(step, model) -> bool`` is called after every ``watch_every``-th step, with the model in eval mode;
        ``True`` ends the training.
    watch_every : int, default=1
    description : str
        Label of the progress bar.

    Returns
    -------
    list of float
        The loss of each step, those before a resume included.

    Raises
    ------
    InputError
        If the arguments do not fit together, the checkpoints belong to another run, or the training diverges.
    """
    for name, value in (("accumulation", accumulation), ("watch_every", watch_every)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    if loss.model is not model:
        raise InputError("loss holds another model than the one to train; make it with this model")
    batches = EpochBatches(
        len(examples),
        batch_size=schedule.batch_size,
        accumulation=accumulation,
        steps=schedule.steps,
        random_state=random_state,
    )
    if schedule.steps == 0:
        return []
    run = prepare_run(
        schedule,
        description=description,
        device=device,
        precision=precision,
        random_state=random_state,
        accumulation=batches.accumulation,
        checkpoints=checkpoints,
        resume=resume,
    )
    with run as prepared:
        trainer = _make_trainer(prepared, loss, examples, features, batches)
        if watch is not None:
            trainer.add_callback(WatchCallback(watch, watch_every, model, random_state, trainer.read_losses))
        return prepared.train(trainer, model)


def _make_trainer(
    run: Run, loss: LabelLoss, examples: Sequence[Any], features: Features, batches: EpochBatches
) -> LabelTrainer:
    return LabelTrainer(
        loss,
        run.args,
        examples=examples,
        features=features,
        batches=batches,
        callbacks=run.callbacks,
        checkpoints=run.checkpoints(examples, loss, batches),
    )
