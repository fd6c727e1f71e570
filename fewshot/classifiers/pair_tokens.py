"""Pairs of a text and a hypothesis as token ids, made of parts that were each tokenized once.

A tokenizer's own pair encoding reads every text once for each hypothesis. Here it is shown a few pairs, to see what it
puts around the two texts, and all others are put together from ids. They are those of
``tokenizer(text, hypothesis, truncation="only_first")``, token types included.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fewshot.core.errors import InputError, ModelFormatError

_PROBES = ("the card was charged twice", "a", "12")
"""Texts that show where a text stands in a pair; the first one's types are those of all."""


@dataclasses.dataclass(frozen=True)
class _Frame:
    """What stands before and after the text in a pair with one hypothesis: token ids, and the types of all."""

    before: list[int]
    after: list[int]
    types: tuple[list[int], int, list[int]]

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


class PairTokens:
    """Token ids of pairs of texts with a few hypotheses.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        With a padding token.
    hypotheses : sequence of str
        The second texts.
    max_length : int
        Tokens of a pair at most, special ones included. Of a longer one the text is cut, on the tokenizer's side.

    Raises
    ------
    InputError
        If a hypothesis takes more than half of ``max_length``.
    ModelFormatError
        If the tokenizer changes a text by what stands beside it, so that pairs cannot be put together.
    """

    def __init__(self, tokenizer: Any, hypotheses: Sequence[str], *, max_length: int) -> None:
        self.tokenizer, self.max_length = tokenizer, max_length
        longest = max(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in hypotheses)
        if longest > max_length // 2:
            raise InputError(
                f"templates or label names too long: a hypothesis has {longest} tokens and the model reads "
                f"{max_length} of text and hypothesis together; take shorter label_words"
            )
        self._frames = [_frame(tokenizer, hypothesis) for hypothesis in hypotheses]
        self._around = np.array([len(frame) for frame in self._frames])

    def cut(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of texts, without special tokens, as many of each as any hypothesis leaves room for."""
        if not len(texts):
            return []
        room = self.max_length - int(self._around.min())
        return self.tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=room)["input_ids"]

    def lengths(self, n_tokens: np.ndarray) -> np.ndarray:
        """Return how many tokens pairs have: ``(n_texts, n_hypotheses)`` for texts of ``n_tokens`` ``(n_texts,)``."""
        return np.minimum(n_tokens[:, None] + self._around, self.max_length)

    def pair(self, ids: Sequence[int], hypothesis: int) -> tuple[list[int], list[int]]:
        """Return the token ids and the token types of a text, see :meth:`cut`, with one of the hypotheses."""
        frame = self._frames[hypothesis]
        room = self.max_length - len(frame)
        cut = ids[:room] if self.tokenizer.truncation_side == "right" else ids[max(0, len(ids) - room) :]
        before, inside, after = frame.types
        return [*frame.before, *cut, *frame.after], [*before, *[inside] * len(cut), *after]

    def features(self, pairs: Sequence[tuple[Sequence[int], int]]) -> dict[str, torch.Tensor]:
        """Return pairs as a model takes them, padded to the longest.

        Parameters
        ----------
        pairs : sequence of (token ids of a text, number of a hypothesis)

        Returns
        -------
        dict of str to Tensor
            ``input_ids``, ``attention_mask`` and ``token_type_ids``, each ``(n_pairs, n_tokens)``.
        """
        made = [self.pair(ids, hypothesis) for ids, hypothesis in pairs]
        shape = len(made), max(len(ids) for ids, _ in made)
        tokens = np.full(shape, self.tokenizer.pad_token_id, dtype=np.int64)
        types = np.full(shape, getattr(self.tokenizer, "pad_token_type_id", 0), dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, (ids, kinds) in enumerate(made):
            place = slice(0, len(ids)) if self.tokenizer.padding_side == "right" else slice(shape[1] - len(ids), None)
            tokens[row, place], types[row, place], mask[row, place] = ids, kinds, 1
        arrays = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": types}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _frame(tokenizer: Any, hypothesis: str) -> _Frame:
    """Look where the tokenizer puts a text before a hypothesis; every probe must say the same."""
    bare = tokenizer("", hypothesis)["input_ids"]
    frames = [_around(tokenizer, text, hypothesis, bare) for text in _PROBES]
    first = frames[0]
    if first is None or any(frame != first for frame in frames):
        raise ModelFormatError(
            f"the tokenizer {type(tokenizer).__name__} reads a text otherwise when a hypothesis follows it; such "
            "models of inference cannot be used"
        )
    return first


def _around(tokenizer: Any, text: str, hypothesis: str, bare: list[int]) -> _Frame | None:
    """Return what stands around ``text`` before ``hypothesis``, or ``None`` if it does not stand there as it is."""
    alone = tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = tokenizer(text, hypothesis, return_token_type_ids=True)
    ids = whole["input_ids"]
    places = range(len(bare) + 1)
    start = next((place for place in places if ids == [*bare[:place], *alone, *bare[place:]]), None)
    if start is None:
        return None
    end = start + len(alone)
    types = list(whole.get("token_type_ids", [0] * len(ids)))
    inside = set(types[start:end])
    if len(inside) != 1:
        return None
    return _Frame(bare[:start], bare[start:], (types[:start], inside.pop(), types[end:]))
