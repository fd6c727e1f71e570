"""Pairs of neighbouring tokens against a search in plain Python."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.bigrams import BigramTable, pair_keys

N_TOKENS = 4
TOKENS = st.integers(0, N_TOKENS - 1)
TEXTS = st.lists(st.lists(TOKENS, max_size=6), max_size=5)


def flat(texts):
    """Return tokens and bounds of texts."""
    ids = np.array([token for text in texts for token in text], dtype=np.int32)
    return ids, np.cumsum([0, *map(len, texts)], dtype=np.int32)


@given(texts=TEXTS, pairs=st.sets(st.tuples(TOKENS, TOKENS)))
def test_pairs_are_found(texts, pairs):
    """Prevents pairs across two texts, pairs that are missed beside an empty text, and rows of another pair."""
    pairs = sorted(pairs, key=lambda pair: (pair[1], -pair[0]))  # not in the order in which they are kept
    table = np.arange(2.0 * len(pairs)).reshape(-1, 2) + 1
    bigrams = BigramTable(np.array(pairs, dtype=np.int32).reshape(-1, 2), table, n_tokens=N_TOKENS)
    rows, bounds = bigrams.find(*flat(texts))
    found = [[tuple(bigrams.pairs[row]) for row in rows[a:b]] for a, b in itertools.pairwise(bounds)]
    assert found == [[pair for pair in itertools.pairwise(text) if pair in pairs] for text in texts]
    sums = bigrams.sums(*flat(texts))
    row_of = dict(zip(pairs, table, strict=True))
    for text, total in zip(texts, sums, strict=True):
        expected = sum((row_of[pair] for pair in itertools.pairwise(text) if pair in row_of), np.zeros(2))
        np.testing.assert_allclose(total, expected)


@given(TEXTS)
def test_keys_of_all_pairs(texts):
    """Prevents counts of pairs that stand in two texts."""
    keys = pair_keys(*flat(texts), n_tokens=N_TOKENS)
    expected = [a * N_TOKENS + b for text in texts for a, b in itertools.pairwise(text)]
    assert keys.tolist() == expected


def test_large_numbers_of_tokens():
    """Prevents an overflow where the product of two token numbers needs more than 32 bits."""
    n_tokens = 300_000
    bigrams = BigramTable(np.array([[n_tokens - 1, n_tokens - 2]]), np.ones((1, 1)), n_tokens=n_tokens)
    ids = np.array([5, n_tokens - 1, n_tokens - 2], dtype=np.int32)
    assert bigrams.find(ids, np.array([0, 3], dtype=np.int32))[0].tolist() == [0]


def test_other_rows():
    """Prevents new rows from being sorted a second time."""
    bigrams = BigramTable(np.array([[2, 1], [0, 1]]), np.array([[1.0], [2.0]]), n_tokens=3)
    assert bigrams.pairs.tolist() == [[0, 1], [2, 1]]
    other = bigrams.with_rows(np.array([[7.0], [8.0]]))
    assert other.sums(*flat([[0, 1], [2, 1]])).tolist() == [[7.0], [8.0]]
    assert len(other) == 2


@pytest.mark.parametrize(
    ("pairs", "table", "message"),
    [
        (np.zeros((1, 3), dtype=int), np.ones((1, 2)), "shape"),
        (np.zeros((1, 2)), np.ones((1, 2)), "whole numbers"),
        (np.zeros(2, dtype=int), np.ones((1, 2)), "shape"),
        (np.zeros((1, 2), dtype=int), np.ones((2, 2)), "need as many rows"),
        (np.zeros((1, 2), dtype=int), np.ones(1), "need as many rows"),
        (np.array([[0, 4]]), np.ones((1, 2)), "there are those from 0 to 3"),
        (np.array([[-1, 0]]), np.ones((1, 2)), "there are those from 0 to 3"),
        (np.array([[1, 2], [1, 2]]), np.ones((2, 2)), "has two rows"),
    ],
)
def test_tables_that_do_not_fit(pairs, table, message):
    """Prevents an index error, or the row of another pair, from a damaged or hostile folder."""
    with pytest.raises(ModelFormatError, match=message):
        BigramTable(pairs, table, n_tokens=N_TOKENS)


def test_too_many_pairs(monkeypatch):
    """Prevents a folder that fills the memory."""
    monkeypatch.setattr("fewshot.encoders.bigrams.MOST_BIGRAMS", 1)
    with pytest.raises(ModelFormatError, match="more than 1"):
        BigramTable(np.array([[1, 2], [2, 1]]), np.ones((2, 2)), n_tokens=N_TOKENS)
