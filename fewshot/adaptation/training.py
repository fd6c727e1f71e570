"""The training of an objective: batches of like length, looks at held-out texts, the best weights at the end."""

import dataclasses
from pathlib import Path
from typing import Any

from fewshot.adaptation.held_out import HeldOut, HeldOutWatch
from fewshot.adaptation.length_batches import LengthBatches
from fewshot.adaptation.objective import Objective
from fewshot.adaptation.texts import AdaptationTexts
from fewshot.core.artifacts import fingerprint
from fewshot.training.schedule import Schedule
from fewshot.training.trainer import train_pairwise

LOOKS = 10
"""Held-out texts are looked at about so often in a training."""

PATIENCE = 2
"""Looks in a row without a lower held-out loss after which training stops."""


@dataclasses.dataclass(frozen=True)
class TrainedObjective:
    """How a training went.

    Parameters
    ----------
    losses : list of float
        Of each step.
    curve : list of dict
        Of each look: ``step`` and ``held_out_loss``.
    before, after : float or None
        Held-out loss before the first step and of the weights that were kept; ``None`` without held-out texts.
    kept_step : int or None
        The step whose weights were kept; ``None``: the last one's.
    """

    losses: list[float]
    curve: list[dict[str, Any]]
    before: float | None
    after: float | None
    kept_step: int | None


def train_objective(
    objective: Objective,
    split: AdaptationTexts,
    schedule: Schedule,
    *,
    precision: str,
    random_state: int,
    checkpoints: Path | None,
    resume: bool,
) -> TrainedObjective:
    """Train an objective in place, on the device where it is.

    Training stops when the held-out loss has not fallen for two of about ten looks, and the weights of the best look
    are put back (Prechelt 1998, "Early Stopping — But When?").

    Parameters
    ----------
    objective : Objective
    split : AdaptationTexts
    schedule : Schedule
    precision, random_state, checkpoints, resume
        As for :func:`~fewshot.training.trainer.train_pairwise`.
    """
    watch, before = None, None
    if split.held_out:
        objective.judged_by = fingerprint(split.held_out)
        held_out = HeldOut(split.held_out, batch_size=schedule.batch_size, random_state=random_state)
        before = held_out.loss(objective)
        watch = _watch(held_out, checkpoints, resume=resume)
    losses = train_pairwise(
        objective.model,
        split.texts,
        objective,
        LengthBatches(
            split.lengths,
            split.rows,
            batch_size=schedule.batch_size,
            steps=schedule.steps,
            random_state=random_state,
        ),
        schedule,
        description="adapting",
        device=str(next(objective.parameters()).device),
        precision=precision,
        random_state=random_state,
        checkpoints=checkpoints,
        resume=resume,
        watch=None if watch is None else _ObjectiveWatch(objective, watch),
        watch_every=max(1, schedule.steps // LOOKS),
    )
    if watch is None or not losses:
        return TrainedObjective(losses, [], before, before, None)
    kept_step = watch.restore(objective)
    after = min(row["held_out_loss"] for row in watch.rows)
    return TrainedObjective(losses[: watch.stopped_at], watch.rows, before, after, kept_step)


@dataclasses.dataclass(frozen=True)
class _ObjectiveWatch:
    """Shows a watch the whole objective, and not its encoder alone."""

    objective: Objective
    watch: HeldOutWatch

    def begin(self, step: int) -> None:
        """Tell it where the training starts."""
        self.watch.begin(step)

    def __call__(self, step: int, model: Any) -> bool:
        return self.watch(step, self.objective)


def _watch(held_out: HeldOut, folder: Path | None, *, resume: bool) -> HeldOutWatch:
    def look(objective: Objective) -> dict[str, float | None]:
        return {"held_out_loss": held_out.loss(objective)}

    return HeldOutWatch(look, patience=PATIENCE, folder=folder, resume=resume)
