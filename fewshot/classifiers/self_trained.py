"""What comes of self-training: the model that is kept, the rounds that led to it, and what is said of them."""

import dataclasses
from typing import Any

from fewshot.classifiers.fine_tuning import Outcome
from fewshot.classifiers.pseudo_labels import PseudoLabels


@dataclasses.dataclass(frozen=True)
class Round:
    """One round.

    Parameters
    ----------
    labels : PseudoLabels
        What the student learnt from.
    changed : float or None
        Share of the pool whose pseudo-label is another than a round before; ``None`` in the first.
    student : Outcome
    """

    labels: PseudoLabels
    changed: float | None
    student: Outcome


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfTrained(Outcome):
    """What is kept of all rounds; its looks are the rounds, the first of them that of the first teacher.

    Parameters
    ----------
    teacher : dict
        Report on the first teacher.
    rounds : list of Round
        Those that the kept model came out of, and those after it that were found worse.
    names : list of str
        Of the classes.
    most : int
        Rounds that there might have been.
    """

    teacher: dict[str, Any]
    rounds: list[Round]
    names: list[str]
    most: int

    def report(self) -> dict[str, Any]:
        """Return what was tried and chosen, as plain values."""
        held_out = self.held_out
        scores = [] if held_out is None else [round(held_out.score(look), 4) for look in range(len(held_out.looks))]
        kept = min(self.look, len(self.rounds))
        report = {
            **self.teacher,
            "chosen": f"{kept} of {self.most} rounds",
            "epochs": self.plan.epochs(self.step),
            "steps": self.step,
            "held_out_score": None if held_out is None else held_out.score(self.look),
            "held_out": {_name(number): score for number, score in enumerate(scores)},
            "rounds": [self._entry(number, scores) for number in range(1, len(self.rounds) + 1)],
            "teacher": self.teacher,
        }
        return {**report, "notes": [*self.teacher["notes"], *_notes(report, kept=kept)]}

    def _entry(self, number: int, scores: list[float]) -> dict[str, Any]:
        labels, changed = self.rounds[number - 1].labels, self.rounds[number - 1].changed
        return {
            "round": number,
            "pool": len(labels.given),
            "pseudo_labeled": len(labels.rows),
            "classes": dict(zip(self.names, labels.counts(len(self.names)), strict=True)),
            "uncertainty": float(f"{labels.uncertainty:.3g}"),  # of a sure teacher's answers it is tiny
            "changed": None if changed is None else round(changed, 4),
            "score": scores[number] if number < len(scores) else None,
        }


def _name(number: int) -> str:
    return "labels alone" if number == 0 else f"{number} round{'s' if number > 1 else ''}"


def _notes(report: dict[str, Any], *, kept: int) -> list[str]:
    if report["held_out_score"] is None:
        return []
    share = f"{100 * report['held_out_score']:.1f} % of {report['judged_by']} right"
    if kept == 0:
        return [f"no round was kept: the answers of the labels alone were clearly better ({share})"]
    return [f"kept: {report['chosen']} ({share})"]
