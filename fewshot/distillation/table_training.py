"""The training of token tables: a table as a model of sentence-transformers, and the trained model as a table."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from fewshot.distillation.convolved_tokens import ConvolvedTokens
from fewshot.distillation.dropped_tokens import DroppedTokens
from fewshot.distillation.token_statistics import MOST_TEXTS
from fewshot.encoders.static import StaticEncoder


def trainable_table(student: StaticEncoder, device: str, texts: Sequence[str] | None = None) -> SentenceTransformer:
    """Return a sentence-transformers model with the table's weights, for training on ``texts``.

    Rows of tokens that are rare there move little; without ``texts`` all move alike.
    """
    counts, bigram_counts = (None, None) if texts is None else _counts(student, texts)
    kind = DroppedTokens if student.convolution is None else ConvolvedTokens
    module = kind(student, counts, bigram_counts)
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


def trained_table(model: SentenceTransformer) -> StaticEncoder:
    """Return what a model of :func:`trainable_table` has become of its student."""
    return cast(DroppedTokens, model[0]).trained()
