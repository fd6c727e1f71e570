"""The pool's words and pairs, against plain counting."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.distillation import pool_vocabulary
from fewshot.distillation.pool_vocabulary import frequent_bigrams, frequent_words
from fewshot.encoders.words import split_words

TEXTS = st.lists(st.lists(st.sampled_from(["card", "Card", "late", "x", "!"]), max_size=6).map(" ".join), max_size=8)


@given(TEXTS, st.integers(0, 4), st.integers(1, 3))
def test_words_are_counted(texts, n_words, least_count):
    """Prevents words across two texts, and an order that changes from run to run."""
    words, counts = frequent_words(iter(texts), n_words, least_count=least_count)
    counted = Counter(word for text in texts for word in split_words([text]))
    expected = sorted(((-n, word) for word, n in counted.items() if n >= least_count))[:n_words]
    assert list(zip((-counts).tolist(), words, strict=True)) == expected


@given(texts=TEXTS)
def test_bigrams_are_counted(tiny_static, texts):
    """Prevents pairs across two texts, also where the texts come in several parts."""
    pairs = frequent_bigrams(tiny_static, iter(texts), 5, least_count=1)
    encode = tiny_static.tokenizer.encode
    ids = [encode(text, add_special_tokens=False).ids for text in texts]
    counted = Counter(pair for tokens in ids for pair in itertools.pairwise(tokens))
    expected = sorted((-n, pair) for pair, n in counted.items())[:5]
    assert pairs.dtype == np.int32
    assert pairs.tolist() == [list(pair) for _, pair in expected]


def test_a_stream_in_parts(tiny_static, pool, monkeypatch):
    """Prevents parts of a pool from being counted apart."""
    whole = frequent_words(pool, 20), frequent_bigrams(tiny_static, pool, 20)
    monkeypatch.setattr(pool_vocabulary, "_CHUNK_TEXTS", 7)
    parts = frequent_words(pool, 20), frequent_bigrams(tiny_static, pool, 20)
    assert parts[0][0] == whole[0][0]
    np.testing.assert_array_equal(parts[0][1], whole[0][1])
    np.testing.assert_array_equal(parts[1], whole[1])


def test_counts_are_bounded(tiny_static, monkeypatch):
    """Prevents a pool of many millions of texts from filling the memory with words that come once."""
    texts = [f"card late a{i} b{i}" for i in range(300)]
    monkeypatch.setattr(pool_vocabulary, "_CHUNK_TEXTS", 10)
    monkeypatch.setattr(pool_vocabulary, "MOST_COUNTED", 50)
    words, counts = frequent_words(texts)
    assert (words, counts.tolist()) == (["card", "late"], [300, 300])
    first = frequent_bigrams(tiny_static, texts)[0].tolist()
    assert first == [tiny_static.tokenizer.token_to_id(word) for word in ("card", "late")]


def test_words_that_get_no_row():
    """Prevents half a surrogate pair, which no file can hold, and addresses of a thousand letters."""
    texts = [f"\ud800 {'x' * 65} {'y' * 64} ok"] * 3
    assert frequent_words(texts)[0] == ["ok", "y" * 64]


def test_an_empty_pool(tiny_static):
    """Prevents an error at nothing, where a caller's message would be clearer."""
    words, counts = frequent_words([])
    assert (words, len(counts)) == ([], 0)
    assert frequent_bigrams(tiny_static, ["", "card"]).shape == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": "one text"}, "got one string"),
        ({"texts": ["a", None]}, "must be a string"),
        ({"texts": [], "n": -1}, "must be from 0"),
        ({"texts": [], "n": 10**9}, "must be from 0"),
        ({"texts": [], "least_count": 0}, "least_count must be at least 1"),
    ],
)
def test_what_is_refused(tiny_static, arguments, message):
    """Prevents a string from being counted letter by letter, and tables that fill the memory."""
    texts, n = arguments["texts"], arguments.get("n", 5)
    options = {name: arguments[name] for name in ("least_count",) if name in arguments}
    with pytest.raises(InputError, match=message):
        frequent_words(texts, n, **options)
    with pytest.raises(InputError, match=message):
        frequent_bigrams(tiny_static, texts, n, **options)
