"""How sure a model is of its answers, by what it says in several passes with dropout.

How the passes are made is left to :mod:`fewshot.classifiers.dropout_passes`.
"""

import dataclasses

import numpy as np
from scipy.special import entr


@dataclasses.dataclass(frozen=True)
class Uncertainty:
    """What several passes say of each text, taken together.

    Parameters
    ----------
    mean : ndarray of shape (n, n_classes)
        Mean probabilities.
    variance : ndarray of shape (n, n_classes)
        Of the probabilities over the passes, from 0 to 0.25.
    bald : ndarray of shape (n,)
        See :func:`bald_scores`.
    """

    mean: np.ndarray
    variance: np.ndarray
    bald: np.ndarray


def uncertainty_of(probabilities: np.ndarray, *, multi_label: bool = False) -> Uncertainty:
    """Return mean, variance and BALD score of several passes.

    Parameters
    ----------
    probabilities : ndarray of shape (passes, n, n_classes)
    multi_label : bool, default=False
        Whether each entry stands for itself.

    Examples
    --------
    >>> found = uncertainty_of(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    >>> found.mean.tolist(), found.variance.tolist(), found.bald.round(3).tolist()
    ([[0.5, 0.5]], [[0.25, 0.25]], [0.693])
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    bald = bald_scores(probabilities, multi_label=multi_label)
    return Uncertainty(probabilities.mean(axis=0), probabilities.var(axis=0), bald)


def bald_scores(probabilities: np.ndarray, *, multi_label: bool = False) -> np.ndarray:
    """Return how much the passes disagree: the entropy of their mean less the mean of their entropies.

    Parameters
    ----------
    probabilities : ndarray of shape (passes, n, n_classes)
    multi_label : bool, default=False

    Returns
    -------
    ndarray of shape (n,)
        In nats, from 0 to the entropy of the mean: 0 where all passes say the same, be they certain or not.

    References
    ----------
    Houlsby, Huszár, Ghahramani, Lengyel 2011, "Bayesian Active Learning for Classification and Preference Learning",
    arXiv:1112.5745. Gal, Ghahramani 2016, "Dropout as a Bayesian Approximation", arXiv:1506.02142.

    Examples
    --------
    >>> bald_scores(np.array([[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]])).round(3).tolist()
    [0.0, 0.693]
    """
    total = entropies(probabilities.mean(axis=0), multi_label=multi_label)
    within = entropies(probabilities, multi_label=multi_label).mean(axis=0)
    return np.clip(total - within, 0.0, total)  # rounding may lead a hair below 0


def entropies(probabilities: np.ndarray, *, multi_label: bool = False) -> np.ndarray:
    """Return the entropy in nats of the last axis; in multi-label tasks the mean of its yes-or-no entropies.

    Examples
    --------
    >>> p = np.array([[0.5, 0.5], [1.0, 0.0]])
    >>> entropies(p).round(3).tolist(), entropies(p, multi_label=True).round(3).tolist()
    ([0.693, 0.0], [0.693, 0.0])
    """
    if multi_label:
        return (entr(probabilities) + entr(1 - probabilities)).mean(axis=-1)
    return entr(probabilities).sum(axis=-1)
