"""What a pool of unlabelled texts is made of: its most frequent words, and pairs of neighbouring tokens.

Texts may come as a stream. Counts are kept of so many different items at most; when there are more, the rarest are
forgotten, so that memory stays flat and only the tail of a long list is approximate (Manku, Motwani 2002, "Approximate
Frequency Counts over Data Streams").
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from fewshot.core.errors import InputError
from fewshot.encoders.base import check_texts
from fewshot.encoders.bigrams import MOST_BIGRAMS, pair_keys
from fewshot.encoders.static import StaticEncoder, spans
from fewshot.encoders.words import MOST_ROWS, is_utf8, split_words

N_WORDS = 50_000
N_BIGRAMS = 20_000
LEAST_COUNT = 2
MOST_COUNTED = 2**21
"""Different words or pairs whose counts are kept: about 300 MB for words, 32 MB for pairs."""

MOST_LETTERS = 64
"""Longer words are addresses and noise; they get no row of their own."""

_CHUNK_TEXTS = 16_384


def frequent_words(
    texts: Iterable[str], n_words: int = N_WORDS, *, least_count: int = LEAST_COUNT
) -> tuple[list[str], np.ndarray]:
    """Return the most frequent words of a pool and how often they come.

    Parameters
    ----------
    texts : iterable of str
    n_words : int, default=50000
        How many at most.
    least_count : int, default=2
        Words that come less often are left out.

    Returns
    -------
    words : list of str
        Lower-cased, the most frequent first, equally frequent ones by the alphabet.
    counts : ndarray of shape (n_words,), int64

    Raises
    ------
    InputError
        If a number is out of range, or an item is not a string.

    Examples
    --------
    >>> words, counts = frequent_words(["the card", "The parcel, the card!", "a code"])
    >>> words, counts.tolist()
    (['the', 'card'], [3, 2])
    """
    _check_numbers("n_words", n_words, MOST_ROWS - 1, least_count)
    counts: Counter[str] = Counter()
    forgotten = 0
    for chunk in _chunks(texts):
        counts.update(word for word in split_words(chunk) if len(word) <= MOST_LETTERS)
        while len(counts) > MOST_COUNTED:
            forgotten += 1
            counts = Counter({word: count for word, count in counts.items() if count > forgotten})
    ranked = sorted((-count, word) for word, count in counts.items() if count >= least_count and is_utf8(word))
    kept = ranked[:n_words]
    return [word for _, word in kept], -np.array([count for count, _ in kept], dtype=np.int64)


def frequent_bigrams(
    encoder: StaticEncoder, texts: Iterable[str], n_bigrams: int = N_BIGRAMS, *, least_count: int = LEAST_COUNT
) -> np.ndarray:
    """Return the most frequent pairs of neighbouring tokens in a pool.

    Parameters
    ----------
    encoder : StaticEncoder
        Whose tokens are counted.
    texts : iterable of str
    n_bigrams : int, default=20000
        How many at most.
    least_count : int, default=2
        Pairs that come less often are left out.

    Returns
    -------
    ndarray of shape (n_bigrams, 2), int32
        Numbers of the first and the second token; most frequent pairs first, then by number.

    Raises
    ------
    InputError
        If a number is out of range, or an item is not a string.
    """
    _check_numbers("n_bigrams", n_bigrams, MOST_BIGRAMS, least_count)
    n_tokens = encoder.n_tokens
    keys, counts = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    for chunk in _chunks(texts):
        parts = [encoder.token_ids(chunk[start:stop]) for start, stop in spans(chunk)]
        found = np.concatenate([pair_keys(ids, bounds, n_tokens=n_tokens) for ids, bounds in parts])
        found, n_found = np.unique(found, return_counts=True)
        keys, counts = _merged(keys, counts, found, n_found)
    keys, counts = keys[counts >= least_count], counts[counts >= least_count]
    best = keys[np.argsort(-counts, kind="stable")[:n_bigrams]]
    return np.stack(np.divmod(best, n_tokens), axis=1).astype(np.int32)


def _merged(
    keys: np.ndarray, counts: np.ndarray, more_keys: np.ndarray, more_counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add up two sorted lists of counts, and forget the rarest items where there are too many."""
    together, place = np.unique(np.concatenate([keys, more_keys]), return_inverse=True)
    sums = np.bincount(place, weights=np.concatenate([counts, more_counts]), minlength=len(together)).astype(np.int64)
    if len(together) > MOST_COUNTED:
        kept = np.sort(np.argsort(-sums, kind="stable")[: MOST_COUNTED // 2])
        together, sums = together[kept], sums[kept]
    return together, sums


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    if isinstance(texts, str):
        check_texts(texts)  # one string is refused there
    rest = iter(texts)
    while chunk := list(itertools.islice(rest, _CHUNK_TEXTS)):
        check_texts(chunk, writable=False)
        yield chunk


def _check_numbers(name: str, number: int, largest: int, least_count: int) -> None:
    if not 0 <= number <= largest:
        raise InputError(f"{name} must be from 0 to {largest}, got {number}")
    if least_count < 1:
        raise InputError(f"least_count must be at least 1, got {least_count}")
