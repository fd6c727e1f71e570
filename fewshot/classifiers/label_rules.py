"""Which labels apply where a text may have any number of them: from a probability on, or the k most probable.

A model that learnt nothing from labels still needs this one number, and its probabilities rarely mean what they say.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import KFold

from fewshot.core.errors import InputError
from fewshot.evaluation.thresholds import best_threshold, chosen_thresholds, micro_f1

DECISIONS = ("auto", "threshold", "per-label", "top-k")
DEFAULT_THRESHOLD = 0.5
LEAST_TEXTS = 5
"""From so many labelled texts on, kinds of rules are held against each other; with fewer it is one threshold.

On train texts of GoEmotions (28 labels, 30 draws) the kind that was best on held-out texts had a micro-F1 of 0.157 with
8 labelled texts and 0.212 with 128, where one threshold had 0.165 and 0.174 (a small model of inference); by similarity
to the names it was 0.148 and 0.257, against 0.156 and 0.158. With 8 texts of its 8 most frequent labels, and of the
project's own issues (12 draws), inference had 0.366 and 0.374, against 0.349 and 0.353."""

_FOLDS = 5


@dataclasses.dataclass(frozen=True)
class LabelRule:
    """When a label applies.

    Parameters
    ----------
    threshold : float or ndarray of shape (n_classes,)
        Probability from which a label applies.
    top_k : int, optional
        So many of the most probable labels apply to each text, whatever the threshold.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.6, 0.2]])
    >>> LabelRule(0.5).applies(probabilities), LabelRule(0.5, top_k=1).applies(probabilities)
    (array([[ True,  True, False]]), array([[ True, False, False]]))
    """

    threshold: Any
    top_k: int | None = None

    def applies(self, probabilities: np.ndarray) -> np.ndarray:
        """Return which labels apply, ``(n_texts, n_classes)``; of equally probable ones the first."""
        if self.top_k is None:
            return probabilities >= self.threshold
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, : self.top_k]
        chosen = np.zeros(probabilities.shape, dtype=bool)
        np.put_along_axis(chosen, best, True, axis=1)
        return chosen

    def certainty(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the probability of the least certain decision on each text, ``(n_texts,)``."""
        return np.where(self.applies(probabilities), probabilities, 1 - probabilities).min(axis=1)

    def undecided(self, scores: np.ndarray, threshold_scores: np.ndarray, error: float) -> np.ndarray:
        """Return which labels ``(n_texts, n_classes)`` might be decided otherwise if scores were off by ``error``.

        Parameters
        ----------
        scores : ndarray of shape (n_texts, n_classes)
            That rise with the probabilities.
        threshold_scores : ndarray of shape (n_classes,)
            Those at the thresholds.
        error : float
        """
        if self.top_k is None:
            return np.abs(scores - threshold_scores) <= error
        return near_the_best(scores, self.top_k, error)

    def __str__(self) -> str:
        if self.top_k is not None:
            return f"the {self.top_k} most probable labels" if self.top_k > 1 else "the most probable label"
        values = np.unique(np.round(self.threshold, 3))
        if len(values) == 1:
            return f"labels from a probability of {values[0]:.3g} on"
        return f"labels from a probability of their own on, {values[0]:.3g} to {values[-1]:.3g}"


def near_the_best(scores: np.ndarray, k: int, error: float) -> np.ndarray:
    """Return which scores ``(n, n_classes)`` may be or leave the ``k`` best of a row if each were off by ``error``.

    Examples
    --------
    >>> near_the_best(np.array([[3.0, 2.9, 1.0]]), 1, 0.1)
    array([[ True,  True, False]])
    """
    if k >= scores.shape[1]:
        return np.zeros(scores.shape, dtype=bool)
    ordered = -np.sort(-scores, axis=1)
    last_in, first_out = ordered[:, [k - 1]], ordered[:, [k]]
    near = (scores >= last_in - 2 * error) & (scores <= first_out + 2 * error)
    return near & (last_in - first_out <= 2 * error)


def check_rule(decision: str, threshold: float | None, top_k: int | None) -> None:
    """Raise :class:`InputError` unless these say how labels are to be decided."""
    if decision not in DECISIONS:
        raise InputError(f"decision must be one of {', '.join(DECISIONS)}, got {decision!r}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"threshold must be from 0 to 1, got {threshold}")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k must be at least 1, got {top_k}")
    if threshold is not None and top_k is not None:
        raise InputError("threshold and top_k are two answers to one question; give one of them")


def choose_rule(
    y: np.ndarray,
    probabilities: np.ndarray,
    *,
    decision: str = "auto",
    threshold: float | None = None,
    top_k: int | None = None,
    random_state: int = 0,
) -> tuple[LabelRule, dict[str, float]]:
    """Return the rule to decide by.

    Parameters
    ----------
    y : ndarray of shape (n_texts, n_classes)
        0/1 matrix of true labels; may have no row.
    probabilities : ndarray of shape (n_texts, n_classes)
        Of a model that did not learn from these rows.
    decision : {"auto", "threshold", "per-label", "top-k"}, default="auto"
        One threshold for all labels; one for each, near the common one where evidence is thin; so many labels a text;
        or what is best on held-out rows.
    threshold, top_k : optional
        The rule itself, where it is known; ``decision`` is then not asked.
    random_state : int, default=0
        Decides the folds.

    Returns
    -------
    rule : LabelRule
        Without any row, labels apply from a probability of 0.5 on, by ``"top-k"`` the most probable one.
    held_out : dict of str to float
        Micro-F1 of each kind of rule on held-out rows, where one was chosen by it.
    """
    if threshold is not None:
        return LabelRule(threshold), {}
    if not y.any():
        return LabelRule(DEFAULT_THRESHOLD, top_k or (1 if decision == "top-k" else None)), {}
    if top_k is not None:
        return LabelRule(best_threshold(y, probabilities), top_k), {}
    held_out: dict[str, float] = {}
    if decision == "auto":
        decision = "threshold"
        if len(y) >= LEAST_TEXTS:
            held_out = {kind: _held_out_f1(kind, y, probabilities, random_state) for kind in _FITTERS}
            decision = max(_FITTERS, key=lambda kind: held_out[kind])  # of equals the first, which is the simplest
    return _FITTERS[decision](y, probabilities), held_out


def _one_threshold(y: np.ndarray, probabilities: np.ndarray) -> LabelRule:
    return LabelRule(chosen_thresholds(y, probabilities, "common"))


def _threshold_each(y: np.ndarray, probabilities: np.ndarray) -> LabelRule:
    return LabelRule(chosen_thresholds(y, probabilities, "per-label"))


def _top_k(y: np.ndarray, probabilities: np.ndarray) -> LabelRule:
    rules = [LabelRule(best_threshold(y, probabilities), k) for k in range(1, max(2, y.shape[1]))]
    return max(rules, key=lambda rule: micro_f1(y, rule.applies(probabilities)))


_FITTERS: dict[str, Callable[[np.ndarray, np.ndarray], LabelRule]] = {
    "threshold": _one_threshold,
    "per-label": _threshold_each,
    "top-k": _top_k,
}


def _held_out_f1(kind: str, y: np.ndarray, probabilities: np.ndarray, random_state: int) -> float:
    applies = np.zeros(y.shape, dtype=bool)
    folds = KFold(min(_FOLDS, len(y)), shuffle=True, random_state=random_state)
    for chosen_on, judged in folds.split(y):
        applies[judged] = _FITTERS[kind](y[chosen_on], probabilities[chosen_on]).applies(probabilities[judged])
    return micro_f1(y, applies)
