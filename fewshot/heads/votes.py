"""Votes of neighbours: what each weighs, their sum by class, and how many neighbours and votes decide best.

Only counting is done here; which rows are neighbours is said by :mod:`fewshot.heads.index` or by a head.
"""

from collections.abc import Iterator

import numpy as np

WEIGHTS = ("distance", "uniform")
LEAST_COSINE = 1e-6
NEAREST = 0.01
"""Vectors nearer to each other than this share of their length count as equally near: below lies rounding."""

ROUNDING = 1e-9
"""A share of votes that is below ``m / k`` by no more than this reaches it: sums of weights are rounded."""

USUAL_K = 5
ROWS_AT_ONCE = 4096


def cosine_weights(cosines: np.ndarray) -> np.ndarray:
    """Return what the votes of neighbours at these cosines weigh: the cosine, and almost nothing below 0.

    Examples
    --------
    >>> cosine_weights(np.array([0.5, -1.0])).tolist()
    [0.5, 1e-06]
    """
    return np.maximum(cosines, LEAST_COSINE).astype(np.float64)


def distance_weights(distances: np.ndarray, length: float) -> np.ndarray:
    """Return what the votes of neighbours at these distances weigh: ``1 / distance``, as in scikit-learn.

    Parameters
    ----------
    distances : ndarray
        0 or more.
    length : float
        Typical length of a vector. Distances below a hundredth of it count as such a hundredth: copies of a text then
        share their votes among them and nearly all of the sum, whatever the last digits of their vectors are.

    Examples
    --------
    >>> distance_weights(np.array([2.0, 0.5, 0.0]), length=1.0).tolist()
    [0.5, 2.0, 100.0]
    """
    least = max(NEAREST * length, float(np.finfo(np.float32).tiny))
    return 1 / np.maximum(distances, least).astype(np.float64)


def running_votes(y: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> Iterator[np.ndarray]:
    """Give the sum of votes by class after one neighbour, after two, and so on.

    Parameters
    ----------
    y : ndarray of shape (n_rows, n_classes)
        Labels of all rows as 0/1.
    rows : ndarray of shape (n, k)
        The neighbours of each query, the nearest first.
    weights : ndarray of shape (n, k)
        What each of their votes weighs.

    Yields
    ------
    ndarray of shape (n, n_classes), float64
        The same array each time, a neighbour further.

    Examples
    --------
    >>> votes = running_votes(np.eye(2), np.array([[1, 0]]), np.array([[1.0, 0.5]]))
    >>> [total.tolist() for total in votes]
    [[[0.0, 1.0]], [[0.5, 1.0]]]
    """
    totals = np.zeros((len(rows), y.shape[1]))
    for place in range(rows.shape[1]):
        totals += weights[:, [place]] * y[rows[:, place]]
        yield totals


def count_votes(y: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sum of all votes by class ``(n, n_classes)``; arguments as for :func:`running_votes`.

    No array is larger than the answer, however many neighbours vote.
    """
    totals = np.zeros((len(rows), y.shape[1]))
    for totals in running_votes(y, rows, weights):  # noqa: B007 - the last is wanted
        pass
    return totals


def score_grid(
    y: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray,
    truth: np.ndarray,
    *,
    multi_label: bool,
    k: int | None = None,
    threshold: float | None = None,
) -> np.ndarray:
    """Score every number of neighbours, and in multi-label tasks every number of votes of theirs that suffices.

    Parameters
    ----------
    y, rows, weights
        As for :func:`running_votes`; the largest ``k`` that is tried is the number of columns of ``rows``.
    truth : ndarray of shape (n, n_classes)
        True labels of the queries as 0/1.
    multi_label : bool
    k : int, optional
        Try this one only.
    threshold : float, optional
        Try this share of the votes only; multi-label only.

    Returns
    -------
    ndarray of shape (largest k, largest k), or (largest k, 1) in single-label tasks
        Entry ``[k - 1, m - 1]`` is the micro-F1 where a label applies from ``m / k`` of the votes on; in single-label
        tasks ``[k - 1, 0]`` is the accuracy. NaN where nothing was tried.

    Examples
    --------
    >>> y = np.array([[1, 0], [1, 1]])
    >>> score_grid(y, np.array([[0, 1]]), np.ones((1, 2)), np.array([[1, 1]]), multi_label=True).round(2).tolist()
    [[0.67, nan], [1.0, 0.67]]
    """
    largest = rows.shape[1]
    cuts = {size: _cuts(size, multi_label, threshold) for size in (range(1, largest + 1) if k is None else [k])}
    counts = np.full((2, largest, largest if multi_label else 1), np.nan)  # what is right, and what it is a share of
    for size, tried in cuts.items():
        counts[:, size - 1, [m - 1 for m in tried]] = 0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        weighed, true = np.cumsum(weights[part], axis=1), truth[part] == 1
        for size, totals in enumerate(running_votes(y, rows[part], weights[part]), start=1):
            for m, cut in cuts.get(size, {}).items():
                counts[:, size - 1, m - 1] += (
                    _overlap(true, totals >= (cut - ROUNDING) * weighed[:, [size - 1]])
                    if multi_label
                    else ((totals.argmax(axis=1) == true.argmax(axis=1)).sum(), len(true))
                )
    return counts[0] / np.maximum(counts[1], 1)


def _cuts(k: int, multi_label: bool, threshold: float | None) -> dict[int, float]:
    """Return the shares of ``k`` votes to try, by the number of votes that they ask for."""
    if not multi_label:
        return {1: 0.0}
    return {m: m / k for m in range(1, k + 1)} if threshold is None else {votes_needed(threshold, k): threshold}


def _overlap(true: np.ndarray, given: np.ndarray) -> tuple[int, int]:
    """Return twice the labels that are right, and all that are true or given: the two sides of micro-F1."""
    return 2 * int((given & true).sum()), int(given.sum() + true.sum())


def votes_needed(threshold: float, k: int) -> int:
    """Return how many of ``k`` equal votes reach a share of ``threshold``.

    Examples
    --------
    >>> votes_needed(0.6, 5), votes_needed(0.5, 5), votes_needed(0.01, 5)
    (3, 3, 1)
    """
    return max(1, int(np.ceil(threshold * k - ROUNDING)))


def best_cell(grid: np.ndarray) -> tuple[int, int] | None:
    """Return the ``k`` and ``m`` with the best score; among equals near 5 neighbours and half of the votes.

    Returns
    -------
    (int, int) or None
        ``None`` where nothing was tried.

    Examples
    --------
    >>> best_cell(np.array([[0.5, np.nan], [0.7, 0.7]]))
    (2, 1)
    """
    tried = np.argwhere(~np.isnan(grid)) + 1
    if not len(tried):
        return None
    k, m = tried.T
    scores = np.round(grid[k - 1, m - 1], 9)
    first = np.lexsort((np.abs(m / k - 0.5), np.abs(k - USUAL_K), -scores))[0]
    return int(k[first]), int(m[first])
