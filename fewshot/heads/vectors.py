"""What every fitter of heads asks of its training vectors, and how much each of their rows counts."""

from typing import Any

import numpy as np

from fewshot.core.errors import InputError, ModelFormatError


def unit_rows(X: np.ndarray) -> np.ndarray:
    """Return the rows of ``X`` at length 1; rows of zeros stay zeros. Cosines are then dot products."""
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)


def check_vectors(X: np.ndarray, y: np.ndarray, n_classes: int) -> None:
    """Raise unless ``X`` and ``y`` are vectors and labels that a head can be fitted to.

    Parameters
    ----------
    X : ndarray of shape (n, dimension)
        Finite numbers.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers from 0 to ``n_classes - 1``, or a 0/1 matrix (multi-label).
    n_classes : int

    Raises
    ------
    InputError
        If shapes do not fit, there is no row, a number is not finite, or a class number is out of range.

    Examples
    --------
    >>> check_vectors(np.eye(2), np.array([0, 1]), n_classes=2)
    """
    if X.ndim != 2 or not len(X) or y.ndim not in (1, 2) or len(y) != len(X):
        raise InputError(
            f"X must be a matrix and y have one entry for each of its rows, at least 1; got {X.shape} and {y.shape}"
        )
    if not np.isfinite(X).all():
        raise InputError("X must be finite; got NaN or infinity: look at what the encoder gave")
    if y.ndim == 2:
        if y.shape[1] != n_classes or not np.isin(y, (0, 1)).all():
            raise InputError(f"y must be a 0/1 matrix with {n_classes} columns (n_classes), got shape {y.shape}")
    elif not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= n_classes:
        raise InputError(f"y must hold class numbers from 0 to {n_classes - 1}, got {y.dtype} from {y.min()}")


def row_weights(
    y: np.ndarray, n_classes: int, *, class_weight: str | None = None, sample_weight: np.ndarray | None = None
) -> np.ndarray:
    """Return how much each row counts; in multi-label tasks how much it counts for each label.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
    n_classes : int
    class_weight : {None, "balanced"}
        ``"balanced"`` lets all classes that occur count alike, and in multi-label tasks the texts with and without a
        label, as scikit-learn's ``class_weight`` does; the mean weight of the rows stays 1.
    sample_weight : ndarray of shape (n,), optional
        Positive; multiplied in.

    Returns
    -------
    ndarray of shape (n,) or (n, n_classes)

    Raises
    ------
    InputError
        If ``class_weight`` is another word, or ``sample_weight`` is of another length or not positive.

    Examples
    --------
    >>> row_weights(np.array([0, 0, 0, 1]), 2, class_weight="balanced").round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    """
    if class_weight not in (None, "balanced"):
        raise InputError(f"class_weight must be None or 'balanced', got {class_weight!r}")
    weight = np.ones(y.shape) if class_weight is None else _balanced(y, n_classes)
    if sample_weight is None:
        return weight
    given = np.asarray(sample_weight, dtype=np.float64)
    if given.shape != (len(y),) or not (np.isfinite(given) & (given > 0)).all():
        raise InputError(
            f"sample_weight must hold {len(y)} positive numbers, one a row, got shape {given.shape}; "
            "leave out rows that shall not count"
        )
    return weight * (given if y.ndim == 1 else given[:, None])


def _balanced(y: np.ndarray, n_classes: int) -> np.ndarray:
    if y.ndim == 1:
        counts = np.bincount(y, minlength=n_classes)
        return len(y) / (np.count_nonzero(counts) * counts[y])
    with_label = y.sum(axis=0, keepdims=True)
    counts = np.where(y == 1, with_label, len(y) - with_label)
    return len(y) / (np.where((with_label == 0) | (with_label == len(y)), 1, 2) * counts)


def threshold_from(setting: Any) -> float | np.ndarray:
    """Return a head's threshold as JSON kept it: a number from 0 to 1, or one a label.

    Raises
    ------
    ModelFormatError
        If it is no such number.
    """
    threshold = np.asarray(setting, dtype=np.float64)
    if not ((threshold >= 0) & (threshold <= 1)).all():  # NaN is neither
        raise ModelFormatError(f"the head is damaged: its threshold is {setting}, not from 0 to 1")
    return threshold if threshold.ndim else float(threshold)


def threshold_setting(threshold: float | np.ndarray) -> float | list[float]:
    """Return a head's threshold as a JSON value."""
    return [float(t) for t in threshold] if isinstance(threshold, np.ndarray) else float(threshold)
