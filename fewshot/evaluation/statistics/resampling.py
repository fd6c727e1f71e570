"""Scores on resampled test texts, for many sets of predictions at once.

A bootstrap sample of texts is a vector of counts: how often each text was drawn. Right answers by class, weighted so,
are sparse matrices times the matrix of all counts; F1 follows from them. No sample is ever taken apart.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from fewshot.data.labels import LabelSpace
from fewshot.evaluation.metrics import COMPARED

COUNTS_AT_ONCE = 500_000


def resampled_scores(
    truth: np.ndarray, answers: Sequence[np.ndarray], space: LabelSpace, *, n_resamples: int, random_state: int
) -> np.ndarray:
    """Score sets of predictions on the test texts and on bootstrap samples of them.

    Parameters
    ----------
    truth : ndarray of shape (n_texts,), or (n_texts, n_classes) of 0 and 1 in multi-label tasks
        True codes.
    answers : sequence of n_answers ndarrays like ``truth``
        Predicted codes.
    space : LabelSpace
        What the codes mean.
    n_resamples : int
        How many samples of ``n_texts`` texts to draw with replacement; all answers meet the same ones.
    random_state : int
        Decides the samples.

    Returns
    -------
    ndarray of shape (3, n_answers, 1 + n_resamples)
        For each of ``COMPARED``: first the score on the texts as they are, then on each sample; what
        :func:`fewshot.evaluation.metrics.score_labels` gives for the texts drawn.

    Examples
    --------
    >>> space = LabelSpace(("a", "b"), False)
    >>> made = resampled_scores(np.array([0, 0, 1, 1]), [np.array([0, 0, 1, 0])], space, n_resamples=5, random_state=0)
    >>> made.shape, made[:, 0, 0].round(3)
    ((3, 1, 6), array([0.75 , 0.75 , 0.733]))
    """
    true = _by_class(truth, space)
    # Rows of hits above rows of all that was predicted: one product serves both.
    counted = [
        sparse.vstack([_by_class(_hits(truth, answer, space), space), _by_class(answer, space)]) for answer in answers
    ]
    right = np.stack([_right(truth, answer, space) for answer in answers]).astype(np.float64)
    parts = [_scores(true, counted, right, drawn) for drawn in _samples(len(truth), n_resamples, random_state)]
    return np.concatenate(parts, axis=2)


def draw_counts(rng: np.random.Generator, n: int, n_resamples: int) -> np.ndarray:
    """Draw ``n`` of ``n`` things with replacement, again and again, and count how often each came.

    Returns
    -------
    ndarray of shape (n, n_resamples)
        Columns sum to ``n``.

    Examples
    --------
    >>> draw_counts(np.random.default_rng(0), 4, 3).sum(axis=0)
    array([4., 4., 4.])
    """
    places = rng.integers(n, size=(n, n_resamples)) * n_resamples + np.arange(n_resamples)
    return np.bincount(places.ravel(), minlength=n * n_resamples).reshape(n, n_resamples).astype(np.float64)


def _samples(n: int, n_resamples: int, random_state: int) -> Iterator[np.ndarray]:
    # In blocks: what fits the processor's cache is twice as fast, and 100,000 texts would take 1.6 GB at once.
    rng = np.random.default_rng(random_state)
    block = max(COUNTS_AT_ONCE // n, 1)
    yield np.ones((n, 1))
    for start in range(0, n_resamples, block):
        yield draw_counts(rng, n, min(block, n_resamples - start))


def _scores(
    true: sparse.csr_array, counted: Sequence[sparse.csr_array], right: np.ndarray, drawn: np.ndarray
) -> np.ndarray:
    """Return an array of (metrics, answers, samples)."""
    scores = np.empty((len(COMPARED), len(counted), drawn.shape[1]))
    scores[0] = right @ drawn / len(drawn)
    n_true = true @ drawn
    for number, matrix in enumerate(counted):
        hits, either = np.split(matrix @ drawn, 2)
        hits *= 2
        either += n_true  # true and predicted, both counted; where there are none, there are no hits either
        scores[1, number] = hits.sum(axis=0) / np.maximum(either.sum(axis=0), 1)
        hits /= np.maximum(either, 1)
        scores[2, number] = hits.sum(axis=0) / np.maximum(np.count_nonzero(either, axis=0), 1)
    return scores


def _right(truth: np.ndarray, answer: np.ndarray, space: LabelSpace) -> np.ndarray:
    return (answer == truth).all(axis=1) if space.multi_label else answer == truth


def _hits(truth: np.ndarray, answer: np.ndarray, space: LabelSpace) -> np.ndarray:
    return answer & truth if space.multi_label else np.where(answer == truth, answer.astype(np.int64), -1)


def _by_class(codes: np.ndarray, space: LabelSpace) -> sparse.csr_array:
    """Return which texts have which class, (n_classes, n_texts); -1 is no class."""
    if space.multi_label:
        return sparse.csr_array(codes.T.astype(np.float64))
    texts = np.flatnonzero(codes >= 0)
    return sparse.csr_array((np.ones(len(texts)), (codes[texts], texts)), shape=(len(space.classes), len(codes)))
