"""How often each class occurs in unlabelled texts, told from what a classifier answers for them.

The answers alone would not do: a classifier that takes every third ``b`` for an ``a`` finds too many of the one and too
few of the other. Its held-out answers for labelled texts say how it errs, and that is undone.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from fewshot.data.texts import Label

ITERATIONS = 100
SMOOTHING = 1.0
"""Answers that each class is lent, spread as the answers of all classes together."""

SURELY = 2.0
"""Standard errors by which answers must be better than chance before they are asked for shares."""


def class_shares(
    confusion: np.ndarray, answered: np.ndarray, prior: np.ndarray, *, prior_weight: float = 0.0
) -> np.ndarray:
    """Return the shares of the classes under which the answers for a pool are the likeliest.

    Parameters
    ----------
    confusion : ndarray of shape (..., n_classes, n_answers)
        How often held-out texts of each class were given each answer; at least one a class.
    answered : ndarray of shape (..., n_answers)
        How often the pool's texts were given each.
    prior : ndarray of shape (n_classes,)
        Shares to lean on where the answers say little: those among the labels.
    prior_weight : float, default=0.0
        How much to lean on them, beside 1 for what the pool says.

    Returns
    -------
    ndarray of shape (..., n_classes)
        Rows sum to 1.

    Notes
    -----
    The inversion of the confusion matrix, by EM: unlike the plain inverse it gives no negative shares, and of few
    labels, or of many classes, no wild ones. Saerens and others run the same iteration on probabilities, which would
    have to be calibrated; here answers are enough.

    References
    ----------
    Saerens, Latinne, Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori probabilities: a simple
    procedure", Neural Computation 14.
    Lipton, Wang, Smola 2018, "Detecting and correcting for label shift with black box predictors", arXiv:1802.03916.

    Examples
    --------
    >>> confusion = np.array([[90.0, 10.0], [30.0, 70.0]])
    >>> class_shares(confusion, np.array([840.0, 160.0]), prior=np.array([0.5, 0.5])).round(1)  # 84 % are told "a"
    array([0.9, 0.1])
    """
    chances = _chances(confusion)
    told = answered / answered.sum(axis=-1, keepdims=True)
    shares = np.broadcast_to(prior, chances.shape[:-1]).astype(np.float64)
    for _ in range(ITERATIONS):
        expected = np.einsum("...c,...ca->...a", shares, chances)
        ratio = np.divide(told, expected, out=np.zeros_like(expected), where=expected > 0)
        shares = shares * np.einsum("...a,...ca->...c", ratio, chances)
        shares = (shares + prior_weight * prior) / (shares.sum(axis=-1, keepdims=True) + prior_weight)
    return shares


def _chances(confusion: np.ndarray) -> np.ndarray:
    """Return the chance of each answer given the class."""
    spread = confusion.sum(axis=-2, keepdims=True)
    lent = SMOOTHING * spread / spread.sum(axis=-1, keepdims=True)
    return (confusion + lent) / (confusion.sum(axis=-1, keepdims=True) + SMOOTHING)


@dataclasses.dataclass(frozen=True)
class PoolBalance:
    """Held-out texts of each class, what was answered for them, and what is answered in the pool.

    Parameters
    ----------
    classes : ndarray of bool, shape (n, n_classes)
        The class of each held-out text.
    answers : ndarray of shape (n, n_answers)
        Share of the repeats in which it was given each answer.
    answered : ndarray of shape (n_answers,)
        How often the pool's texts were.
    """

    classes: np.ndarray
    answers: np.ndarray
    answered: np.ndarray

    def doubt(self) -> str | None:
        """Say why the pool's shares cannot be told, if they cannot."""
        if not self.classes.any(axis=0).all():
            return "a class has one label only, so that nothing is known of the answers for it"
        n, n_classes = self.classes.shape
        right = float((self.answers[:, :n_classes] * self.classes).sum() / n)
        if right - 1 / n_classes < SURELY * np.sqrt(right * (1 - right) / n):
            return "the held-out answers are hardly better than chance"
        return None

    def shares(self, weights: np.ndarray, answered: np.ndarray) -> np.ndarray:
        """Return the classes' shares ``(n_weights, n_classes)`` in the pool, for each row of weights of the texts.

        The fewer texts a class has, the more the shares among the labels count, one text of each class. On train-split
        texts of TREC and Emotion, labels balanced and naive Bayes, more left half of the error standing, and less let
        the shares of eight labels a class run wild.
        """
        rows = [np.flatnonzero(column) for column in self.classes.T]
        confusion = np.stack([weights[:, of] @ self.answers[of] for of in rows], axis=1)
        n, n_classes = self.classes.shape
        return class_shares(confusion, answered, self.classes.mean(axis=0), prior_weight=n_classes / n)

    def named_shares(self, names: Sequence[Label]) -> dict[Label, float]:
        """Return each class's share in the pool."""
        shares = self.shares(np.ones((1, len(self.classes))), self.answered)[0]
        return dict(zip(names, shares.tolist(), strict=True))

    def reweighted(self, weights: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the weights with which each class counts as often as it occurs in the pool.

        Parameters
        ----------
        weights : ndarray of shape (n_weights, n)
        rng : Generator, optional
            Draws another pool for each row of weights; by default it is the one that was given.
        """
        n_texts = int(self.answered.sum())
        chances = self.answered / n_texts
        answered = self.answered if rng is None else rng.multinomial(n_texts, chances, size=len(weights))
        factors = self.shares(weights, answered) / (weights @ self.classes)
        return weights * (factors @ self.classes.T)
