"""A token table with a convolution in training: what it adds is learnt with the rows that it reads."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import dropout, embedding, embedding_bag, normalize, pad

from fewshot.distillation.dropped_tokens import DroppedTokens, as_array, texts_of
from fewshot.encoders.convolution import Convolution
from fewshot.encoders.static import StaticEncoder

FILTER_DROPOUT = 0.3
"""Share of filters that are left out; they see all tokens, since what stands side by side must stay there."""


class ConvolvedTokens(DroppedTokens):
    """A token table and its filters over neighbours; the arithmetic is that of :class:`~fewshot.encoders.Convolution`.

    Parameters
    ----------
    student : StaticEncoder
        With a convolution.
    counts, bigram_counts
        See :class:`~fewshot.distillation.dropped_tokens.DroppedTokens`.
    """

    def __init__(
        self, student: StaticEncoder, counts: np.ndarray | None = None, bigram_counts: np.ndarray | None = None
    ) -> None:
        super().__init__(student, counts, bigram_counts)
        convolution = student.convolution
        assert convolution is not None
        self.kernel = nn.Parameter(torch.from_numpy(convolution.kernel.copy()))
        self.bias = nn.Parameter(torch.from_numpy(convolution.bias.copy()))
        self.output = nn.Parameter(torch.from_numpy(convolution.output.copy()))

    def forward(self, features: dict[str, torch.Tensor], **kwargs: Any) -> dict[str, torch.Tensor]:
        """Add the unit sum of the kept tokens' rows, and what filters find there, as ``sentence_embedding``."""
        ids, starts = features["input_ids"], features["offsets"]
        seen, at = torch.unique(ids, return_inverse=True)
        moved = embedding(seen, self.start) + self.trust[seen] * embedding(seen, self.embedding.weight)
        rows = (moved @ self.turn).float()  # under autocast products alone are of half precision, no sums over places
        sums = embedding_bag(at, rows, starts, mode="sum", per_sample_weights=self._weights(ids, starts))
        found = dropout(self._largest(normalize(rows), at, starts), FILTER_DROPOUT, self.training)
        features["sentence_embedding"] = normalize(sums) + (found @ self.output).float()
        return features

    def _largest(self, directions: torch.Tensor, at: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Return each filter's largest answer in each text, ``(n_texts, n_filters)``, at least 0.

        Parameters
        ----------
        directions : Tensor of shape (n_seen, dimension)
            Of the rows of all tokens that come.
        at : Tensor of shape (n_tokens,)
            Which of them stands where.
        starts : Tensor of shape (n_texts,)
        """
        text_of, lengths = texts_of(starts, len(at))
        here, half = torch.arange(len(at), device=at.device), len(self.kernel) // 2
        answers: torch.Tensor | float = 0.0
        for offset, part in enumerate(self.kernel, start=-half):
            there = (here + offset).clamp(0, max(0, len(at) - 1))
            inside = (there == here + offset) & (text_of[there] == text_of)
            of_token = pad((directions @ part).float(), (0, 0, 0, 1))  # a last row of zeros for what lies outside
            answers = answers + embedding(torch.where(inside, at[there], len(directions)), of_token)
        return _largest_of(torch.relu(answers + self.bias), text_of, lengths)

    @torch.no_grad()
    def trained(self) -> StaticEncoder:
        """Return the student with the trained rows and filters, rounded to what is saved."""
        arrays = [as_array(weights) for weights in (self.kernel, self.bias, self.output)]
        table = as_array(self.rows() @ self.turn)
        return self.student.with_rows(table, convolution=Convolution(*arrays))


def _largest_of(answers: torch.Tensor, text_of: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the largest answer in each text; places that tie, as in "very very very", share its gradient.

    ``segment_reduce`` has no right gradient for these on a processor: where it is negative, each gets the whole.
    """
    with torch.no_grad():
        largest = torch.segment_reduce(answers, "max", lengths=lengths, initial=0.0, unsafe=True)
        wins = (answers == largest[text_of]).float()
        share = wins / torch.zeros_like(largest).index_add_(0, text_of, wins)[text_of]
    return torch.zeros_like(largest).index_add(0, text_of, answers * share)
