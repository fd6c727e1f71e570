"""The trainings of a fine-tuning that learns from unlabelled texts, too."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from fewshot.classifiers.fine_tuning import FineTuning
from fewshot.classifiers.looks import probabilities_of
from fewshot.training.consistency_loss import ConsistencyLoss, ConsistencySettings, annealing_threshold
from fewshot.training.consistency_training import train_consistently
from fewshot.training.example_trainer import Features
from fewshot.training.schedule import Schedule
from fewshot.training.unlabeled_pairs import UnlabeledPairs

MOST_ASKED = 1000
"""So many unlabelled texts, evenly spread, are asked at the end whether they are answered surely enough."""

ONE_CLASS = 0.95
"""Where as much of the pool gets one class, which at most :data:`USUAL` of the labels name, something went wrong."""

USUAL = 0.75
LEAST_ASKED = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsistencyTuning(FineTuning):
    """How one fit trains and judges, with unlabelled texts beside the labelled ones.

    Parameters
    ----------
    pairs : UnlabeledPairs
    consistency : ConsistencySettings
    **others
        As of :class:`~fewshot.classifiers.fine_tuning.FineTuning`.
    """

    pairs: UnlabeledPairs
    consistency: ConsistencySettings

    @classmethod
    def of(cls, trainings: FineTuning, pairs: UnlabeledPairs, consistency: ConsistencySettings) -> Self:
        """Return trainings as given, with unlabelled texts beside them."""
        known = {field.name: getattr(trainings, field.name) for field in dataclasses.fields(trainings)}
        return cls(**known, pairs=pairs, consistency=consistency)

    def _learn(
        self, model: Any, rows: np.ndarray, features: Features, schedule: Schedule, **options: Any
    ) -> list[float]:
        held_out = np.setdiff1d(np.arange(len(self.texts)), rows)
        settings = self.consistency
        texts, rows = self._examples(rows)
        loss = ConsistencyLoss(
            model,
            self.y[rows],
            settings=settings,
            steps=schedule.steps,
            n_classes=self.n_classes,
            **self._loss_options(rows),
        )
        pairs = self.pairs.without(self.texts[row] for row in held_out)
        return train_consistently(model, texts, pairs, features, loss, schedule, **options)

    def pool_report(
        self, logits_of: Callable[[list[str]], np.ndarray], step: int, classes: Sequence[Any]
    ) -> dict[str, Any]:
        """Return what became of the unlabelled texts, as plain values.

        Parameters
        ----------
        logits_of : callable
            ``logits_of(texts)`` gives the trained model's logits ``(n, n_classes)``.
        step : int
            The step that it was trained to.
        classes : sequence
            Names, in the order of the logits.
        """
        texts, annealing = self.pairs.originals, self.consistency.annealing
        share, notes = None, []
        if texts:
            probabilities = self._answers(logits_of, texts)
            share = self._share_of_sure(probabilities)
            notes = [
                *notes_of_collapse(self.y, probabilities, classes),
                f"{100 * share:.1f} % of answers to unlabelled texts were sure at the end",
            ]
        progress = step / self.settings.plan(len(self.texts)).schedule.steps
        n_options = 2 if self.y.ndim == 2 else self.n_classes
        return {
            "unlabeled_learnt": len(texts),
            "unlabeled_sure": share,
            "annealing_threshold": annealing_threshold(annealing, progress, n_options) if annealing else None,
            "notes": notes,
        }

    def _answers(self, logits_of: Callable[[list[str]], np.ndarray], texts: list[str]) -> np.ndarray:
        asked = texts[:: -(-len(texts) // MOST_ASKED)]
        return probabilities_of(logits_of(asked), multi_label=self.y.ndim == 2)

    def _share_of_sure(self, probabilities: np.ndarray) -> float:
        multi_label = self.y.ndim == 2
        sure = np.maximum(probabilities, 1 - probabilities) if multi_label else probabilities.max(axis=1)
        least = self.consistency.least_probability(self.n_classes, multi_label=multi_label)
        return float((sure > least).mean())


def notes_of_collapse(y: np.ndarray, probabilities: np.ndarray, classes: Sequence[Any]) -> list[str]:
    """Say so where a model went over to one class, as trainings on unlabelled texts can with few labels.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
        The labels; of several a text nothing is said.
    probabilities : ndarray of shape (n_unlabeled, n_classes)
        Of the unlabelled texts.
    classes : sequence
        Names, in the order of the columns.

    Examples
    --------
    >>> notes_of_collapse(np.array([0, 1]), np.array([[0.2, 0.8]] * 30), ["a", "b"])[0][:60]
    "100 % of unlabelled texts are answered 'b', which 50 % of th"
    """
    if y.ndim == 2 or len(probabilities) < LEAST_ASKED:
        return []
    given = np.bincount(probabilities.argmax(axis=1)) / len(probabilities)
    most = int(given.argmax())
    usual = float((y == most).mean())
    if given[most] < ONE_CLASS or usual > USUAL:
        return []
    return [
        f"{100 * given[most]:.0f} % of unlabelled texts are answered {classes[most]!r}, which {100 * usual:.0f} % of "
        "the labels are: unless the pool is like that, the training went over to one class; compare it with fine-tune, "
        "or give more labels"
    ]
