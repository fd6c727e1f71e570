"""How a model is fine-tuned: rates, lengths, and when it is looked at."""

import dataclasses

from fewshot.core.errors import InputError
from fewshot.training.fake_quant import FakeQuantization, check_quantization
from fewshot.training.layer_rates import LayerRates
from fewshot.training.samplers import steps_per_epoch
from fewshot.training.schedule import Schedule
from fewshot.training.sparsity import Pruning, check_pruning

LOOKS = 8
"""How often a training that is judged is looked at, at most, evenly spread."""

MEAN_HEAD_RATE = 1e-2
"""Learning rate of a head on unit vectors: its weights are some hundred times those on hidden states."""


@dataclasses.dataclass(frozen=True)
class FineTuneSettings:
    """How a model is fine-tuned; see :class:`~fewshot.classifiers.finetune.FineTunedClassifier`.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    epochs: int | None
    steps: int | None
    batch_size: int
    learning_rate: float
    head_learning_rate: float | None
    layer_decay: float
    warmup: float
    accumulation: int
    freeze_layers: int | None
    class_weight: str | None
    label_smoothing: float
    precision: str
    patience: int
    pruning: Pruning | None = None
    quantization: FakeQuantization | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "steps", "accumulation", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        if self.epochs is not None and self.steps is not None:
            raise InputError("epochs and steps both say how long to train; give one of them")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup must be a share of the steps, at least 0 and below 1, got {self.warmup}")
        check_pruning(self.pruning)
        check_quantization(self.quantization)
        if self.quantization is not None and self.quantization.start > 0:
            raise InputError(
                "a training that is judged may end before the rounding begins; leave start of quantization at 0"
            )
        _ = self.plan(2).schedule, self.rates("mean")  # refuse what they cannot be

    def rates(self, pooling: str) -> LayerRates:
        """Return the learning rates of the parts of a model whose head sees the ``"mean"``, or what ``"cls"`` says."""
        head = self.head_learning_rate
        if head is None:
            head = MEAN_HEAD_RATE if pooling == "mean" else self.learning_rate
        return LayerRates(head, self.layer_decay)

    def lasting(self, n: int) -> "FineTuneSettings":
        """Return the settings with the default number of epochs for ``n`` texts, where none is given.

        Trainings on parts of the texts, too, last so many epochs: theirs are what the last training's are chosen by.
        """
        if self.epochs is not None or self.steps is not None:
            return self
        return dataclasses.replace(self, epochs=default_epochs(n))

    def plan(self, n: int) -> "Plan":
        """Return how long to train on ``n`` texts."""
        per_epoch = steps_per_epoch(n, max(1, self.batch_size), self.accumulation)
        if self.steps is not None:
            steps, look_every = self.steps, -(-self.steps // LOOKS)
        else:
            epochs = default_epochs(n) if self.epochs is None else self.epochs
            steps, look_every = epochs * per_epoch, -(-epochs // LOOKS) * per_epoch
        schedule = Schedule(steps, self.batch_size, self.learning_rate, warmup=self.warmup, in_pairs=False)
        return Plan(schedule, per_epoch, look_every)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long a training is.

    Parameters
    ----------
    schedule : Schedule
    per_epoch : int
        Steps in which each text comes once.
    look_every : int
        Steps between two looks.
    """

    schedule: Schedule
    per_epoch: int
    look_every: int

    @property
    def looks(self) -> list[int]:
        """Steps at which a training is looked at; the last is its end."""
        steps = self.schedule.steps
        return [*range(self.look_every, steps, self.look_every), steps]

    def epochs(self, step: int) -> float:
        """Return how often each text came in ``step`` steps."""
        return round(step / self.per_epoch, 2)


def default_epochs(n: int) -> int:
    """Return how many epochs to train for.

    Examples
    --------
    >>> default_epochs(32), default_epochs(128), default_epochs(2000)
    (20, 20, 4)
    """
    return max(4, min(20, round(4000 / max(n, 1))))
