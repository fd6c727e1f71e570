"""How good settings are on the labels at hand: cross-validation, one verdict after each fold.

No test set is ever looked at. All settings are judged on the same folds, so that their differences are paired.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.folds import deal_folds
from fewshot.data.labels import LabelSpace
from fewshot.evaluation.thresholds import best_threshold

TIE_BREAK = 1e-3
"""Weight of the likelihood beside the score: less than one text of a thousand."""

LEAST_PROBABILITY = 0.01
"""Smaller ones count as this, so that no single confident mistake decides."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How good settings are, on texts that their training did not see.

    Parameters
    ----------
    score : float
        Share of texts that are right; in multi-label tasks micro-F1 at the threshold that is best for it.
    likelihood : float
        Geometric mean of the probabilities of the true answers, from 0 to 1.
    right : list of float
        How right each text is, 0 to 1: whether its label is; in multi-label tasks its own F1.
    """

    score: float
    likelihood: float
    right: list[float]

    @property
    def value(self) -> float:
        """What the search maximizes: the score, and among equal scores the likelihood.

        Notes
        -----
        With 32 labels the score moves in steps of 3 points, and many trials tie. The likelihood breaks ties and does no
        more: trials are not calibrated (what they stand for will be), and by itself it would choose the head whose
        probabilities happen to be the least overconfident.
        """
        return self.score + TIE_BREAK * self.likelihood


@dataclasses.dataclass(frozen=True)
class TrialJudge:
    """Labelled texts, dealt into folds.

    Parameters
    ----------
    texts : list of str
    labels : list
    space : LabelSpace
    y : ndarray of shape (n,) or (n, n_classes)
    fold_of : ndarray of shape (n,)
        -1 for texts that are in every training and are never judged.
    """

    texts: list[str]
    labels: list[Any]
    space: LabelSpace
    y: np.ndarray
    fold_of: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], labels: Sequence[Any], folds: int, random_state: int) -> "TrialJudge":
        """Deal labelled texts into folds, each class evenly.

        Raises
        ------
        InputError
            If there are fewer than two folds, or fewer than two texts a fold to hold out.
        """
        if folds < 2:
            raise InputError(f"folds must be at least 2, got {folds}")
        space = LabelSpace.of(labels)
        y = space.encode(labels)
        fold_of = deal_folds(y, folds, random_state)
        n_judged = int((fold_of >= 0).sum())
        if n_judged < 2 * folds:
            raise InputError(
                f"labels: {n_judged} of {len(y)} texts can be held out (a class needs two), and a search in {folds} "
                f"folds needs {2 * folds}; label more texts"
            )
        return cls(list(texts), list(labels), space, y, fold_of)

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return int(self.fold_of.max()) + 1

    @property
    def metric(self) -> str:
        """Name of the score."""
        return "micro_f1" if self.space.multi_label else "accuracy"

    def verdicts(self, make: Callable[[], Any]) -> Iterator[Verdict]:
        """Train once without each fold, and judge on all texts that were held out so far.

        Parameters
        ----------
        make : callable
            Gives a fresh, unfitted classifier.

        Raises
        ------
        ValueError
            If probabilities are not finite: the training diverged.
        """
        probabilities = np.zeros((len(self.y), len(self.space.classes)))
        for fold in range(self.folds):
            probabilities[self.fold_of == fold] = self._predict(make(), fold)
            seen = (self.fold_of >= 0) & (self.fold_of <= fold)
            yield verdict_on(self.y[seen], probabilities[seen])

    def _predict(self, classifier: Any, fold: int) -> np.ndarray:
        train, held_out = np.flatnonzero(self.fold_of != fold), np.flatnonzero(self.fold_of == fold)
        classifier.fit([self.texts[row] for row in train], [self.labels[row] for row in train])
        given = classifier.predict_proba([self.texts[row] for row in held_out])
        return aligned(given, classifier.classes_, self.space)


def aligned(probabilities: Any, classes: Any, space: LabelSpace) -> np.ndarray:
    """Return probabilities with their columns in the order of a task's classes.

    Parameters
    ----------
    probabilities : array of shape (n, n_given)
    classes : sequence of (str or int)
        What the columns stand for. A class that is missing has probability 0; one that is no class of the task is left
        out.
    space : LabelSpace
        The task's classes.

    Returns
    -------
    ndarray of shape (n, n_classes)

    Raises
    ------
    ValueError
        If probabilities are not finite: the training diverged.

    Examples
    --------
    >>> aligned([[0.9, 0.1]], ["b", "c"], LabelSpace(("a", "b"), False))
    array([[0. , 0.9]])
    """
    given = np.asarray(probabilities, dtype=np.float64)
    if not np.isfinite(given).all():
        raise ValueError("the probabilities are not finite: the training diverged")
    column = {label: index for index, label in enumerate(space.classes)}
    ordered = np.zeros((len(given), len(column)))
    for label, probability in zip(np.asarray(classes).tolist(), given.T, strict=True):
        if label in column:
            ordered[:, column[label]] = probability
    return ordered


def verdict_on(y: np.ndarray, probabilities: np.ndarray, chosen: np.ndarray | None = None) -> Verdict:
    """Judge probabilities of held-out texts.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
    probabilities : ndarray of shape (n, n_classes)
    chosen : ndarray of shape (n, n_classes), optional
        In multi-label tasks, 0/1: the labels that were decided for. Default: those whose probability reaches the
        threshold that is best for these texts, as where thresholds will be set by a training after the search.

    Examples
    --------
    >>> verdict_on(np.array([0, 1]), np.array([[0.8, 0.2], [0.8, 0.2]]))
    Verdict(score=0.5, likelihood=0.4, right=[1.0, 0.0])
    """
    if y.ndim == 1:
        correct = (probabilities.argmax(axis=1) == y).astype(float)
        score, of_truth = float(correct.mean()), probabilities[np.arange(len(y)), y]
    else:
        chosen = probabilities >= best_threshold(y, probabilities) if chosen is None else chosen
        hits, total = (y * chosen).sum(axis=1), y.sum(axis=1) + chosen.sum(axis=1)
        correct = np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)
        score, of_truth = float(2 * hits.sum() / max(total.sum(), 1)), np.where(y, probabilities, 1 - probabilities)
    likelihood = float(np.exp(np.log(of_truth.clip(LEAST_PROBABILITY, 1)).mean()))
    return Verdict(score, round(likelihood, 9), correct.round(4).tolist())
