"""Where a multi-label probability becomes a label: the threshold with the best micro-F1 on held-out predictions."""

import numpy as np

from fewshot.core.errors import InputError


def best_threshold(y: np.ndarray, probabilities: np.ndarray, *, default: float = 0.5) -> float:
    """Return the one threshold for all labels that gives the best micro-F1.

    Parameters
    ----------
    y : ndarray of shape (n_texts, n_labels)
        0/1 matrix of true labels.
    probabilities : ndarray of shape (n_texts, n_labels)
        Probabilities from a model that did not see these rows, as by cross-validation.
    default : float, default=0.5
        The answer where no label is true anywhere.

    Returns
    -------
    float
        Midway between two neighbouring probabilities, so that small changes do not flip labels. Among equals the one
        nearest to ``default``.

    References
    ----------
    Lipton, Elkan, Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure", ECML PKDD.

    Examples
    --------
    >>> round(best_threshold(np.array([[1, 0], [0, 1]]), np.array([[0.4, 0.1], [0.2, 0.3]])), 3)
    0.25
    """
    if y.shape != probabilities.shape:
        raise InputError(f"y and probabilities must have one shape, got {y.shape} and {probabilities.shape}")
    positives = y.sum()
    if not positives:
        return default
    order = np.argsort(-probabilities, axis=None, kind="stable")
    scores, hits = probabilities.ravel()[order], np.cumsum(y.ravel()[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + positives)
    cuts = np.append(scores[1:], 0.0)
    usable = scores > cuts  # between equal probabilities there is no threshold
    thresholds = (scores + cuts) / 2
    best = np.flatnonzero(usable & np.isclose(f1, f1[usable].max(initial=0.0), rtol=0, atol=1e-12))
    if not len(best):
        return default
    return float(thresholds[best[np.argmin(np.abs(thresholds[best] - default))]])
