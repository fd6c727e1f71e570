"""How well phrases fit into masks: from the logits at masks to a score for each group of phrases.

A phrase is a row of tokens, each of which shall stand at a mask; phrases of one group mean the same thing. What the
groups stand for, and where the masks stand in a text, is left to others.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError, did_you_mean
from fewshot.training.targets import array_fingerprint

Spelling = tuple[tuple[int, int], ...]
"""A phrase's tokens in one prompt: for each the number of its mask (its slot) and the token's number."""

AGGREGATES = ("mean_log", "log_mean")


class PhraseScores(nn.Module):
    """Scores of phrases and of groups of them.

    Parameters
    ----------
    spellings : sequence of sequences of Spelling
        For each phrase its spelling in every prompt that it can stand in.
    groups : sequence of int
        The group of each phrase, from 0; no group is empty.
    aggregate : {"mean_log", "log_mean"}, default="mean_log"
        How a group's phrases become one score, see Notes.

    Attributes
    ----------
    baseline : Tensor of shape (n_phrases,)
        What is taken off each phrase's score, 0 at first: its score where nothing speaks for it.

    Notes
    -----
    A phrase's score is the mean log-probability of its tokens over the whole vocabulary, all masks filled at once: the
    mean, and not the sum, so that long phrases do not lose for their length. PET, too, fills all masks at once when it
    trains (Schick, Schütze 2021, "It's Not Just Size That Matters", arXiv:2009.07118); to predict it fills one after
    the other, surest first, which takes a forward pass a token of every phrase instead of one a length. Over several
    prompts the mean is taken again.

    ``"mean_log"`` gives each phrase of a group one vote: log-probabilities of words differ by orders of magnitude, of
    which only the change against the baseline counts, and the mean of the changes is the change of the mean.
    ``"log_mean"`` is the logarithm of the mean ratio of probabilities: one phrase that fits well is enough.

    Examples
    --------
    >>> scores = PhraseScores([[((0, 1),)], [((0, 2),)], [((1, 0), (2, 0))]], [0, 0, 1])
    >>> logits = torch.log(torch.tensor([[0.2, 0.4, 0.4], [0.25, 0.25, 0.5], [1.0, 0.0, 0.0]]))
    >>> scores(logits[None]).exp()  # √(0.4 · 0.4) and √(0.25 · 1)
    tensor([[0.4000, 0.5000]])
    """

    baseline: torch.Tensor
    slots: torch.Tensor
    tokens: torch.Tensor
    shares: torch.Tensor
    members: torch.Tensor

    def __init__(
        self, spellings: Sequence[Sequence[Spelling]], groups: Sequence[int], *, aggregate: str = "mean_log"
    ) -> None:
        super().__init__()
        check_aggregate(aggregate)
        self.aggregate = aggregate
        picks = [
            (slot, token, phrase, 1.0 / (len(prompts) * len(spelling)))
            for phrase, prompts in enumerate(spellings)
            for spelling in prompts
            for slot, token in spelling
        ]
        slots, tokens, phrases, shares = (np.array(column) for column in zip(*picks, strict=True))
        of_phrase = np.zeros((len(picks), len(spellings)), dtype=np.float32)
        of_phrase[np.arange(len(picks)), phrases] = shares
        members = np.eye(max(groups) + 1, dtype=np.float32)[list(groups)].T
        members /= members.sum(axis=1, keepdims=True)
        constants = {"slots": slots, "tokens": tokens, "shares": of_phrase, "members": members}
        constants["baseline"] = np.zeros(len(spellings), dtype=np.float32)
        for name, array in constants.items():  # they move with the module, and are no part of its checkpoints
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with phrases, groups, baseline or aggregation."""
        buffers = [array_fingerprint(buffer.cpu().numpy()) for buffer in self.buffers()]
        return fingerprint([self.aggregate, *buffers])

    def of_phrases(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the score of each phrase, before its baseline is taken off.

        Parameters
        ----------
        logits : Tensor of shape (B, n_slots, V)
            At the masks of all prompts, in the order of their slots; computed with in float32.

        Returns
        -------
        Tensor of shape (B, n_phrases)
        """
        logits = logits.float()
        picked = logits[:, self.slots, self.tokens] - logits.logsumexp(dim=2)[:, self.slots]
        return picked @ self.shares

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the score of each group, ``(B, n_groups)``, from logits as for :meth:`of_phrases`."""
        return self.of_groups(self.of_phrases(logits))

    def of_groups(self, phrases: torch.Tensor) -> torch.Tensor:
        """Return the score of each group, ``(B, n_groups)``, from those of phrases ``(B, n_phrases)``."""
        above = phrases - self.baseline
        if self.aggregate == "mean_log":
            return above @ self.members.T
        return (above[:, None, :] + self.members.log()).logsumexp(dim=2)


def check_aggregate(aggregate: str) -> None:
    """Raise :class:`InputError` unless ``aggregate`` is one of :data:`AGGREGATES`."""
    if aggregate not in AGGREGATES:
        known = ", ".join(AGGREGATES)
        raise InputError(
            f"aggregate must be one of {known}, got {aggregate!r}.{did_you_mean(str(aggregate), AGGREGATES)}"
        )
