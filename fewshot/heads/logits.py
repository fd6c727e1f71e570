"""Log-odds to probabilities and back in NumPy alone: what heads need to predict, where SciPy may not be installed."""

from typing import Any

import numpy as np


def expit(logits: Any) -> Any:
    """Return ``1 / (1 + exp(-logits))`` of a number or of each of an array, without overflow at either end.

    Examples
    --------
    >>> expit(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    powers = np.exp(-np.abs(logits))
    return np.where(np.asarray(logits) >= 0, 1.0, powers).astype(powers.dtype) / (1 + powers)


def logit(probabilities: Any) -> Any:
    """Return the log-odds of probabilities; minus infinity of 0 and infinity of 1.

    Examples
    --------
    >>> logit(np.array([0.0, 0.5, 1.0])).tolist()
    [-inf, 0.0, inf]
    """
    with np.errstate(divide="ignore"):
        return np.log(probabilities) - np.log1p(-np.asarray(probabilities))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities of which each row sums to 1.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)

    Examples
    --------
    >>> softmax(np.array([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
