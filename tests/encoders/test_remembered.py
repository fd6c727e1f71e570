"""An encoder whose vectors are at hand and whose model is not."""

import numpy as np
import pytest

from fewshot.encoders.cached import EmbeddingCache
from fewshot.encoders.remembered import RememberedEncoder
from fewshot.encoders.resolve import unwrapped


@pytest.fixture
def remember(toy_encoder):
    """A function that makes one of the toy encoder, which knows two texts; and how often that was opened."""
    opened = []

    def open_toy():
        opened.append(toy_encoder)
        return toy_encoder

    def make(vectors, cache=None):
        named = {"name": "toy", "fingerprint": toy_encoder.fingerprint, "cache": cache}
        return RememberedEncoder(open_toy, ["a refund", "a parcel"], vectors, **named)

    make.opened = opened
    make.vectors = toy_encoder.encode(["a refund", "a parcel"])
    return make


def test_what_is_remembered_opens_no_model(remember, tmp_path):
    """Prevents each worker from loading hundreds of megabytes for vectors that are there."""
    np.save(tmp_path / "vectors.npy", remember.vectors)
    encoder = remember(np.load(tmp_path / "vectors.npy", mmap_mode="r"))
    np.testing.assert_array_equal(encoder.encode(["a parcel", "a refund", "a parcel"]), remember.vectors[[1, 0, 1]])
    assert (encoder.name, encoder.fingerprint, encoder.dimension) == ("toy", "toy-32", 32)
    assert remember.opened == []


def test_new_texts_and_training_open_the_model_once(remember, toy_encoder):
    """Prevents a method that trains from training a wrapper, and one that embeds more from failing."""
    encoder = remember(remember.vectors)
    np.testing.assert_array_equal(encoder.encode(["a refund", "new"]), toy_encoder.encode(["a refund", "new"]))
    assert unwrapped(encoder) is toy_encoder
    assert encoder.length_settings == {}
    assert remember.opened == [toy_encoder]


def test_texts_in_the_cache_open_no_model(remember, toy_encoder, tmp_path):
    """Prevents a worker from embedding a pool that another process has embedded."""
    cache = EmbeddingCache(tmp_path)
    cache.put(toy_encoder.fingerprint, ["kept"], np.ones((1, 32), dtype=np.float32))
    np.testing.assert_array_equal(remember(remember.vectors, cache).encode(["kept"]), np.ones((1, 32)))
    assert remember.opened == []
