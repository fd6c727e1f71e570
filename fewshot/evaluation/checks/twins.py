"""Pairs of vectors that point nearly the same way."""

from collections.abc import Iterator

import numpy as np

ROWS_AT_ONCE = 1024
MOST_ROWS = 5_000


def twins(vectors: np.ndarray, others: np.ndarray | None = None, *, at_least: float) -> list[tuple[int, int, float]]:
    """Find for each vector the most similar other one, where that is similar enough.

    Parameters
    ----------
    vectors : ndarray of shape (n, dimension)
        Of more than 5,000 the first are looked at.
    others : ndarray of shape (m, dimension), optional
        Where to look. Default: among ``vectors`` themselves, each pair once.
    at_least : float
        Least cosine.

    Returns
    -------
    list of (int, int, float)
        Row, the other's row, and their cosine; the most similar pairs first, of equally similar ones the first rows.

    Examples
    --------
    >>> twins(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]]), at_least=0.9)
    [(0, 2, 0.9987523388778446)]
    """
    left = _units(vectors[:MOST_ROWS])
    right = left if others is None else _units(others)
    pairs = [pair for pair in _nearest(left, right, alone=others is None) if pair[2] >= at_least]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0]))


def _nearest(left: np.ndarray, right: np.ndarray, *, alone: bool) -> Iterator[tuple[int, int, float]]:
    if not len(left) or not len(right):
        return
    for start in range(0, len(left), ROWS_AT_ONCE):
        cosines = left[start : start + ROWS_AT_ONCE] @ right.T
        rows = np.arange(start, start + len(cosines))
        if alone:  # of a pair the first one is told; a row itself and those before it are passed over
            cosines[np.arange(len(right)) <= rows[:, None]] = -np.inf
        best = cosines.argmax(axis=1)
        yield from zip(rows.tolist(), best.tolist(), cosines[np.arange(len(rows)), best].tolist(), strict=True)


def _units(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
