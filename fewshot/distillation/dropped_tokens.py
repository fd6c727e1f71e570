"""A token table in training: a random part of each text's tokens is left out, and rare tokens move little."""

from typing import Any

import numpy as np
import torch
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import embedding_bag

from fewshot.encoders.convolution import SHORTEST
from fewshot.encoders.static import StaticEncoder

TOKEN_DROPOUT = 0.6
COUNT_TO_TRUST = 100.0
"""A token that comes so often in the training texts moves half as far as one that comes always."""


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
        sums = embedding_bag(ids, self.rows(), starts, mode="sum", per_sample_weights=self._weights(ids, starts))
        if "bigram_ids" in features:
            ids, starts = features["bigram_ids"], features["bigram_offsets"]
            drawn = self._drawn(ids)
            rows = self.bigram_trust * self.bigram_rows
            sums = sums + embedding_bag(ids, rows, starts, mode="sum", per_sample_weights=drawn)
        features["sentence_embedding"] = unit((sums @ self.turn).float())  # lengths are not of half precision
        return features

    @torch.no_grad()
    def trained(self) -> StaticEncoder:
        """Return the student with the trained rows, rounded to what is saved."""
        bigram_rows = None
        if self.student.bigrams is not None:
            bigram_rows = as_array(self.bigram_trust * self.bigram_rows @ self.turn)
        return self.student.with_rows(as_array(self.rows() @ self.turn), bigram_rows)

    def _weights(self, ids: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Return 1 for each token that is seen and 0 for the others; some of each text are."""
        drawn = self._drawn(ids)
        return _at_least_one(drawn, starts) if self.training else drawn

    def _drawn(self, ids: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return torch.ones(len(ids), device=ids.device)
        return (torch.rand(len(ids), device=ids.device) >= TOKEN_DROPOUT).float()


def _trust(counts: np.ndarray | None, n: int) -> torch.Tensor:
    """Return how far each row may move, ``(n, 1)``, from 0 to 1."""
    if counts is None:
        return torch.ones(n, 1)
    return torch.from_numpy((counts / (counts + COUNT_TO_TRUST)).astype(np.float32))[:, None]


def _at_least_one(drawn: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    """Keep all tokens of a text of which none would be kept."""
    lengths = torch.diff(starts, append=torch.tensor([len(drawn)], device=starts.device))
    text_of = torch.repeat_interleave(torch.arange(len(starts), device=drawn.device), lengths)
    left = torch.zeros(len(starts), device=drawn.device).index_add_(0, text_of, drawn)
    return torch.where(left[text_of] > 0, drawn, torch.ones_like(drawn))


def unit(vectors: torch.Tensor, least: float = 1e-12) -> torch.Tensor:
    """Return vectors at unit length; one shorter than ``least`` becomes shorter than that.

    Those next to zero, as of words that have no row yet, take no gradient: that of their direction has no bounds, and
    clipping would leave nothing of all others.
    """
    lengths = vectors.norm(dim=1, keepdim=True)
    scaled = vectors / lengths.clamp_min(least)
    return torch.where(lengths < SHORTEST, scaled.detach(), scaled)


def as_array(weights: torch.Tensor) -> np.ndarray:
    """Return weights as float32 in NumPy's hands."""
    return weights.detach().float().cpu().numpy()


def _long(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.int64))
