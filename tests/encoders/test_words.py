"""Whole words as tokens, against plain regular expressions and against the tokenizer for other libraries."""

import copy
import pickle
import re
import unicodedata
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.encoders import words as words_module
from fewshot.encoders.words import WordTokenizer, split_words

WORDS = ["refund", "card", "größe", "café", "深", "r2", "_x", "a", "1"]
TEXT = st.text(max_size=20) | st.lists(st.sampled_from([*WORDS, "A", " ", "-", "GRÖSSE", "!"]), max_size=8).map("".join)


@pytest.fixture(scope="module")
def tokenizer():
    """A few words, a few buckets."""
    return WordTokenizer(WORDS, n_buckets=3)


@given(st.lists(TEXT, max_size=6))
def test_numbers_are_those_of_the_words(tokenizer, texts):
    """Prevents words of one text from reaching another, ends of texts taken for words, and a hash by the session."""
    ids, bounds = tokenizer.token_ids(texts)
    assert ids.dtype == bounds.dtype == np.int32
    assert len(bounds) == len(texts) + 1
    for i, text in enumerate(texts):
        words = re.findall(words_module.PATTERN, unicodedata.normalize("NFC", text.lower()))
        expected = [WORDS.index(word) + 1 if word in WORDS else 10 + zlib.crc32(word.encode()) % 3 for word in words]
        assert ids[bounds[i] : bounds[i + 1]].tolist() == expected
        assert split_words([text]) == words
    assert tokenizer.n_tokens == 13


def test_other_libraries_see_the_same_words(tokenizer):
    """Prevents a folder that SentenceTransformer reads otherwise, but for words without a row."""
    texts = ["Refund, refund my CARD!", "", "Größe_x  r2-d2 深山 café", "A\tcard\n1.1", "don't", "cafe\u0301 हिन्दी"]
    ids, bounds = tokenizer.token_ids(texts)
    for i, text in enumerate(texts):
        theirs = tokenizer.tokenizer.encode(text, add_special_tokens=False).ids
        ours = ids[bounds[i] : bounds[i + 1]]
        assert theirs == np.where(ours > len(WORDS), 0, ours).tolist()


def test_words_of_other_scripts():
    """Prevents words from being cut at the marks above their letters, and two words where one is spelt in two ways."""
    assert split_words(["Café CAFE\u0301 हिन्दी में שָׁלוֹם"]) == ["café", "café", "हिन्दी", "में", "שָׁלוֹם"]
    assert len(split_words(["深山发现的"])) == 5


def test_half_a_surrogate_pair(tokenizer):
    """Prevents a UnicodeEncodeError in the hash of a broken text."""
    ids, _ = tokenizer.token_ids(["x\ud800y card"])
    assert ids[-1] == 2


def test_copies(tokenizer):
    """Prevents a classifier that joblib or scikit-learn's clone cannot copy."""
    for other in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        np.testing.assert_array_equal(other.token_ids(["card, odd word"])[0], tokenizer.token_ids(["card odd word"])[0])


@pytest.mark.parametrize(
    ("words", "n_buckets", "message"),
    [
        (["a", "a"], 1, "words must be different; 1 of 2"),
        (["a", ""], 1, "not empty"),
        (["[UNK]"], 1, "not '.UNK.'"),
        (["\ud800"], 1, "words must be texts"),
        ([3], 1, "words must be texts"),
        (["a"], 0, "n_buckets must be from 1"),
        (["a"], -1, "n_buckets must be from 1"),
        (["a"], 2**40, "n_buckets must be from 1"),
        (["a"], words_module.MOST_ROWS, "take fewer words"),
    ],
)
def test_vocabularies_that_are_refused(words, n_buckets, message):
    """Prevents two rows for a word, a division by zero in the hash, and a table that fills the memory."""
    with pytest.raises(InputError, match=message):
        WordTokenizer(words, n_buckets=n_buckets)


def test_no_words_at_all():
    """Prevents an error where everything is hashed."""
    ids, _ = WordTokenizer([], n_buckets=1).token_ids(["refund my card"])
    assert ids.tolist() == [1, 1, 1]
