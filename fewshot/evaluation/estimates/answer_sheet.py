"""What held-out answers are worth: scores of weighted texts, and how far they would move with other texts."""

import dataclasses

import numpy as np

from fewshot.evaluation.estimates.held_out import HeldOutAnswers

LEAST_DESIGN_EFFECT = 0.5
"""A variance below so much of the binomial one is not believed: of few texts it may be chance."""

LONGEST_REACH = 1.5
"""Where folds leave little more than half of the labels, a line through both would be followed into noise."""


@dataclasses.dataclass(frozen=True)
class AnswerSheet:
    """The true labels of texts, and the answers of trainings on most and on half of the labels.

    Parameters
    ----------
    truth : ndarray of bool, shape (n, n_classes + 1)
    most, half : HeldOutAnswers
        Of the same texts.
    metric : {"accuracy", "micro_f1", "macro_f1"}
    """

    truth: np.ndarray
    most: HeldOutAnswers
    half: HeldOutAnswers
    metric: str

    @property
    def n(self) -> int:
        """How many texts were answered for."""
        return len(self.truth)

    @property
    def reach(self) -> float:
        """How far it is from ``most`` to all labels, in steps from ``half`` to ``most``, both in logarithms.

        0 where ``most`` is no more than ``half``, so that there is no line to follow, and never above
        :data:`LONGEST_REACH`.
        """
        most, half = self.most.learnt_share, self.half.learnt_share
        step = np.log(most / half)
        return float(min(np.log(1 / most) / step, LONGEST_REACH)) if step > 0 else 0.0

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """Return the score to be expected of a training on all labels, for each row of ``weights``.

        Parameters
        ----------
        weights : ndarray of shape (n_weights, n)
            How much each text counts, above 0.

        Returns
        -------
        ndarray of shape (n_weights,)
            Not cut off at 0 and 1.
        """
        most = weighted_scores(self.truth, self.most.answers, weights, self.metric)
        half = weighted_scores(self.truth, self.half.answers, weights, self.metric)
        return most + self.reach * (most - half)

    def effective_n(self, score: float, variance: float) -> float:
        """Return of how many independent texts this score, with this bootstrap variance, would be as sure.

        Parameters
        ----------
        score : float
            From 0 to 1.
        variance : float
        """
        inside = min(max(score, 0.5 / self.n), 1 - 0.5 / self.n)
        binomial = inside * (1 - inside)
        least = (1.0 if inside != score else LEAST_DESIGN_EFFECT) * binomial / self.n
        return binomial / (dependence(self.most.repeats, self.most.learnt_share) * max(variance, least))


def dependence(repeats: int, learnt_share: float) -> float:
    """Return by what the variance of independent answers is multiplied, since trainings share most of their texts.

    Parameters
    ----------
    repeats : int
        How often each text was answered for.
    learnt_share : float
        Share of the labels that a training saw.

    Notes
    -----
    Nadeau and Bengio take ``1 / J + n_test / n_train`` times the variance between ``J`` trainings. With ``K`` folds, of
    ``n / K`` independent answers each, that is so many times the variance of the mean of ``n``.

    References
    ----------
    Nadeau, Bengio 2003, "Inference for the Generalization Error", Machine Learning 52.

    Examples
    --------
    >>> round(dependence(3, 0.9), 2)
    1.44
    """
    return 1 / repeats + 1 / learnt_share


def weighted_scores(truth: np.ndarray, answers: np.ndarray, weights: np.ndarray, metric: str) -> np.ndarray:
    """Score answers where some texts count more than others; mean over the repeats.

    Parameters
    ----------
    truth : ndarray of bool, shape (n, n_labels)
    answers : ndarray of bool, shape (repeats, n, n_labels)
    weights : ndarray of shape (n_weights, n)
    metric : {"accuracy", "micro_f1", "macro_f1"}
        ``"macro_f1"`` is the mean over the labels that are true of some text.

    Returns
    -------
    ndarray of shape (n_weights,)

    Examples
    --------
    >>> truth, answers = np.array([[1, 0], [0, 1]], dtype=bool), np.array([[[1, 0], [1, 0]]], dtype=bool)
    >>> weighted_scores(truth, answers, np.array([[1.0, 1.0], [3.0, 1.0]]), "accuracy")
    array([0.5 , 0.75])
    """
    if metric == "accuracy":
        right = (answers == truth).all(axis=-1).mean(axis=0)
        return weights @ right / weights.sum(axis=1)
    counted = truth.any(axis=0) if metric == "macro_f1" else np.ones(truth.shape[1], dtype=bool)
    return np.mean([_f1(truth[:, counted], given[:, counted], weights, metric) for given in answers], axis=0)


def _f1(truth: np.ndarray, given: np.ndarray, weights: np.ndarray, metric: str) -> np.ndarray:
    hits, total = 2 * (weights @ (truth & given)), weights @ truth + weights @ given
    if metric == "micro_f1":
        hits, total = hits.sum(axis=1, keepdims=True), total.sum(axis=1, keepdims=True)
    return np.divide(hits, total, out=np.zeros_like(total), where=total > 0).mean(axis=1)
