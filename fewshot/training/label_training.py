"""Training of a classifier on gold labels: what its outputs stand for is left to the rooms above."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.callbacks import Watch, WatchCallback
from fewshot.training.example_trainer import ExampleTrainer, Features
from fewshot.training.fake_quant import FakeQuantization
from fewshot.training.label_loss import LabelLoss
from fewshot.training.running import prepare_run
from fewshot.training.samplers import EpochBatches, MixedBatches
from fewshot.training.schedule import Schedule
from fewshot.training.sparsity import Pruning


class LabelTrainer(ExampleTrainer):
    """Trains a :class:`~fewshot.training.label_loss.LabelLoss` on batches whose sizes are known beforehand."""

    batches: EpochBatches | MixedBatches

    def _told(self) -> tuple[Any, ...]:
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
    pruning: Pruning | None = None,
    quantization: FakeQuantization | None = None,
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
    pruning : Pruning, optional
        How weights become zeros in the course of the training, such as
        :class:`~fewshot.training.sparsity.MagnitudePruning`; ``model`` has them afterwards. Default: none do.
    quantization : FakeQuantization, optional
        Train through the rounding of int8; see :class:`~fewshot.training.fake_quant.FakeQuantization`. Default: do not.

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
    batches = EpochBatches(
        len(examples),
        batch_size=schedule.batch_size,
        accumulation=accumulation,
        steps=schedule.steps,
        random_state=random_state,
    )
    return train_on_batches(
        LabelTrainer,
        model,
        loss,
        schedule,
        batches,
        examples=examples,
        identity=examples,
        features=features,
        device=device,
        precision=precision,
        random_state=random_state,
        checkpoints=checkpoints,
        resume=resume,
        watch=watch,
        watch_every=watch_every,
        description=description,
        pruning=pruning,
        quantization=quantization,
    )


def train_on_batches(
    kind: type[LabelTrainer],
    model: nn.Module,
    loss: LabelLoss,
    schedule: Schedule,
    batches: EpochBatches | MixedBatches,
    *,
    examples: Sequence[Any],
    identity: Iterable[str],
    features: Features,
    watch: Watch | None = None,
    watch_every: int = 1,
    **options: Any,
) -> list[float]:
    """Train ``model`` in place on the batches of a sampler.

    Parameters
    ----------
    kind : type
        The trainer, which turns ``examples`` into what ``loss`` is told.
    batches : EpochBatches or MixedBatches
        Of so many steps as the schedule has.
    identity : iterable of str
        What checkpoints know the examples by.
    model, examples, features, loss, schedule, watch, watch_every, **options
        As for :func:`train_on_labels`.

    Raises
    ------
    InputError
        As :func:`train_on_labels`.
    """
    if watch_every < 1:
        raise InputError(f"watch_every must be at least 1, got {watch_every}")
    if loss.model is not model:
        raise InputError("loss holds another model than the one to train; make it with this model")
    if schedule.steps == 0:
        return []
    with prepare_run(schedule, accumulation=batches.accumulation, **options) as run:
        trainer = kind(
            loss,
            run.args,
            examples=examples,
            features=features,
            batches=batches,
            callbacks=run.callbacks,
            checkpoints=run.checkpoints(identity, loss, batches),
        )
        if watch is not None:
            seed = options["random_state"]
            trainer.add_callback(WatchCallback(watch, watch_every, model, seed, trainer.read_losses))
        return run.train(trainer, model)
