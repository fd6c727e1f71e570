"""Split labelled rows into train and test: exact sizes, every class in its proportion, a seed that decides all."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.stratify import pick_multi, pick_single


class Split(NamedTuple):
    """Positions of rows, ascending; every row is in exactly one of the three."""

    train: np.ndarray
    test: np.ndarray
    unlabeled: np.ndarray


def balanced_split(labels: Sequence[Any], test_size: float, *, random_state: int | None = 0) -> Split:
    """Split rows so that both sides hold the classes in the same proportion.

    Parameters
    ----------
    labels : sequence
        One entry a row: a label, a sequence of labels (multi-label, perhaps empty), or ``None`` for *unlabeled*.
    test_size : float or int
        Share of the labelled rows between 0 and 1, rounded half up, or their number. Either side gets one row at
        least.
    random_state : int or None, default 0

    Returns
    -------
    Split
        ``train``, ``test`` and ``unlabeled`` positions. A class of two or more rows is on both sides wherever the
        sizes allow; one of a single row is in ``train``.

    Raises
    ------
    InputError
        If there are fewer than two labelled rows, or ``test_size`` leaves a side without rows.

    Examples
    --------
    >>> split = balanced_split(["a", "b", "a", "b", None, "a", "a"], test_size=3)
    >>> len(split.train), len(split.test), split.unlabeled
    (3, 3, array([4]))
    """
    rows, unlabeled, encoded = encode_labeled(labels)
    if len(rows) < 2:
        raise InputError(f"labels hold {len(rows)} labelled rows; at least 2 are needed for a split")
    size = _size_of(test_size, len(rows))
    chosen = pick(encoded, size, np.random.default_rng(random_state), both_sides=True)
    return Split(rows[~chosen], rows[chosen], unlabeled)


def pick(encoded: np.ndarray, size: int, rng: np.random.Generator, *, both_sides: bool) -> np.ndarray:
    """Choose ``size`` rows of class numbers ``(n,)`` or of a 0/1 matrix ``(n, n_classes)``, stratified.

    Examples
    --------
    >>> pick(np.array([0, 1, 1, 0]), 4, np.random.default_rng(0), both_sides=False).all()
    np.True_
    """
    return (pick_single if encoded.ndim == 1 else pick_multi)(encoded, size, rng, both_sides=both_sides)


def encode_labeled(labels: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the positions of labelled rows, of unlabelled ones, and the labelled ones' classes as numbers.

    Raises
    ------
    InputError
        If there is no label at all, kinds are mixed, or an indicator matrix is given.

    Examples
    --------
    >>> encode_labeled(["b", None, "a"])
    (array([0, 2]), array([1]), array([1, 0]))
    """
    if isinstance(labels, np.ndarray) and labels.ndim != 1:
        raise InputError(f"labels must be one entry a row, got an array of shape {labels.shape}; give lists of names")
    missing = np.array([label is None for label in labels], dtype=bool)
    given = [label for label in labels if label is not None]
    if not given:
        raise InputError(f"labels are missing in all {len(missing)} rows; at least one row must have a label")
    encoded = LabelSpace.of(given, warn=False).encode(given)
    return np.flatnonzero(~missing), np.flatnonzero(missing), encoded


def _size_of(test_size: Any, n_rows: int) -> int:
    if isinstance(test_size, (bool, np.bool_)) or not isinstance(test_size, (int, float, np.integer, np.floating)):
        raise InputError(f"test_size must be a share between 0 and 1 or a number of rows, got {test_size!r}")
    if isinstance(test_size, (int, np.integer)):
        if not 1 <= test_size < n_rows:
            raise InputError(f"test_size must be between 1 and {n_rows - 1} of the {n_rows} rows, got {test_size}")
        return int(test_size)
    if not 0 < test_size < 1:
        raise InputError(f"test_size as a share must lie between 0 and 1, both excluded, got {test_size!r}")
    exact = Decimal(str(float(test_size))) * n_rows  # what was written, not its binary neighbour
    return min(max(int(exact.to_integral_value(ROUND_HALF_UP)), 1), n_rows - 1)
