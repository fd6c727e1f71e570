"""The rows of static students: a vector for each token of the teacher's vocabulary, and the training of any table.

Where a pool is at hand, a token starts from the mean of its vectors *in context*, as the teacher saw it there, since a
text's vector is the mean of exactly those; tokens that the pool lacks start from their vector alone. Without a pool all
do. Words, and pairs of tokens, are in :mod:`fewshot.distillation.table_students`.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
from sklearn.decomposition import PCA
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import embedding_bag

from fewshot.distillation.token_statistics import MOST_TEXTS, TokenStatistics, fast_tokenizer, vectors_alone
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder

DIMENSION = 128
SCALE = 0.03
"""Mean absolute entry of a new table; the learning rate of its training is relative to it."""

SIF_A = 1e-3
PRIOR_COUNT = 20.0
"""How many sightings in context weigh as much as the vector alone."""

TOKEN_DROPOUT = 0.6
COUNT_TO_TRUST = 100.0
"""A token that comes so often in the training texts moves half as far as one that comes always."""


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


class DroppedTokens(StaticEmbedding):
    """A token table that in training sees a random part of each text's tokens, and of its pairs of neighbours.

    What is trained is one linear map of all rows, and each row's way from where it started.

    Parameters
    ----------
    student : StaticEncoder
        Whose rows are trained, and who cuts texts into tokens; it stays as it is.
    counts : ndarray of shape (n_tokens,), optional
        How often each token comes in the texts to train on: a row moves ``count / (count + 100)`` of its way, so that
        rare tokens, which would learn their few texts by heart, stay in one space with those that never come.
    bigram_counts : ndarray of shape (n_bigrams,), optional
    """

    start: torch.Tensor
    trust: torch.Tensor
    bigram_trust: torch.Tensor

    def __init__(
        self, student: StaticEncoder, counts: np.ndarray | None = None, bigram_counts: np.ndarray | None = None
    ) -> None:
        super().__init__(Tokenizer.from_str(student.tokenizer.to_str()), embedding_weights=np.zeros_like(student.table))
        self.student = student
        self.register_buffer("start", torch.from_numpy(student.table.copy()))
        self.register_buffer("trust", _trust(counts, len(student.table)))
        self.turn = nn.Parameter(torch.eye(student.dimension))
        if student.bigrams is not None:
            self.bigram_rows = nn.Parameter(torch.from_numpy(student.bigrams.table.copy()))
            self.register_buffer("bigram_trust", _trust(bigram_counts, len(student.bigrams.table)))

    def preprocess(self, inputs: Any, prompt: str | None = None, **kwargs: Any) -> dict[str, torch.Tensor]:
        """Return the numbers of all tokens and pairs, and where each text's begin."""
        ids, bounds = self.student.token_ids([f"{prompt or ''}{text}" for text in inputs])
        features = {"input_ids": _long(ids), "offsets": _long(bounds[:-1])}
        if self.student.bigrams is not None:
            rows, bounds = self.student.bigrams.find(ids, bounds)
            features |= {"bigram_ids": _long(rows), "bigram_offsets": _long(bounds[:-1])}
        return features

    def rows(self) -> torch.Tensor:
        """Return the rows before the linear map."""
        return self.start + self.trust * self.embedding.weight

    def forward(self, features: dict[str, torch.Tensor], **kwargs: Any) -> dict[str, torch.Tensor]:
        """Add the sum of the kept tokens' rows as ``sentence_embedding`` (all rows outside training)."""
        ids, starts = features["input_ids"], features["offsets"]
        kept = self._drawn(ids)
        if self.training:
            kept = _at_least_one(kept, starts)
        sums = embedding_bag(ids, self.rows(), starts, mode="sum", per_sample_weights=kept)
        if "bigram_ids" in features:
            ids, starts = features["bigram_ids"], features["bigram_offsets"]
            drawn = self._drawn(ids)
            rows = self.bigram_trust * self.bigram_rows
            sums = sums + embedding_bag(ids, rows, starts, mode="sum", per_sample_weights=drawn)
        features["sentence_embedding"] = sums @ self.turn
        return features

    def _drawn(self, ids: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return torch.ones(len(ids), device=ids.device)
        return (torch.rand(len(ids), device=ids.device) >= TOKEN_DROPOUT).float()


def _trust(counts: np.ndarray | None, n: int) -> torch.Tensor:
    """Return how far each row may move, ``(n, 1)``, from 0 to 1."""
    if counts is None:
        return torch.ones(n, 1)
    return torch.from_numpy((counts / (counts + COUNT_TO_TRUST)).astype(np.float32))[:, None]


def _at_least_one(kept: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    """Keep all tokens of a text of which none would be kept."""
    lengths = torch.diff(starts, append=torch.tensor([len(kept)], device=starts.device))
    text_of = torch.repeat_interleave(torch.arange(len(starts), device=kept.device), lengths)
    left = torch.zeros(len(starts), device=kept.device).index_add_(0, text_of, kept)
    return torch.where(left[text_of] > 0, kept, torch.ones_like(kept))


def _long(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.int64))


def trainable_table(student: StaticEncoder, device: str, texts: Sequence[str] | None = None) -> SentenceTransformer:
    """Return a sentence-transformers model with the table's weights, for training on ``texts``.

    Rows of tokens that are rare there move little; without ``texts`` all move alike.
    """
    counts, bigram_counts = (None, None) if texts is None else _counts(student, texts)
    module = DroppedTokens(student, counts, bigram_counts)
    return SentenceTransformer(modules=[module, Normalize()], device=device)


def _counts(student: StaticEncoder, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return how often each token, and each pair with a row, comes in texts; of many texts some stand for all."""
    rows = np.linspace(0, len(texts) - 1, min(len(texts), MOST_TEXTS)).astype(np.int64)
    ids, bounds = student.token_ids([texts[row] for row in rows.tolist()])
    scale = len(texts) / len(rows)
    counts = scale * np.bincount(ids, minlength=len(student.table))
    if student.bigrams is None:
        return counts, None
    found, _ = student.bigrams.find(ids, bounds)
    return counts, scale * np.bincount(found, minlength=len(student.bigrams.table))


def trained_table(student: StaticEncoder, model: SentenceTransformer) -> StaticEncoder:
    """Return the student with the trained rows, rounded to what is saved."""
    trained, bigram_rows = cast(DroppedTokens, model[0]), None
    with torch.no_grad():
        rows = _array(trained.rows() @ trained.turn)
        if student.bigrams is not None:
            bigram_rows = _array(trained.bigram_trust * trained.bigram_rows @ trained.turn)
    return student.with_rows(rows, bigram_rows)


def _array(weights: torch.Tensor) -> np.ndarray:
    return weights.detach().float().cpu().numpy()
