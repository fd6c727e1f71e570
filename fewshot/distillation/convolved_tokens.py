"""A token table with a convolution in training: what it adds is learnt with the rows that it reads."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import dropout, embedding, embedding_bag, pad

from fewshot.distillation.dropped_tokens import DroppedTokens, as_array, unit
from fewshot.encoders.convolution import SHORTEST, Convolution
from fewshot.encoders.static import StaticEncoder

FILTER_DROPOUT = 0.3
"""Share of filters that are left out; they see all tokens, since what stands side by side must stay there."""

_TOKENS_AT_ONCE = 2**13


class ConvolvedTokens(DroppedTokens):
    """A token table and its filters over neighbours.

    The arithmetic is that of :class:`~fewshot.encoders.convolution.Convolution`.

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
        rows = (moved @ self.turn).float()  # under autocast products alone are of half precision
        sums = embedding_bag(at, rows, starts, mode="sum", per_sample_weights=self._weights(ids, starts))
        found = dropout(self._largest(unit(rows, least=SHORTEST), at, starts), FILTER_DROPOUT, self.training)
        features["sentence_embedding"] = unit(sums) + (found @ self.output).float()
        return features

    def _largest(self, directions: torch.Tensor, at: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Return each filter's largest answer in each text, ``(n_texts, n_filters)``, at least 0.

        Where it stands is looked up first, a block of texts at a time; gradients are of those places alone, so that
        memory does not grow with the length of texts.

        Parameters
        ----------
        directions : Tensor of shape (n_seen, dimension)
            Of the rows of all tokens that come.
        at : Tensor of shape (n_tokens,)
            Which of them stands where.
        starts : Tensor of shape (n_texts,)
        """
        # A last row of zeros is what stands before a text and after it.
        answers = [pad((directions @ part).float(), (0, 0, 0, 1)) for part in self.kernel]
        ends = torch.cat([starts[1:], torch.tensor([len(at)], device=starts.device)])
        at = torch.cat([at, torch.tensor([len(directions)], device=at.device)])
        with torch.no_grad():
            places = torch.zeros(len(starts), len(self.bias), dtype=torch.long, device=at.device)
            for texts in _blocks(ends - starts):
                places[texts] = _winning(answers, at, starts[texts], ends[texts])
        rows = _neighbours(at, places, starts, ends, len(answers))
        largest = functools.reduce(torch.add, map(torch.gather, answers, itertools.repeat(0), rows))
        return torch.relu(largest + self.bias) * (ends > starts)[:, None]

    @torch.no_grad()
    def trained(self) -> StaticEncoder:
        """Return the student with the trained rows and filters, rounded to what is saved."""
        arrays = [as_array(weights) for weights in (self.kernel, self.bias, self.output)]
        table = as_array(self.rows() @ self.turn)
        return self.student.with_rows(table, convolution=Convolution(*arrays))


def _blocks(lengths: torch.Tensor) -> Iterator[torch.Tensor]:
    """Give numbers of texts of about one length, few enough that their padded tokens fit ``_TOKENS_AT_ONCE``."""
    order = torch.argsort(lengths)
    sizes = lengths[order].tolist()
    start = 0
    while start < len(sizes):
        stop = start + 1
        while stop < len(sizes) and (stop + 1 - start) * sizes[stop] <= _TOKENS_AT_ONCE:
            stop += 1
        if sizes[stop - 1]:
            yield order[start:stop]
        start = stop


def _winning(answers: list[torch.Tensor], at: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Return the place of each filter's largest answer in some texts, ``(n_texts, n_filters)``."""
    lengths = ends - starts
    steps = torch.arange(int(lengths.max()), device=at.device)
    places = starts[:, None] + steps
    rows = _neighbours(at, places, starts, ends, len(answers))
    parts = (embedding(row, answer) for row, answer in zip(rows, answers, strict=True))
    total = functools.reduce(torch.add, parts)
    total = total.masked_fill((steps >= lengths[:, None])[:, :, None], -torch.inf)
    return starts[:, None] + total.argmax(dim=1)


def _neighbours(
    at: torch.Tensor, places: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor, width: int
) -> Iterator[torch.Tensor]:
    """Give which row each neighbour of some places has, ``at``'s last where there is none in the text."""
    for offset in range(-(width // 2), width // 2 + 1):
        there = places + offset
        inside = (there >= starts[:, None]) & (there < ends[:, None])
        yield at[torch.where(inside, there, len(at) - 1)]
