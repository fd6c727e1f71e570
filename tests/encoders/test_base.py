"""What :meth:`Encoder.encode` does for every encoder: order, duplicates, chunks, bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.encoders import base
from fewshot.encoders.base import Encoder


class Lengths(Encoder):
    """The vector of a text is its length and its first sign."""

    name, dimension, fingerprint = "lengths", 2, "lengths"

    def __init__(self):
        self.batches = []

    def _encode_batch(self, texts):
        self.batches.append(list(texts))
        return np.array([[len(text), ord(text[0]) if text else 0] for text in texts])

    def save(self, folder):
        raise NotImplementedError


@given(st.lists(st.text(alphabet="abc", max_size=6)))
def test_rows_are_in_the_order_of_the_texts(texts):
    """Prevents vectors from coming back sorted by length, or duplicates from shifting the rows."""
    encoder = Lengths()
    vectors = encoder.encode(texts)
    assert vectors.shape == (len(texts), 2)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[len(text), ord(text[0]) if text else 0] for text in texts]
    seen = [text for batch in encoder.batches for text in batch]
    assert len(seen) == len(set(seen)) == len(set(texts))


def test_chunks_hold_texts_of_like_length(monkeypatch):
    """Prevents one long text from padding a thousand short ones, and chunks from losing rows."""
    monkeypatch.setattr(base, "CHUNK_TEXTS", 3)
    encoder = Lengths()
    texts = ["a" * n for n in (5, 1, 4, 2, 3, 7, 6)]
    assert encoder.encode(texts)[:, 0].tolist() == [5, 1, 4, 2, 3, 7, 6]
    assert [[len(text) for text in batch] for batch in encoder.batches] == [[7, 6, 5], [4, 3, 2], [1]]


def test_no_text():
    """Prevents a crash in an empty batch, and a result without its width."""
    assert Lengths().encode([]).shape == (0, 2)
    assert Lengths().encode([]).dtype == np.float32


@pytest.mark.parametrize(
    "texts", ["one text", [None], ["a", 3], ["a", b"b"], [["a"]], [float("nan")], iter(["a"]), ["ü", "bad \ud800 text"]]
)
def test_bad_texts(texts):
    """Prevents a string from being read as letters, a missing cell as 'nan', and errors of tokenizers deep inside."""
    with pytest.raises(InputError, match="texts"):
        Lengths().encode(texts)


def test_the_toy_encoder_separates_topics(toy_encoder, single):
    """Prevents tests that pass or fail by luck: the toy encoder of the tests must know topics apart."""
    nearest = toy_encoder.encode(single.test_texts) @ toy_encoder.encode(single.texts).T
    right = np.array(single.labels)[nearest.argmax(axis=1)] == np.array(single.test_labels)
    assert right.mean() >= 0.9
