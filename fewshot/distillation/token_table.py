"""The rows of static students: a vector for each token of the teacher's vocabulary.

Where a pool is at hand, a token starts from the mean of its vectors *in context*, as the teacher saw it there, since a
text's vector is the mean of exactly those; tokens that the pool lacks start from their vector alone. Without a pool all
do. Words, and what looks at neighbours, are in :mod:`fewshot.distillation.table_students`, the training of any table in
:mod:`fewshot.distillation.table_training`.
"""

import numpy as np
from sklearn.decomposition import PCA
from tokenizers import Tokenizer

from fewshot.distillation.token_statistics import TokenStatistics, fast_tokenizer, vectors_alone
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder

DIMENSION = 128
SCALE = 0.03
"""Mean absolute entry of a new table; the learning rate of its training is relative to it."""

SIF_A = 1e-3
PRIOR_COUNT = 20.0
"""How many sightings in context weigh as much as the vector alone."""


def static_student(
    teacher: SentenceEncoder, statistics: TokenStatistics | None = None, *, dimension: int = DIMENSION
) -> StaticEncoder:
    """Return a token table made from the teacher.

    Parameters
    ----------
    teacher : SentenceEncoder
        Must have a fast tokenizer.
    statistics : TokenStatistics, optional
        What its tokens looked like in the pool.
    dimension : int, default=128
        Length of a row; at most the teacher's.

    Notes
    -----
    PCA keeps the directions in which tokens differ. A weight ``a / (a + p)``, with ``p`` a token's share of the pool or
    else by Zipf's law from its rank, makes frequent tokens lighter (smooth inverse frequency: Arora, Liang, Ma 2017, "A
    Simple but Tough-to-Beat Baseline for Sentence Embeddings"; van Dongen, Tulkens 2024, Model2Vec). Training moves the
    rows from there.
    """
    tokenizer = fast_tokenizer(teacher)
    table, _ = teacher_rows(teacher, tokenizer, statistics, dimension)
    return StaticEncoder(table, tokenizer, name="static")


def teacher_rows(
    teacher: SentenceEncoder, tokenizer: Tokenizer, statistics: TokenStatistics | None, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`static_student` makes its table of.

    Returns
    -------
    rows : ndarray of shape (n_tokens, dimension)
    weights : ndarray of shape (n_tokens,)
        What a token's frequency makes of its row, 0 to 1; it is in the row already.
    """
    alone = vectors_alone(teacher) if statistics is None else statistics.alone
    alone = alone - alone.mean(axis=0)
    if statistics is not None and statistics.counts.sum() > 0:
        table, share = _in_context(alone, statistics)
    else:
        table, share = alone, _zipf(len(alone))
    weights = SIF_A / (SIF_A + share)
    table = table * weights[:, None]
    reduced = PCA(min(dimension, *table.shape), svd_solver="covariance_eigh", random_state=0).fit_transform(table)
    return reduced * (SCALE / np.abs(reduced).mean()), weights


def _in_context(alone: np.ndarray, statistics: TokenStatistics) -> tuple[np.ndarray, np.ndarray]:
    sums, counts = statistics.sums.numpy(), statistics.counts.numpy()[:, None]
    total = counts.sum()
    shifted = sums - counts * (sums.sum(axis=0) / total)
    return (shifted + PRIOR_COUNT * alone) / (counts + PRIOR_COUNT), counts[:, 0] / total


def _zipf(n_tokens: int) -> np.ndarray:
    return 1.0 / (np.arange(1, n_tokens + 1) * np.log(n_tokens + 1.0))
