"""How soft a teacher's probabilities are made: one temperature, or one for each example by its difficulty."""

import dataclasses
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError, did_you_mean

TEMPERATURE_SCHEDULES = ("constant", "flsw", "cwsm")

_EPSILON = 1e-4


@dataclasses.dataclass(frozen=True)
class Temperature:
    """How soft the targets are: one temperature for all examples, or a lower one for the harder examples of a batch.

    Parameters
    ----------
    base : float, default=2.0
        Temperature of an example of middling difficulty, above 0.
    schedule : {"constant", "flsw", "cwsm"}, default="constant"
        ``"flsw"`` (focal loss style weights) calls an example hard where student and teacher disagree:
        ``(1 − cosine of their logits) ** gamma``. ``"cwsm"`` (confidence weighted by student max) calls it hard where
        the student is unsure: ``1 / confidence``. An example's temperature is
        ``base + beta · (mean difficulty of the batch − its own)``, at least ``least``.
    beta : float, default=1.0
        How much difficulty matters, at least 0.
    gamma : float, default=1.0
        Exponent of ``"flsw"``, above 0.
    least : float, default=1.0
        Lowest temperature of an example; at most ``base``.

    Raises
    ------
    InputError
        If a number is out of range, or there is no such schedule.

    Notes
    -----
    Wen, Lai, Qian 2019, "Preparing Lessons: Improve Knowledge Distillation with Better Supervision", arXiv:1911.07471.
    Means are taken over a batch, so with these two schedules several small batches are not quite one large one.

    Examples
    --------
    >>> student, teacher = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> Temperature(2.0, "flsw").of(student, teacher)  # agreed upon: softer; disputed: harder
    tensor([2.5000, 1.5000])
    """

    base: float = 2.0
    schedule: str = "constant"
    beta: float = 1.0
    gamma: float = 1.0
    least: float = 1.0

    def __post_init__(self) -> None:
        check_choice("schedule", self.schedule, TEMPERATURE_SCHEDULES)
        _check_range("temperature", self.base, above=0)
        if self.schedule == "constant":
            return
        _check_range("gamma", self.gamma, above=0)
        _check_range("least", self.least, above=0)
        if not is_number(self.beta) or not 0 <= self.beta < float("inf"):
            raise InputError(f"beta must be 0 or more, got {self.beta!r}")
        if self.least > self.base:
            raise InputError(f"least must be at most the base temperature, {self.base}, got {self.least}")

    @torch.no_grad()
    def of(self, student: torch.Tensor, teacher: torch.Tensor, *, multi_label: bool = False) -> torch.Tensor:
        """Return the temperature of each example.

        Parameters
        ----------
        student, teacher : Tensor of shape (B, n_classes)
            Logits.
        multi_label : bool, default=False
            One sigmoid a label instead of one softmax.

        Returns
        -------
        Tensor of shape (B,)
            No gradient flows through it.
        """
        if self.schedule == "constant":
            return student.new_full((len(student),), self.base)
        if self.schedule == "flsw":
            cosine = nn.functional.cosine_similarity(student, teacher, dim=1, eps=_EPSILON)
            difficulty = (1 - cosine).clamp_min(0) ** self.gamma
        else:
            difficulty = 1 / _confidence(student, multi_label)
        return (self.base + self.beta * (difficulty.mean() - difficulty)).clamp_min(self.least)


def _confidence(logits: torch.Tensor, multi_label: bool) -> torch.Tensor:
    """Return the largest probability of each row; for several labels, that of the decisions taken, on average."""
    if not multi_label:
        return logits.softmax(dim=1).amax(dim=1)
    return logits.abs().sigmoid().mean(dim=1)


def is_number(value: Any) -> bool:
    """Return whether ``value`` is an integer or a float; a truth value is neither.

    Examples
    --------
    >>> is_number(2), is_number(True), is_number("2")
    (True, False, False)
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Raise :class:`InputError` unless ``value``, the argument ``name``, is one of the known ones."""
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}; got {value!r}.{did_you_mean(str(value), known)}")


def _check_range(name: str, value: Any, *, above: float) -> None:
    if not is_number(value) or not above < value < float("inf"):
        raise InputError(f"{name} must be a number above {above}, got {value!r}")
