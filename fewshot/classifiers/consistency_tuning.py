"""The trainings of a fine-tuning that learns from unlabelled texts, too."""

import dataclasses
from collections.abc import Callable
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

    def pool_report(self, logits_of: Callable[[list[str]], np.ndarray], step: int) -> dict[str, Any]:
        """Return what became of the unlabelled texts, as plain values.

        Parameters
        ----------
        logits_of : callable
            ``logits_of(texts)`` gives the trained model's logits ``(n, n_classes)``.
        step : int
            The step that it was trained to.
        """
        texts, annealing = self.pairs.originals, self.consistency.annealing
        share = self._share_of_sure(logits_of, texts) if texts else None
        progress = step / self.settings.plan(len(self.texts)).schedule.steps
        n_options = 2 if self.y.ndim == 2 else self.n_classes
        return {
            "unlabeled_learnt": len(texts),
            "unlabeled_sure": share,
            "annealing_threshold": annealing_threshold(annealing, progress, n_options) if annealing else None,
            "notes": []
            if share is None
            else [f"{100 * share:.1f} % of answers to unlabelled texts were sure at the end"],
        }

    def _share_of_sure(self, logits_of: Callable[[list[str]], np.ndarray], texts: list[str]) -> float:
        multi_label = self.y.ndim == 2
        probabilities = probabilities_of(logits_of(texts[:: -(-len(texts) // MOST_ASKED)]), multi_label=multi_label)
        sure = np.maximum(probabilities, 1 - probabilities) if multi_label else probabilities.max(axis=1)
        least = self.consistency.least_probability(self.n_classes, multi_label=multi_label)
        return float((sure > least).mean())
