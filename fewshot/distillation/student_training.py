"""The training of a student's encoder on pairs: its schedule, the looks at it, and what is kept of both."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from torch.utils.data import BatchSampler

from fewshot.core.errors import InputError
from fewshot.distillation.students import is_table, trainable_model, trained_encoder
from fewshot.distillation.watching import LOOKS, MOST_LOOKED_AT, StudentWatch, with_losses
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.static import StaticEncoder
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.fake_quant import FakeQuantization, check_quantization
from fewshot.training.schedule import Schedule
from fewshot.training.sparsity import Pruning, check_pruning
from fewshot.training.trainer import train_pairwise

Figures = Mapping[str, float | None]


@dataclasses.dataclass(frozen=True)
class TrainedStudent:
    """A trained encoder, and how it came to be.

    Parameters
    ----------
    encoder : Encoder
    losses : list of float
        Of each step.
    curve : list of dict
        Of each look: ``step``, ``loss`` (the mean since the look before) and what was seen.
    kept_step : int or None
        The step whose weights were kept, where not simply the last.
    """

    encoder: Encoder
    losses: list[float]
    curve: list[dict[str, Any]]
    kept_step: int | None


@dataclasses.dataclass(frozen=True)
class StudentTraining:
    """How to train a student; what is ``None`` is chosen by its kind and the number of texts.

    Parameters
    ----------
    steps, batch_size, learning_rate, accumulation, patience, device, random_state
        See :class:`~fewshot.distillation.pairwise.DistillationTrainer`.
    checkpoints : Path, optional
    resume : bool
        See :func:`~fewshot.training.trainer.train_pairwise`.
    pruning : Pruning, optional
    quantization : FakeQuantization, optional
        See there, too.
    """

    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    accumulation: int = 1
    patience: int | None = None
    device: str | None = None
    random_state: int = 0
    checkpoints: Path | None = None
    resume: bool = False
    pruning: Pruning | None = None
    quantization: FakeQuantization | None = None

    def schedule(self, n_texts: int, *, table: bool) -> Schedule:
        """Return how long to train on ``n_texts`` texts a token ``table``, or else a transformer."""
        default = default_schedule(n_texts, table=table)
        batch_size = default.batch_size if self.batch_size is None else self.batch_size
        # Smaller batches take more steps to see as many texts.
        passes = default.batch_size / max(1, batch_size * self.accumulation)
        return Schedule(
            max(1, round(default.steps * passes)) if self.steps is None else self.steps,
            batch_size,
            default.learning_rate if self.learning_rate is None else self.learning_rate,
        )

    def run(
        self,
        student: Encoder,
        texts: Sequence[str],
        make_loss: Callable[[SentenceTransformer], BatchLoss],
        make_batches: Callable[[Schedule], BatchSampler],
        look: Callable[[Encoder, int | None], Figures] | None,
    ) -> TrainedStudent:
        """Train a copy of a student's encoder.

        Parameters
        ----------
        student : Encoder
            It stays as it is.
        texts : sequence of str
        make_loss : callable
            ``make_loss(model)`` gives the loss of the model in training.
        make_batches : callable
            ``make_batches(schedule)`` gives ``schedule.steps * accumulation`` batches.
        look : callable, optional
            ``look(encoder, n_texts)`` gives held-out figures on at most so many texts.
        """
        schedule = self.schedule(len(texts), table=isinstance(unwrapped(student), StaticEncoder))
        device = self.device or getattr(student, "device", None) or "cpu"
        model = trainable_model(student, device, texts)
        watch = None if look is None else self._watch(student, look)
        losses = train_pairwise(
            model,
            texts,
            make_loss(model),
            make_batches(schedule),
            schedule,
            description=f"distilling into {student.name}",
            device=device,
            random_state=self.random_state,
            accumulation=self.accumulation,
            checkpoints=self.checkpoints,
            resume=self.resume,
            watch=watch,
            watch_every=max(1, schedule.steps // LOOKS),
            pruning=self.pruning,
            quantization=self.quantization,
        )
        kept_step = None if watch is None else watch.restore(model)
        curve = [] if watch is None else with_losses(watch.rows, losses)
        return TrainedStudent(trained_encoder(student, model), losses, curve, kept_step)

    def _watch(self, student: Encoder, look: Callable[[Encoder, int | None], Figures]) -> StudentWatch:
        n_texts = None if isinstance(student, StaticEncoder) else MOST_LOOKED_AT

        def look_at(model: SentenceTransformer) -> Figures:
            return look(trained_encoder(student, model), n_texts)

        return StudentWatch(look_at, patience=self.patience, folder=self.checkpoints, resume=self.resume)


def check_weights(
    student: Any, patience: int | None, pruning: Pruning | None, quantization: FakeQuantization | None
) -> None:
    """Raise unless what is to happen to a student's weights goes together.

    Parameters
    ----------
    student : str, PreTrainedConfig or Encoder
        As trainers take it.
    patience : int, optional
    pruning : Pruning, optional
    quantization : FakeQuantization, optional

    Raises
    ------
    InputError
        If it does not; before anything is opened.

    Examples
    --------
    >>> check_weights("static", None, None, FakeQuantization())
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: quantization takes a transformer, and student 'static' is a table of tokens
    """
    check_pruning(pruning)
    check_quantization(quantization)
    if patience is not None and patience < 1:
        raise InputError(f"patience must be at least 1 look, got {patience}; leave it out to train to the end")
    if pruning is not None and patience is not None:
        raise InputError("patience would keep weights from before the pruning was done; leave it or pruning out")
    if quantization is not None and quantization.start > 0 and patience is not None:
        raise InputError("patience would keep weights from before the rounding began; leave it or start out")
    is_a_table = is_table(student) or isinstance(student, StaticEncoder)
    for name, value in (("pruning", pruning), ("quantization", quantization)):
        if is_a_table and value is not None:
            raise InputError(f"{name} takes a transformer, and student {student!r} is a table of tokens")


def default_schedule(n_texts: int, *, table: bool) -> Schedule:
    """Return how long to train a student on a pool of ``n_texts``.

    A token table takes large batches, a high learning rate and many passes, since a step costs little; a transformer
    takes some passes over the pool.
    """
    if table:  # on few texts more steps learn these by heart
        return Schedule(min(2000, max(min(300, 50 + round(0.15 * n_texts)), round(20 * n_texts / 512))), 512, 2e-3)
    return Schedule(min(2000, max(50, round(2 * n_texts / 64))), 64, 4e-4)
