"""Whole words as tokens: from texts to row numbers without subwords, several times as fast as a subword tokenizer.

The most frequent words of a pool have a row each; all others share some rows by their hash (Weinberger et al. 2009,
"Feature Hashing for Large Scale Multitask Learning", arXiv:0902.2206), so that no word is without one. Which words
these are is found in :mod:`fewshot.distillation.pool_vocabulary`.
"""

import re
import unicodedata
import zlib
from collections.abc import Sequence

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from fewshot.core.errors import InputError

UNKNOWN = "[UNK]"
N_BUCKETS = 4096
MOST_ROWS = 2**22
"""Words and buckets at most: at 128 numbers a row, 2 GiB of float32."""

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0900-\u0dff\u0e31-\u0e4e"
PATTERN = f"(?:[^\\W{_UNSPACED}]+[{_MARKS}]*)+|[{_UNSPACED}]"
"""A run of letters, digits and underscores, with the marks upon them (Hebrew, Arabic, Indic, Thai); a sign of Chinese
or Japanese, which put no space between words."""

_WORD = re.compile(PATTERN)
_BREAKS = bytes(code if chr(code).isalnum() or chr(code) == "_" else ord(" ") for code in range(256))
_END = "A"
"""Ends a text among the words of many: no word of a lower-cased text is this one."""


def split_words(texts: Sequence[str]) -> list[str]:
    """Return the lower-cased words of all texts, one after the other.

    Examples
    --------
    >>> split_words(["Don't panic!", "", "R2-D2 深山"])
    ['don', 't', 'panic', 'r2', 'd2', '深', '山']
    """
    return [word for text in texts for word in _words(text.lower())]


def _words(lowered: str) -> list[str]:
    if lowered.isascii():  # the same words, found twice as fast
        return lowered.encode().translate(_BREAKS).decode().split()
    return _WORD.findall(unicodedata.normalize("NFC", lowered))


def is_utf8(text: str) -> bool:
    """Return whether a text can be written as UTF-8; half a surrogate pair cannot."""
    return text.isascii() or text.encode("utf-8", "ignore").decode() == text


class WordTokenizer:
    """Numbers of the words of texts: its own for each known word, shared ones for all others. Other signs are not read.

    Parameters
    ----------
    words : sequence of str
        Different lower-cased words; they get the numbers from 1 on.
    n_buckets : int, default=4096
        How many numbers the other words share, at least 1.

    Attributes
    ----------
    n_tokens : int
        Numbers in all: one that stands for no word, the words, the buckets.
    tokenizer : tokenizers.Tokenizer
        The same for other libraries, which know no buckets: to them all other words are number 0, ``[UNK]``.

    Raises
    ------
    InputError
        If a word comes twice or is no text, or there are too many words and buckets or no bucket.

    Examples
    --------
    >>> tokenizer = WordTokenizer(["good", "bad"], n_buckets=2)
    >>> tokenizer.n_tokens
    5
    >>> ids, bounds = tokenizer.token_ids(["Good, good!", "", "bad weather"])
    >>> ids.tolist(), bounds.tolist()
    ([1, 1, 2, 3], [0, 2, 2, 4])
    """

    def __init__(self, words: Sequence[str], *, n_buckets: int = N_BUCKETS) -> None:
        self.words = tuple(words)
        self.n_buckets = n_buckets
        self.n_tokens = 1 + len(self.words) + n_buckets
        _check(self.words, n_buckets)
        self._numbers = _Numbers(self.words, n_buckets)
        vocabulary = {UNKNOWN: 0} | {word: number for number, word in enumerate(self.words, start=1)}
        self.tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
        self.tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.NFC()])
        self.tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), behavior="removed", invert=True)

    def token_ids(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of all words, and where each text begins among them.

        Returns
        -------
        ids : ndarray of shape (n_words,), int32
        bounds : ndarray of shape (n_texts + 1,), int32
            Text ``i`` is ``ids[bounds[i] : bounds[i + 1]]``.
        """
        words: list[str] = []
        for text in texts:
            words += _words(text.lower())
            words.append(_END)
        ids = np.fromiter(map(self._numbers.__getitem__, words), dtype=np.int32, count=len(words))
        ends = np.flatnonzero(ids < 0)
        bounds = np.zeros(len(ends) + 1, dtype=np.int32)
        bounds[1:] = ends - np.arange(len(ends))
        return ids[ids >= 0], bounds


class _Numbers(dict[str, int]):
    """Number of each word; for a word that is not there, of its bucket."""

    def __init__(self, words: Sequence[str], n_buckets: int) -> None:
        super().__init__(zip(words, range(1, len(words) + 1), strict=True))
        self.first_bucket = len(words) + 1
        self.n_buckets = n_buckets
        self[_END] = -1

    def __missing__(self, word: str) -> int:
        return self.first_bucket + zlib.crc32(word.encode("utf-8", "surrogatepass")) % self.n_buckets


def _check(words: tuple[str, ...], n_buckets: int) -> None:
    if not 1 <= n_buckets <= MOST_ROWS:
        raise InputError(f"n_buckets must be from 1 to {MOST_ROWS}, got {n_buckets}")
    if len(words) + n_buckets >= MOST_ROWS:
        raise InputError(f"{len(words)} words and {n_buckets} buckets are more than {MOST_ROWS} rows; take fewer words")
    for word in words:
        if not isinstance(word, str) or not word or word == UNKNOWN or not is_utf8(word):
            raise InputError(f"words must be texts that are not empty and not {UNKNOWN!r}, got {word!r}")
    if len(set(words)) != len(words):
        raise InputError(f"words must be different; {len(words) - len(set(words))} of {len(words)} come twice")
