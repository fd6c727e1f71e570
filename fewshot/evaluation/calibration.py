"""Whether probabilities mean what they say: the gap between how sure predictions are and how often they are right.

How well probabilities *rank* is scikit-learn's matter (``roc_auc_score``); making them mean what they say is done where
they come from.
"""

import numpy as np

from fewshot.core.errors import InputError


def expected_calibration_error(y: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Return how far confidence and accuracy are apart, on average over bins of confidence.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_labels)
        True class numbers, or a 0/1 matrix (multi-label).
    probabilities : ndarray of shape (n, n_classes) or (n, n_labels)
        Predicted ones. In single-label tasks the highest of each row is its confidence, and it is right where that
        class is true. In multi-label tasks every probability is judged by itself, against how often its label is true.
    bins : int, default=15
        How many equal parts of the range from 0 to 1; each holds its upper edge, the first also 0.

    Returns
    -------
    float
        From 0, where in each bin the mean confidence is the share that is right, to 1.

    Raises
    ------
    InputError
        If shapes do not fit, there is nothing to judge, a probability is outside 0 to 1 or ``bins`` is below 1.

    Notes
    -----
    With few predictions the value is biased upwards: 15 bins of 50 texts differ by chance alone.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, equation 3.

    Examples
    --------
    >>> probabilities = np.array([[0.75, 0.25]] * 4)
    >>> expected_calibration_error(np.array([0, 0, 0, 1]), probabilities)
    0.0
    >>> expected_calibration_error(np.array([1, 1, 1, 1]), probabilities)
    0.75
    """
    _check(y, probabilities, bins)
    if y.ndim == 2:
        confidence, right = probabilities.ravel(), y.ravel().astype(np.float64)
    else:
        confidence = probabilities.max(axis=1)
        right = (probabilities.argmax(axis=1) == y).astype(np.float64)
    # Rounding may lift a probability just above 1.
    confidence = confidence.astype(np.float64).clip(0.0, 1.0)
    bin_of = np.ceil(confidence * bins).astype(np.int64).clip(1, bins) - 1
    gaps = np.bincount(bin_of, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _check(y: np.ndarray, probabilities: np.ndarray, bins: int) -> None:
    if bins < 1:
        raise InputError(f"bins must be at least 1, got {bins}")
    if probabilities.ndim != 2 or not probabilities.size or y.shape not in ((len(probabilities),), probabilities.shape):
        raise InputError(
            "y must hold one class number, or one row of 0/1, for each of the rows of probabilities, at least 1; "
            f"got shapes {y.shape} and {probabilities.shape}"
        )
    if not (probabilities >= -1e-6).all() or not (probabilities <= 1 + 1e-6).all():
        raise InputError(
            f"probabilities must be from 0 to 1, got {probabilities.min()} to {probabilities.max()}; "
            "pass predict_proba's, not logits"
        )
