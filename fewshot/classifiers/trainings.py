"""The trainings of one SetFit fit: on parts of the labels, to judge; on all of them, to keep."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fewshot.classifiers.contrastive import ContrastiveSettings, TrainedBody, train_body
from fewshot.classifiers.selection import (
    Candidate,
    HeldOut,
    Verdict,
    assign_folds,
    can_judge,
    candidates,
    choose,
    cross_validate,
    judge,
)
from fewshot.classifiers.stages import Stages
from fewshot.classifiers.stopping import CHECKS, ValidationStop
from fewshot.classifiers.templates import TOLERATED_LOSS, Examples
from fewshot.encoders.blending import blend
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.heads.table import FITTERS
from fewshot.heads.vectors import unit_rows


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What is kept of the trainings.

    Parameters
    ----------
    way : Candidate
    held_out : HeldOut or None
        Predictions that the choice was made on; ``None`` where there were too few labels to judge.
    body : TrainedBody or None
        The training on all texts; ``None`` where the frozen encoder is kept without one.
    judged_by : str or None
        In words.
    """

    way: Candidate
    held_out: HeldOut | None
    body: TrainedBody | None
    judged_by: str | None


@dataclasses.dataclass(frozen=True)
class Trainings:
    """How one fit trains and judges.

    Parameters
    ----------
    base : SentenceEncoder
        The frozen encoder.
    examples : Examples
    n_classes : int
    settings : ContrastiveSettings
    head : str
        A name of :data:`~fewshot.heads.table.FITTERS`, ``"joint"`` or ``"auto"``.
    class_weight : str or None
    folds : int
    random_state : int
    stages : Stages
        Where finished parts are kept.
    """

    base: SentenceEncoder
    examples: Examples
    n_classes: int
    settings: ContrastiveSettings
    head: str
    class_weight: str | None
    folds: int
    random_state: int
    stages: Stages

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads to compare, the preferred one first."""
        if self.head == "auto":
            return tuple(FITTERS)
        return ("joint", "logistic") if self.head == "joint" else (self.head,)

    @property
    def trains(self) -> bool:
        """Whether the encoder is trained at all."""
        return self.settings.schedule(len(self.examples.texts), self.n_classes).steps > 0

    @property
    def preferred(self) -> Candidate:
        """What is kept unless something else is clearly better."""
        return candidates(self.heads, trained=self.trains)[0]

    def cross_validated(self) -> Outcome:
        """Train on folds, choose, and train on all texts if that is worth it."""
        own, texts = self.examples.y[: self.examples.n_own], self.examples.texts[: self.examples.n_own]
        if not can_judge(own, self.folds, texts):
            return Outcome(self.preferred, None, self._train_on_all(), None)
        fold_of = assign_folds(own, self.folds, self.random_state, texts)
        held_out = cross_validate(self.examples, fold_of, self._run_fold)
        way = choose(held_out, self.preferred)
        return Outcome(way, held_out, self._train_on_all() if way.share else None, f"{len(held_out.y)} held-out labels")

    def validated(self, texts: Sequence[str], y: np.ndarray) -> Outcome:
        """Train on all texts, stop and choose on validation texts."""
        if not self.trains:
            body = None
        else:
            stop = ValidationStop(self.base, self.examples.without_copies(), texts, y, n_classes=self.n_classes)
            body = self._train_on_all(stop)
        verdict = self._judge(body, self.examples, texts)
        held_out = HeldOut(y, verdict.probabilities, verdict.distances)
        return Outcome(choose(held_out, self.preferred), held_out, body, f"{len(texts)} validation texts")

    def _run_fold(self, fold: int, train: Examples, texts: list[str]) -> Verdict:
        stage = f"fold-{fold}"
        known = self.stages.finished(stage)
        if known is not None:
            return Verdict.from_arrays(known)
        body = self._train(train, stage, f"judging, part {fold + 1} of {self.folds}") if self.trains else None
        verdict = self._judge(body, train, texts)
        self.stages.finish(stage, verdict.arrays())
        return verdict

    def _judge(self, body: TrainedBody | None, train: Examples, texts: Sequence[str]) -> Verdict:
        return judge(
            self.base,
            body,
            train,
            texts,
            self.heads,
            embed_frozen=self._embed_frozen,
            n_classes=self.n_classes,
            class_weight=self.class_weight,
            random_state=self.random_state,
        )

    @functools.cached_property
    def _frozen_vectors(self) -> dict[str, np.ndarray]:
        texts = list(dict.fromkeys(self.examples.texts))
        return dict(zip(texts, unit_rows(self.base.encode(texts)), strict=True))

    def _embed_frozen(self, texts: Sequence[str]) -> np.ndarray:
        known = self._frozen_vectors
        if all(text in known for text in texts):
            return np.stack([known[text] for text in texts])
        return unit_rows(self.base.encode(texts))

    def _train_on_all(self, stop: ValidationStop | None = None) -> TrainedBody | None:
        return self._train(self.examples, "body", "training the teacher", stop) if self.trains else None

    def _train(self, train: Examples, stage: str, description: str, stop: ValidationStop | None = None) -> TrainedBody:
        steps = self.settings.schedule(len(train.texts), self.n_classes).steps
        body = train_body(
            self.base,
            train.texts,
            train.y,
            self.settings,
            n_classes=self.n_classes,
            description=description,
            random_state=self.random_state,
            # What validation saw is in no checkpoint: a resumed training would choose among its last steps alone.
            checkpoints=self.stages.checkpoints(stage) if stop is None else None,
            resume=self.stages.resume and self.stages.folder is not None and stop is None,
            watch=stop,
            watch_every=max(1, steps // CHECKS),
        )
        if stop is not None:
            stop.restore(body.model)
        return body

    def encoder(self, outcome: Outcome) -> SentenceEncoder:
        """Return the encoder that is kept."""
        return self.base if outcome.body is None else blend(self.base, outcome.body.model, outcome.way.share)

    def report(self, outcome: Outcome, *, help_of_names: float | None) -> dict[str, Any]:
        """Return what was tried and chosen, as plain values.

        Parameters
        ----------
        outcome : Outcome
        help_of_names : float or None
            What :func:`~fewshot.classifiers.templates.help_of_sentences` found.
        """
        held_out = outcome.held_out
        scores = {} if held_out is None else {str(way): score for way, score in held_out.scores().items()}
        return {
            "chosen": str(outcome.way),
            "head": outcome.way.head,
            "share": outcome.way.share,
            "held_out_score": scores.get(str(outcome.way)),
            "judged_by": outcome.judged_by,
            "n_held_out": 0 if held_out is None else len(held_out.y),
            "held_out": {name: round(score, 4) for name, score in scores.items()},
            "steps": len(outcome.body.losses) if outcome.body and outcome.way.share else 0,
            "name_sentences": self.examples.n_sentences,
            "copies": self.examples.n_copies,
            # Vectors out of a cache and fresh ones differ in their last digits.
            "help_of_names": None if help_of_names is None or np.isinf(help_of_names) else round(help_of_names, 4),
            "notes": [*_note_of_training(self.preferred, outcome.way, scores), *_note_of_names(help_of_names)],
        }


def _note_of_training(preferred: Candidate, way: Candidate, scores: Mapping[str, float]) -> list[str]:
    if way == preferred or not scores:
        return []
    better = f"{100 * scores[str(way)]:.1f} % of held-out labels right against {100 * scores[str(preferred)]:.1f} %"
    if preferred.share and not way.share:
        return [f"contrastive training does not help here: the frozen encoder is kept ({better})"]
    return [f"kept: {way} instead of {preferred} ({better})"]


def _note_of_names(help_of_names: float | None) -> list[str]:
    if help_of_names is None:
        return []
    if not np.isfinite(help_of_names):
        return ["a sentence with each class's name is used, since there are few labels"]
    used = "is used" if help_of_names > -TOLERATED_LOSS else "does harm and is not used"
    return [f"a sentence with each class's name {used} (log-likelihood {help_of_names:+.3f} a label)"]
