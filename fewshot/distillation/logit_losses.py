"""Losses between a student's class scores (logits) and its teacher's: pure functions of tensors.

Each gives one number an example, so that some examples can weigh more, some can lack a gold label, and the loss of a
large batch is the mean of those of its parts. Where logits come from is left to
:mod:`fewshot.distillation.logit_training`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError, did_you_mean

MISSING = -100
"""Stands for a gold label that is not known; in a multi-label matrix it fills the row."""

LOGIT_LOSSES = ("kl", "mse")
TEMPERATURE_SCHEDULES = ("constant", "flsw", "cwsm")
RAMPS = ("constant", "growth", "decay")
TERMS = ("teacher", "gold", "layers")
"""The parts of the loss that a ramp may raise or lower."""

_EPSILON = 1e-4


def kl_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Return T² · KL(teacher ‖ student) of the softmaxes at temperature T.

    Parameters
    ----------
    student, teacher : Tensor of shape (B, n_classes)
        Logits.
    temperature : float or Tensor of shape (B,), default=1.0
        T, above 0: for all examples, or for each.

    Returns
    -------
    Tensor of shape (B,)
        In nats times T², at least 0. The factor keeps the size of the gradient independent of T: without it, a gold
        term would drown the teacher's at high temperatures.

    References
    ----------
    Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.

    Examples
    --------
    >>> kl_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 100.0]]))  # certain against undecided: log 2
    tensor([0.6931])
    """
    T = _column(temperature, student)
    ours, theirs = (student / T).log_softmax(dim=1), (teacher / T).log_softmax(dim=1)
    divergence = nn.functional.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=1)
    return T.squeeze(1).square() * divergence


def binary_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Return T² times the binary cross-entropy of each label against the teacher's sigmoid at temperature T.

    Parameters
    ----------
    student, teacher : Tensor of shape (B, n_labels)
        Logits, one sigmoid a label.
    temperature : float or Tensor of shape (B,), default=1.0

    Returns
    -------
    Tensor of shape (B,)
        Mean over labels. Its least value is T² times the entropy of the teacher's labels, not 0.

    Examples
    --------
    >>> binary_loss(torch.zeros(1, 2), torch.tensor([[100.0, -100.0]]))
    tensor([0.6931])
    """
    T = _column(temperature, student)
    per_label = nn.functional.binary_cross_entropy_with_logits(student / T, (teacher / T).sigmoid(), reduction="none")
    return T.squeeze(1).square() * per_label.mean(dim=1)


def mse_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of logits ``(B, n_classes)``, for single and for several labels alike.

    Returns
    -------
    Tensor of shape (B,)

    References
    ----------
    Ba, Caruana 2014, "Do Deep Nets Really Need to be Deep?", arXiv:1312.6184.

    Examples
    --------
    >>> mse_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]]))
    tensor([2.])
    """
    return (student - teacher).square().mean(dim=1)


def gold_loss(student: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy against gold labels, and 0 for examples that have none.

    Parameters
    ----------
    student : Tensor of shape (B, n_classes)
        Logits.
    gold : Tensor of shape (B,) or (B, n_classes)
        Class numbers (softmax), or a 0/1 matrix (one sigmoid a label; mean over labels). :data:`MISSING` says that a
        label is not known: in a matrix, one such entry leaves the whole row out.

    Returns
    -------
    Tensor of shape (B,)

    Examples
    --------
    >>> gold_loss(torch.zeros(2, 4), torch.tensor([3, MISSING]))
    tensor([1.3863, 0.0000])
    """
    if gold.ndim == 1:
        return nn.functional.cross_entropy(student, gold, ignore_index=MISSING, reduction="none")
    known = (gold >= 0).all(dim=1)
    wanted = gold.clamp_min(0).to(student.dtype)
    per_label = nn.functional.binary_cross_entropy_with_logits(student, wanted, reduction="none")
    return per_label.mean(dim=1) * known


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
        _check_choice("schedule", self.schedule, TEMPERATURE_SCHEDULES)
        _check_range("temperature", self.base, above=0)
        if self.schedule == "constant":
            return
        _check_range("gamma", self.gamma, above=0)
        _check_range("least", self.least, above=0)
        if not 0 <= self.beta < float("inf"):
            raise InputError(f"beta must be 0 or more, got {self.beta!r}")
        if self.least > self.base:
            raise InputError(f"least must be at most the base temperature, {self.base}, got {self.least}")

    @torch.no_grad()
    def of(self, student: torch.Tensor, teacher: torch.Tensor, *, multi_label: bool = False) -> torch.Tensor:
        """Return the temperature of each example, ``(B,)``, from logits ``(B, n_classes)``; no gradient flows."""
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


def ramp_factor(ramp: str, step: int, steps: int) -> float:
    """Return what a weight is multiplied by at a step.

    Parameters
    ----------
    ramp : {"constant", "growth", "decay"}
        Always 1; evenly from ``1 / steps`` up to 1; evenly from 1 down to ``1 / steps``.
    step : int
        From 1, the first, to ``steps``.
    steps : int

    Examples
    --------
    >>> [ramp_factor("growth", step, 4) for step in (1, 2, 3, 4)], [ramp_factor("decay", step, 4) for step in (1, 4)]
    ([0.25, 0.5, 0.75, 1.0], [1.0, 0.25])
    """
    if ramp == "constant":
        return 1.0
    return (step if ramp == "growth" else steps - step + 1) / steps


@dataclasses.dataclass(frozen=True)
class LogitObjective:
    """What a student's logits are trained for: the gold labels, the teacher's logits, and how they are mixed.

    Parameters
    ----------
    alpha : float, default=0.5
        Weight of the gold labels, from 0 to 1; the teacher weighs ``1 − alpha``. An example without gold label has the
        teacher's term alone, still times ``1 − alpha``: so 1 is plain training on the gold labels.
    temperature : float or Temperature, default=2.0
        Of :func:`kl_loss` and :func:`binary_loss`.
    loss : {"kl", "mse"}, default="kl"
        How to follow the teacher: by :func:`kl_loss` (with several labels :func:`binary_loss`), or by :func:`mse_loss`.
    multi_label : bool, default=False
        One sigmoid a label instead of one softmax.
    ramp : str or mapping, default="constant"
        How the teacher's weight changes in training: ``"constant"``, ``"growth"`` or ``"decay"``, see
        :func:`ramp_factor`; a mapping names ramps of any of ``"teacher"``, ``"gold"`` and ``"layers"``.

    Examples
    --------
    >>> objective = LogitObjective(alpha=0.5, temperature=1.0)
    >>> objective.per_example(torch.zeros(2, 2), torch.tensor([[0.0, 99.0]] * 2), torch.tensor([1, MISSING]))
    tensor([0.6931, 0.3466])
    """

    alpha: float = 0.5
    temperature: float | Temperature = 2.0
    loss: str = "kl"
    multi_label: bool = False
    ramp: str | Mapping[str, str] = "constant"

    def __post_init__(self) -> None:
        if not _is_number(self.alpha) or not 0 <= self.alpha <= 1:
            raise InputError(f"alpha must be a number from 0 (teacher alone) to 1 (gold alone), got {self.alpha!r}")
        if not isinstance(self.temperature, Temperature):
            Temperature(self.temperature)
        _check_choice("loss", self.loss, LOGIT_LOSSES)
        for term, ramp in self._ramps().items():
            _check_choice("ramp", term, TERMS)
            _check_choice("ramp", ramp, RAMPS)

    def _ramps(self) -> dict[str, str]:
        return dict(self.ramp) if isinstance(self.ramp, Mapping) else {"teacher": self.ramp}

    def factor(self, term: str, step: int, steps: int) -> float:
        """Return what the ramp of a term (``"teacher"``, ``"gold"``, ``"layers"``) multiplies its weight by."""
        return ramp_factor(self._ramps().get(term, "constant"), step, steps)

    def teacher_term(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Return the distance to the teacher's logits, ``(B,)``, unweighted."""
        if self.loss == "mse":
            return mse_loss(student, teacher)
        temperature: Any = self.temperature
        if isinstance(temperature, Temperature):
            temperature = temperature.of(student, teacher, multi_label=self.multi_label)
        return (binary_loss if self.multi_label else kl_loss)(student, teacher, temperature)

    def per_example(
        self,
        student: torch.Tensor,
        teacher: torch.Tensor | None = None,
        gold: torch.Tensor | None = None,
        *,
        step: int = 1,
        steps: int = 1,
    ) -> torch.Tensor:
        """Return the loss of each example.

        Parameters
        ----------
        student : Tensor of shape (B, n_classes)
            Logits; computed with in float32 if they come in half precision.
        teacher : Tensor of shape (B, n_classes), optional
            Logits; no gradient flows into them. Without them only the gold labels count.
        gold : Tensor of shape (B,) or (B, n_classes), optional
            See :func:`gold_loss`.
        step, steps : int
            Where in the training this is, for the ramps.

        Returns
        -------
        Tensor of shape (B,)
        """
        with torch.autocast(student.device.type, enabled=False):
            student = _at_least_single(student)
            loss = 0.0 * student.sum(dim=1)  # of the right shape, and with a gradient even if nothing follows
            if teacher is not None and self.alpha < 1:
                weight = (1 - self.alpha) * self.factor("teacher", step, steps)
                loss = loss + weight * self.teacher_term(student, _at_least_single(teacher).detach())
            if gold is not None and self.alpha > 0:
                loss = loss + self.alpha * self.factor("gold", step, steps) * gold_loss(student, gold)
            return loss


def weighted_mean(losses: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean of ``losses · weights``, both ``(B,)``, over all B examples.

    It is divided by B and not by the sum of the weights, so that the mean of equal parts of a batch is that of the
    batch. Weights with a mean of 1 leave the size of a step as it is.
    """
    return losses.mean() if weights is None else (losses * weights).mean()


def _column(temperature: float | torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    if isinstance(temperature, torch.Tensor):
        return temperature.reshape(-1, 1)
    return like.new_full((1, 1), temperature)


def _at_least_single(logits: torch.Tensor) -> torch.Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_range(name: str, value: Any, *, above: float) -> None:
    if not _is_number(value) or not above < value < float("inf"):
        raise InputError(f"{name} must be a number above {above}, got {value!r}")


def _check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}; got {value!r}.{did_you_mean(str(value), known)}")
