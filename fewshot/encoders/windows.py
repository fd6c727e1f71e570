"""Long texts cut into windows that a model can read, at the borders of tokens.

A window is what the model's own tokenizer makes of one stretch of the text: its special tokens stand in every window,
and the windows of a text follow each other without a gap. What a window's vector means is left to the encoder.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from tokenizers import Encoding, Tokenizer

from fewshot.core.errors import InputError

LONG_TEXTS = ("truncate", "chunk")
MAX_CHUNKS = 8
CHARACTERS_PER_TOKEN = 8  # English has four or five to a token; texts that need more get more, see _head
_SPARE_TOKENS = 128  # a cut inside a word alters tokens near the cut only; these many are never used
_GROUP = 64  # texts tokenized at a time: a tokenizer's record of a token takes about 100 bytes


@dataclasses.dataclass(frozen=True)
class Window:
    """One stretch of a text, as a model reads it.

    Parameters
    ----------
    ids, type_ids : ndarray of shape (n_tokens,), int32
        Token and segment numbers, special tokens included.
    n_text_tokens : int
        How many of the tokens are the text's own.
    start, stop : int
        The stretch in characters of the text.
    """

    ids: np.ndarray
    type_ids: np.ndarray
    n_text_tokens: int
    start: int
    stop: int

    def __len__(self) -> int:
        return len(self.ids)


class WindowCutter:
    """Cut texts into at most ``max_chunks`` consecutive windows of at most ``max_length`` tokens, from the start on.

    What comes after the last window is left out, so that one window is what a model that truncates reads.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        A fast tokenizer that cuts on the right; it stays as it is.
    max_length : int
        Tokens a window, special tokens included.
    max_chunks : int, default=8
        Windows a text.

    Raises
    ------
    InputError
        If ``max_length`` leaves no room beside the special tokens.

    Examples
    --------
    >>> from tokenizers import models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> [windows] = WindowCutter(tokenizer, max_length=2, max_chunks=2).cut(["a a b a b"])
    >>> [window.ids.tolist() for window in windows]
    [[1, 1], [2, 1]]
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int, max_chunks: int = MAX_CHUNKS) -> None:
        special = tokenizer.num_special_tokens_to_add(is_pair=False)
        if max_length <= special:
            raise InputError(
                f"max_length must be at least {special + 1}, got {max_length}: "
                f"{special} of a window's tokens are the model's special tokens"
            )
        self.max_length = max_length
        self.max_chunks = max_chunks
        self._budget = (max_length - special) * max_chunks
        self._tokenizer = tokenizer

    @functools.cached_property
    def _whole(self) -> Tokenizer:
        """A copy that reads all of a text; made when the first long text comes, as copying takes a while."""
        copied = Tokenizer.from_str(self._tokenizer.to_str())
        copied.no_padding()
        copied.no_truncation()
        return copied

    @functools.cached_property
    def _windowed(self) -> Tokenizer:
        copied = Tokenizer.from_str(self._whole.to_str())
        copied.enable_truncation(self.max_length)
        return copied

    def heads(self, texts: Sequence[str]) -> list[str]:
        """Return texts without the part that lies far behind their last window; most come back as they are."""
        return [self._head(text) for text in texts]

    def _head(self, text: str) -> str:
        size = (self._budget + _SPARE_TOKENS) * CHARACTERS_PER_TOKEN
        while size < len(text) and self._count(text[:size]) < self._budget + _SPARE_TOKENS:
            size *= 2
        return text[:size]

    def _count(self, text: str) -> int:
        return len(self._whole.encode(text, add_special_tokens=False))

    def cut(self, texts: Sequence[str]) -> list[list[Window]]:
        """Return the windows of each text, in order; a text that fits, and the empty text, have one."""
        windows: list[list[Window]] = []
        for start in range(0, len(texts), _GROUP):
            encodings = self._windowed.encode_batch(self.heads(texts[start : start + _GROUP]))
            windows += [
                [_window(part) for part in [encoding, *encoding.overflowing[: self.max_chunks - 1]]]
                for encoding in encodings
            ]
        return windows

    def crop(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Return texts with each long one replaced by one of its windows, drawn by token count; others stay."""
        return [_drawn(text, windows, rng) for text, windows in zip(texts, self.cut(texts), strict=True)]


def average_windows(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return one vector for the windows of a text: their mean direction, at their mean length.

    Parameters
    ----------
    vectors : ndarray of shape (n_windows, dimension)
    weights : ndarray of shape (n_windows,)
        Token counts.

    Returns
    -------
    ndarray of shape (dimension,)
        The weighted mean of the unit vectors, brought to the weighted mean of the lengths: of length 1 if the windows'
        vectors are.

    Examples
    --------
    >>> average_windows(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([3, 4])).round(2)
    array([0.6, 0.8])
    """
    lengths = np.linalg.norm(vectors, axis=1)
    mean = np.average(vectors / np.maximum(lengths, 1e-12)[:, None], axis=0, weights=weights)
    return mean * np.average(lengths, weights=weights) / max(np.linalg.norm(mean), 1e-12)


def _window(encoding: Encoding) -> Window:
    own = [span for span, special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True) if not special]
    return Window(
        ids=np.array(encoding.ids, dtype=np.int32),
        type_ids=np.array(encoding.type_ids, dtype=np.int32),
        n_text_tokens=len(own),
        start=min((start for start, _ in own), default=0),
        stop=max((stop for _, stop in own), default=0),
    )


def _drawn(text: str, windows: list[Window], rng: np.random.Generator) -> str:
    if len(windows) == 1:
        return text
    counts = np.array([window.n_text_tokens for window in windows])
    window = windows[rng.choice(len(windows), p=counts / counts.sum())]
    return text[window.start : window.stop]
