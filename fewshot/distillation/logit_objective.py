"""What a student's logits are trained for: gold labels and a teacher's logits, mixed and changing in training."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from fewshot.core.errors import InputError
from fewshot.distillation.logit_losses import binary_loss, gold_loss, kl_loss, mse_loss
from fewshot.distillation.logit_temperature import Temperature, check_choice, is_number

LOGIT_LOSSES = ("kl", "mse")
RAMPS = ("constant", "growth", "decay")
TERMS = ("teacher", "gold", "layers")
"""The parts of the loss that a ramp may raise or lower."""


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
        Softens both sides, see :func:`~fewshot.distillation.logit_losses.kl_loss`; ``"mse"`` knows none.
    loss : {"kl", "mse"}, default="kl"
        How to follow the teacher: by :func:`~fewshot.distillation.logit_losses.kl_loss` (with several labels
        :func:`~fewshot.distillation.logit_losses.binary_loss`), or by
        :func:`~fewshot.distillation.logit_losses.mse_loss`.
    multi_label : bool, default=False
        One sigmoid a label instead of one softmax.
    ramp : str or mapping, default="constant"
        How the teacher's weight changes in training: ``"constant"``, ``"growth"`` or ``"decay"``, see
        :func:`ramp_factor`, which multiplies it; a mapping names ramps of any of ``"teacher"``, ``"gold"`` and
        ``"layers"``.

    Raises
    ------
    InputError
        If a number is out of range, or a name is not known.

    Examples
    --------
    >>> objective = LogitObjective(alpha=0.5, temperature=1.0)
    >>> from fewshot.distillation.logit_losses import MISSING
    >>> objective.per_example(torch.zeros(2, 2), torch.tensor([[0.0, 99.0]] * 2), torch.tensor([1, MISSING]))
    tensor([0.6931, 0.3466])
    """

    alpha: float = 0.5
    temperature: float | Temperature = 2.0
    loss: str = "kl"
    multi_label: bool = False
    ramp: str | Mapping[str, str] = "constant"

    def __post_init__(self) -> None:
        if not is_number(self.alpha) or not 0 <= self.alpha <= 1:
            raise InputError(f"alpha must be a number from 0 (teacher alone) to 1 (gold alone), got {self.alpha!r}")
        if not isinstance(self.temperature, Temperature):
            Temperature(self.temperature)
        check_choice("loss", self.loss, LOGIT_LOSSES)
        for term, ramp in self._ramps().items():
            check_choice("ramp", term, TERMS)
            check_choice("ramp", ramp, RAMPS)

    def _ramps(self) -> dict[str, str]:
        return dict(self.ramp) if isinstance(self.ramp, Mapping) else {"teacher": self.ramp}

    def factor(self, term: str, step: int, steps: int) -> float:
        """Return what the ramp of a term (``"teacher"``, ``"gold"``, ``"layers"``) multiplies its weight by."""
        return ramp_factor(self._ramps().get(term, "constant"), step, steps)

    def teacher_term(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Return the distance to the teacher's logits, ``(B,)``, from logits ``(B, n_classes)``; unweighted."""
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
            See :func:`~fewshot.distillation.logit_losses.gold_loss`.
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


def _at_least_single(logits: torch.Tensor) -> torch.Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
