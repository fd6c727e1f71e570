"""A masked language model as a writer: it puts other words in the place of words of a text."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from transformers import AutoModelForMaskedLM

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.device import choose_device
from fewshot.encoders.transformer_opening import length_limit, open_tokenizer, open_with_head

_LETTERS = r"(?<!\w)[^\W\d_]+(?:['\u2019-][^\W\d_]+)*(?!\w)"
_SPELLINGS = 8
"""So many of the likeliest words may be the replaced one in other cases, such as ``The`` and ``THE`` for ``the``."""

_MARKERS = ("▁", "Ġ")
"""What begins a token at the start of a word, by SentencePiece and by byte-level pair encoding."""


@dataclasses.dataclass(frozen=True)
class Masking:
    """A text and the words in it that are to be replaced.

    Parameters
    ----------
    row : int
        Which text.
    text : str
    words : list of (int, int)
        Start and stop of each word, ascending.
    draws : ndarray of shape (n_words,)
        From 0 to 1: decides the word that takes its place, so that texts do not depend on their batch.
    """

    row: int
    text: str
    words: list[tuple[int, int]]
    draws: np.ndarray

    def with_words(self, replacements: Sequence[str]) -> str:
        """Return the text with its first words replaced; there may be fewer replacements than words."""
        parts, end = [], 0
        for (start, stop), word in zip(self.words, replacements, strict=False):
            parts += [self.text[end:start], word]
            end = stop
        return "".join([*parts, self.text[end:]])


@dataclasses.dataclass(frozen=True)
class WordFiller:
    """A masked language model that replaces words by words.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizer
    device : str
    word_ids : ndarray of shape (n_words,)
        The tokens that are whole words.
    words : list of str
        As they are written.
    """

    model: Any
    tokenizer: Any
    device: str
    word_ids: np.ndarray
    words: list[str]

    @classmethod
    def open(cls, source: str | Path, device: str | None = None) -> "WordFiller":
        """Open a model by folder or Hub id.

        Raises
        ------
        ModelFormatError, SourceNotFoundError
            If it cannot be opened, was not trained to fill masks, or has no mask token.
        """
        device = choose_device(device)
        model, tokenizer = open_with_head(AutoModelForMaskedLM, source, "fill masks"), open_tokenizer(source)
        if tokenizer.mask_token_id is None:
            raise ModelFormatError(f"the model in {str(source)!r} has no mask token, so it cannot replace words")
        known = _whole_words(tokenizer)
        return cls(model.to(device), tokenizer, device, np.array(list(known), dtype=np.int64), list(known.values()))

    def words_in(self, text: str) -> list[tuple[int, int]]:
        """Return start and stop of each word, special tokens left out; none where the text holds the mask itself."""
        if self.tokenizer.mask_token in text:
            return []
        special = "|".join(re.escape(token) for token in self.tokenizer.all_special_tokens)
        return [match.span() for match in re.finditer(f"{special}|({_LETTERS})", text) if match.group(1)]

    @torch.inference_mode()
    def fill(self, maskings: Sequence[Masking], top_k: int, temperature: float) -> list[str]:
        """Return the texts with their words replaced, as far as the model reads."""
        masked = [one.with_words([self.tokenizer.mask_token] * len(one.words)) for one in maskings]
        limit = length_limit(self.model, self.tokenizer)
        tokens = self.tokenizer(masked, padding=True, truncation=True, max_length=limit, return_tensors="pt")
        given = {name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask")}
        is_mask = given["input_ids"] == self.tokenizer.mask_token_id
        scores = self.model(**given).logits[is_mask][:, self.word_ids].float().cpu().numpy()
        filled, start = [], 0
        for one, found in zip(maskings, is_mask.sum(dim=1).tolist(), strict=True):
            rows = scores[start : start + found]
            start += found
            drawn = [
                self._draw(row, one.text[slice(*place)], draw, top_k, temperature)
                for row, place, draw in zip(rows, one.words, one.draws, strict=False)
            ]
            filled.append(one.with_words(drawn))
        return filled

    def _draw(self, scores: np.ndarray, word: str, draw: float, top_k: int, temperature: float) -> str:
        likeliest = np.argsort(-scores, kind="stable")[: top_k + _SPELLINGS]
        others = [place for place in likeliest if self.words[place].casefold() != word.casefold()][:top_k]
        if not others:
            return word
        reached = np.cumsum(softmax(scores[others] / temperature))
        return self.words[others[min(int(np.searchsorted(reached, draw, side="right")), len(others) - 1)]]


def _whole_words(tokenizer: Any) -> dict[int, str]:
    """Return the tokens that are a word each, by their number; no special ones, no parts of words."""
    tokens = {number: token for token, number in tokenizer.get_vocab().items()}
    often = len(tokens) / 10
    marker = next((sign for sign in _MARKERS if sum(t.startswith(sign) for t in tokens.values()) > often), "")
    special = set(tokenizer.all_special_ids)
    begins = [n for n in sorted(tokens) if n not in special and tokens[n].startswith(marker)]
    written = {n: tokenizer.decode([n]).strip() if marker else tokens[n] for n in begins}
    return {number: word for number, word in written.items() if word.isalpha()}
