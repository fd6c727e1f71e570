"""The trainings of one fine-tuning: on parts of the labels, to judge; on all of them, to keep."""

import copy
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fewshot.classifiers.augmented import augmented_examples
from fewshot.classifiers.fine_tune_settings import FineTuneSettings, Plan
from fewshot.classifiers.looks import Looks, log_likelihood, probabilities_of
from fewshot.classifiers.selection import CLEARLY, ENOUGH_JUDGED, assign_folds, can_judge, right
from fewshot.classifiers.stages import Stages
from fewshot.classifiers.starting_model import StartingModel, pooling_of
from fewshot.heads.logistic import fit_linear
from fewshot.training.example_trainer import Features
from fewshot.training.label_loss import LabelLoss, balanced_weights
from fewshot.training.label_training import train_on_labels
from fewshot.training.layer_rates import frozen_below
from fewshot.training.schedule import Schedule

LARGEST_INTERCEPT = 10.0
"""A class without a text in a fold starts unlikely, not impossible."""


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """What was said of texts that a model did not see.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
    looks : list of ndarray of shape (n, n_classes)
        Logits of them at each look, in their order.
    judged_by : str
        What the texts are, in words.
    """

    y: np.ndarray
    looks: list[np.ndarray]
    judged_by: str

    def right(self, look: int) -> np.ndarray:
        """Return how right each row is at a look, 0 to 1."""
        return right(self.y, probabilities_of(self.looks[look], multi_label=self.y.ndim == 2))

    def score(self, look: int) -> float:
        """Return how much of the labels is right at a look."""
        return float(self.right(look).mean())


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What is kept of the trainings.

    Parameters
    ----------
    model : PreTrainedModel or PooledModel
    losses : list of float
        One a step of the last training.
    plan : Plan
        Of the last training.
    step : int
        The step whose weights these are.
    held_out : HeldOut or None
        Predictions that the choice was made on; ``None`` where there were too few labels to judge.
    look : int
        Which of its looks was chosen.
    """

    model: Any
    losses: list[float]
    plan: Plan
    step: int
    held_out: HeldOut | None
    look: int

    def report(self) -> dict[str, Any]:
        """Return what was tried and chosen, as plain values."""
        plan, held_out = self.plan, self.held_out
        epochs, planned = plan.epochs(self.step), plan.epochs(plan.schedule.steps)
        scores = {} if held_out is None else {look: held_out.score(look) for look in range(len(held_out.looks))}
        report = {
            "chosen": f"{epochs:g} of {planned:g} epochs",
            "epochs": epochs,
            "steps": self.step,
            "pooling": pooling_of(self.model),
            "held_out_score": scores.get(self.look),
            "judged_by": None if held_out is None else held_out.judged_by,
            "n_held_out": 0 if held_out is None else len(held_out.y),
            "held_out": {
                f"{plan.epochs(plan.looks[look]):g} epochs": round(score, 4) for look, score in scores.items()
            },
        }
        return {**report, "notes": _notes(report, shortened=epochs < planned)}


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """How one fit trains and judges.

    Parameters
    ----------
    start : StartingModel
    texts : sequence of str
    y : ndarray of shape (n,) or (n, n_classes)
    n_classes : int
    settings : FineTuneSettings
        With epochs or steps.
    folds : int
    device : str or None
    random_state : int
    stages : Stages
        Where finished parts are kept.
    weights : ndarray of shape (n,), optional
        How much each text counts. Default: 1.
    augment : None, str, Augmentation or sequence of them
        What copies to learn from beside the texts, in as many steps as without them.
    """

    start: StartingModel
    texts: Sequence[str]
    y: np.ndarray
    n_classes: int
    settings: FineTuneSettings
    folds: int
    device: str | None
    random_state: int
    stages: Stages
    weights: np.ndarray | None = None
    augment: Any = None

    def cross_validated(self) -> Outcome:
        """Train on folds, choose how long to train, and train on all texts for so long."""
        rows = np.arange(len(self.texts))
        plan = self.settings.plan(len(rows))
        if not can_judge(self.y, self.folds, self.texts):
            return self.unjudged()
        held_out = self._judge(self._run_fold)
        look = choose_look(held_out) if self.settings.pruning is None else len(held_out.looks) - 1
        step = plan.looks[look]
        model, losses = self._train(rows, "body", "fine-tuning", stop_at=step)
        return Outcome(model, losses, plan, step, held_out, look)

    def unjudged(self, *, stage: str = "body", description: str = "fine-tuning") -> Outcome:
        """Train on all texts, to the end."""
        rows = np.arange(len(self.texts))
        plan = self.settings.plan(len(rows))
        model, losses = self._train(rows, stage, description)
        return Outcome(model, losses, plan, plan.schedule.steps, None, len(plan.looks) - 1)

    def validated(
        self, texts: Sequence[str], y: np.ndarray, *, stage: str = "body", description: str = "fine-tuning"
    ) -> Outcome:
        """Train on all texts, and stop on validation texts."""
        rows = np.arange(len(self.texts))
        plan = self.settings.plan(len(rows))
        stops = self.settings.pruning is None
        looks = self._looks(texts, y, stage, patience=self.settings.patience if stops else None)
        model, losses = self._train(rows, stage, description, looks=looks)
        kept = looks.best if stops else plan.schedule.steps
        if stops:
            looks.restore(model)
        held_out = HeldOut(y, list(looks.logits.values()), f"{len(texts)} validation texts")
        return Outcome(model, losses, plan, kept, held_out, list(looks.logits).index(kept))

    def _judge(self, run_fold: Callable[[int, np.ndarray, np.ndarray], list[np.ndarray]]) -> HeldOut:
        """Return what models say, at each look, of the texts of the fold that they were trained without.

        ``run_fold(fold, train, test)`` trains on some rows and returns logits of others, look by look.
        """
        fold_of = assign_folds(self.y, self.folds, self.random_state, self.texts)
        rows: list[np.ndarray] = []
        parts: list[list[np.ndarray]] = []
        for fold in range(self.folds):
            rows.append(np.flatnonzero(fold_of == fold))
            parts.append(run_fold(fold, np.flatnonzero((fold_of != fold) & (fold_of >= 0)), rows[-1]))
            if sum(map(len, rows)) >= ENOUGH_JUDGED:
                break
        y = self.y[np.concatenate(rows)]
        looks = [np.concatenate([part[look] for part in parts]) for look in range(min(map(len, parts)))]
        return HeldOut(y, looks, f"{len(y)} held-out labels")

    def _run_fold(self, fold: int, train: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
        stage = f"fold-{fold}"
        known = self.stages.finished(stage)
        if known is None:
            looks = self._looks([self.texts[row] for row in test], self.y[test], stage)
            self._train(train, stage, f"judging, part {fold + 1} of {self.folds}", looks=looks)
            known = {f"{step:08d}": logits for step, logits in looks.logits.items()}
            self.stages.finish(stage, known)
        return [known[step] for step in sorted(known)]

    def _looks(self, texts: Sequence[str], y: np.ndarray, stage: str, patience: int | None = None) -> Looks:
        def logits_of(model: Any) -> np.ndarray:
            return self.start.scorer(model, device=str(model.device)).logits(texts)

        resume = self.stages.resume
        return Looks(logits_of, y, patience=patience, folder=self.stages.checkpoints(stage), resume=resume)

    def _untrained(self, rows: np.ndarray, stage: str) -> Any:
        """Return a copy of the model; a head on mean vectors starts from logistic regression on the frozen ones."""
        model = copy.deepcopy(self.start.model)
        if self.start.pooling == "mean":
            # kept: where the training goes on, on another machine perhaps, the last digits might be others
            head = self.stages.finished(f"{stage}-start") or self._first_head(rows)
            self.stages.finish(f"{stage}-start", head)
            model.set_head(head["coef"], head["intercept"])
        return model

    def _first_head(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        head = fit_linear(
            self._vectors[rows],
            self.y[rows],
            n_classes=self.n_classes,
            class_weight=self.settings.class_weight,
            random_state=self.random_state,
        )
        return {"coef": head.coef, "intercept": head.intercept.clip(-LARGEST_INTERCEPT, LARGEST_INTERCEPT)}

    @functools.cached_property
    def _vectors(self) -> np.ndarray:
        return self.start.vectors(self.texts, self.device)

    def _train(
        self, rows: np.ndarray, stage: str, description: str, *, looks: Looks | None = None, stop_at: int | None = None
    ) -> tuple[Any, list[float]]:
        """Return a copy of the model that learnt from some rows, and its losses."""
        settings = self.settings
        plan = settings.plan(len(rows))
        model = self._untrained(rows, stage)
        watch: Any = looks if looks is not None or stop_at is None else (lambda step, model: True)
        with frozen_below(model, settings.freeze_layers):
            losses = self._learn(
                model,
                rows,
                self.start.scorer(model, device="cpu").features,
                plan.schedule,
                accumulation=settings.accumulation,
                device=self.device,
                precision=settings.precision,
                random_state=self.random_state,
                checkpoints=self.stages.checkpoints(stage),
                resume=self.stages.resume and self.stages.folder is not None,
                watch=watch,
                watch_every=plan.look_every if stop_at is None else stop_at,
                description=description,
                pruning=settings.pruning,
                quantization=settings.quantization,
            )
        last = plan.schedule.steps
        if looks is not None and len(losses) == last and last not in looks.logits:
            looks(last, model)  # where the end is no whole number of looks away
        return model, losses

    def _learn(
        self, model: Any, rows: np.ndarray, features: Features, schedule: Schedule, **options: Any
    ) -> list[float]:
        """Train a model in place on some rows, and return its losses."""
        texts, rows = self._examples(rows)
        loss = LabelLoss(model, self.y[rows], **self._loss_options(rows))
        return train_on_labels(model, texts, features, loss, schedule, **options)

    def _examples(self, rows: np.ndarray) -> tuple[list[str], np.ndarray]:
        """Return the texts of some rows and copies of them, and the row that each is or was made from."""
        texts = [self.texts[row] for row in rows.tolist()]
        texts, _, sources = augmented_examples(texts, self.y[rows], self.augment, self.random_state, device=self.device)
        return texts, rows[sources[:, 0]]

    def _loss_options(self, rows: np.ndarray) -> dict[str, Any]:
        settings, weights = self.settings, None
        if settings.class_weight == "balanced":
            weights = balanced_weights(self.y[rows], self.n_classes)
        rates = settings.rates(self.start.pooling)
        heavy = None if self.weights is None else self.weights[rows]
        smoothing = settings.label_smoothing
        return {"rates": rates, "class_weights": weights, "smoothing": smoothing, "example_weights": heavy}


def choose_look(held_out: HeldOut) -> int:
    """Return the look to stop at: the last, unless an earlier one is better by more than chance.

    Notes
    -----
    Better means: the mean paired difference of right answers is above 2.5 of its standard errors; among those the most
    right answers win, then the likelihood, then the longer training. Picking simply the best look of a few dozen
    held-out labels follows chance: looks of one training differ by a label or two.
    """
    last = len(held_out.looks) - 1
    reference = held_out.right(last)
    clear = [last]
    for look in range(last):
        difference = held_out.right(look) - reference
        error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.inf
        if difference.mean() > CLEARLY * error:
            clear.append(look)
    return max(
        clear, key=lambda look: (held_out.score(look), log_likelihood(held_out.looks[look], held_out.y).mean(), look)
    )


def _notes(report: dict[str, Any], *, shortened: bool) -> list[str]:
    if not shortened or report["held_out_score"] is None:
        return []
    return [f"kept: {report['chosen']} ({100 * report['held_out_score']:.1f} % of {report['judged_by']} right)"]
