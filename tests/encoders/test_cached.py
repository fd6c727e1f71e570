"""Vectors are computed once, kept within bounds, and belong to one model."""

import sqlite3
import threading

import numpy as np
import pytest

from fewshot.core.errors import DataWarning, InputError
from fewshot.encoders import cached
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache, caches_passed_by, default_cache_folder

TEXTS = ["refund my card", "", "late parcel", "refund my card"]


def test_no_text_is_encoded_twice(toy_encoder, tmp_path):
    """Prevents work that was done: in this process by memory, in the next by the file."""
    first = CachedEncoder(toy_encoder, EmbeddingCache(tmp_path))
    vectors = first.encode(TEXTS)
    assert len(toy_encoder.encoded) == 3
    np.testing.assert_array_equal(first.encode(TEXTS[::-1]), vectors[::-1])
    assert len(toy_encoder.encoded) == 3
    fresh = type(toy_encoder)()
    np.testing.assert_array_equal(CachedEncoder(fresh, EmbeddingCache(tmp_path)).encode(TEXTS), vectors)
    assert fresh.calls == 0
    both = CachedEncoder(fresh, EmbeddingCache(tmp_path)).encode(["new", *TEXTS])
    assert fresh.encoded == ["new"]
    np.testing.assert_array_equal(both[1:], vectors)
    np.testing.assert_array_equal(vectors, type(toy_encoder)().encode(TEXTS))


def test_caches_can_be_passed_by(toy_encoder, tmp_path):
    """Prevents the speed of a dictionary from being told as that of an encoder, and a cache full of what was timed."""
    encoder = CachedEncoder(toy_encoder, EmbeddingCache(tmp_path))
    vectors = encoder.encode(TEXTS)
    with caches_passed_by():
        np.testing.assert_array_equal(encoder.encode(TEXTS), vectors)
        encoder.encode(["new"])
    assert toy_encoder.calls == 3
    assert EmbeddingCache(tmp_path).get(encoder.fingerprint, ["new"], dimension=encoder.dimension) == {}
    encoder.encode(TEXTS)
    assert toy_encoder.calls == 3
    encoder.encode(["new"])
    assert toy_encoder.calls == 4


def test_memory_only(toy_encoder):
    """Prevents a cache file where none was asked for."""
    encoder = CachedEncoder(toy_encoder)
    encoder.encode(TEXTS)
    encoder.encode(TEXTS)
    assert toy_encoder.calls == 1
    assert encoder.encode([]).shape == (0, toy_encoder.dimension)
    with pytest.raises(InputError, match="got one string"):
        encoder.encode("text")


def test_another_model_has_other_vectors(toy_encoder, tmp_path):
    """Prevents one model from being given the vectors of another."""
    cache = EmbeddingCache(tmp_path)
    CachedEncoder(toy_encoder, cache).encode(TEXTS)
    assert cache.get(toy_encoder.fingerprint, TEXTS, dimension=toy_encoder.dimension)
    assert cache.get("other", TEXTS, dimension=toy_encoder.dimension) == {}


def test_a_damaged_row_counts_as_absent(toy_encoder, tmp_path):
    """Prevents half a vector, or one of another dimension, from being used."""
    cache = EmbeddingCache(tmp_path)
    CachedEncoder(toy_encoder, cache).encode(TEXTS)
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE vectors SET vector = SUBSTR(vector, 1, 10)")
    connection.close()
    assert cache.get(toy_encoder.fingerprint, TEXTS, dimension=toy_encoder.dimension) == {}
    fresh = type(toy_encoder)()
    np.testing.assert_array_equal(CachedEncoder(fresh, cache).encode(TEXTS), toy_encoder.encode(TEXTS))
    assert len(cache.get(fresh.fingerprint, TEXTS[:3], dimension=fresh.dimension)) == 3


def test_positions_of_equal_texts(tmp_path):
    """Prevents a text that comes twice from being found once."""
    cache = EmbeddingCache(tmp_path)
    cache.put("m", ["a"], np.ones((1, 2), dtype=np.float32))
    assert sorted(cache.get("m", ["a", "b", "a"], dimension=2)) == [0, 2]


def test_the_oldest_leave_first(tmp_path, monkeypatch):
    """Prevents a cache that grows without end, or drops what is in use."""
    clock = iter(range(1000))
    monkeypatch.setattr(cached.time, "time", lambda: float(next(clock)))
    cache = EmbeddingCache(tmp_path, max_bytes=4 * 2 * 4)
    for text in "abcd":
        cache.put("m", [text], np.full((1, 2), ord(text), dtype=np.float32))
    cache.get("m", ["a"], dimension=2)
    cache.put("m", ["e", "f"], np.zeros((2, 2), dtype=np.float32))
    assert cache.size() == 32
    assert sorted(cache.get("m", list("abcdef"), dimension=2)) == [0, 3, 4, 5]
    assert cache.prune(8) == 3
    assert cache.prune(8) == 0
    assert cache.size() == 8


def test_many_keys(tmp_path):
    """Prevents more placeholders in one query than SQLite takes."""
    cache = EmbeddingCache(tmp_path)
    texts = [str(i) for i in range(3000)]
    cache.put("m", texts, np.arange(3000, dtype=np.float32)[:, None])
    found = cache.get("m", texts[::-1], dimension=1)
    assert [float(found[i][0]) for i in range(3000)] == list(range(3000))[::-1]


def test_many_writers(tmp_path):
    """Prevents "database is locked" where several runs share a cache, from its first opening on, pruning included."""
    failures = []

    def write(worker):
        try:
            cache = EmbeddingCache(tmp_path / "shared", max_bytes=4000)
            for i in range(12):
                texts = [f"{worker} {i} {j}" for j in range(20)]
                cache.put("m", texts, np.full((20, 4), worker, dtype=np.float32))
                found = cache.get("m", texts, dimension=4)
                assert all(np.all(vector == worker) for vector in found.values())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failures == []
    assert EmbeddingCache(tmp_path / "shared").size() <= 4000


def test_no_text_is_stored(toy_encoder, tmp_path):
    """Prevents private texts from lying in a cache folder."""
    secret = "the secret of the customer"
    CachedEncoder(toy_encoder, EmbeddingCache(tmp_path)).encode([secret])
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if secret.encode() in file.read_bytes()]


def test_the_folder_is_the_sessions(monkeypatch, tmp_path):
    """Prevents tests, and users who set ``FEWSHOT_CACHE``, from writing into the home folder."""
    monkeypatch.setenv("FEWSHOT_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path
    monkeypatch.delenv("FEWSHOT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "fewshot"


def test_a_bound_below_one(tmp_path):
    """Prevents a cache that drops each vector as it comes."""
    with pytest.raises(InputError, match="max_bytes must be at least 1"):
        EmbeddingCache(tmp_path, max_bytes=0)


def test_it_saves_what_is_behind(tiny_static, tmp_path):
    """Prevents a model folder without its encoder where vectors were cached."""
    encoder = CachedEncoder(tiny_static)
    assert (encoder.name, encoder.fingerprint) == (tiny_static.name, tiny_static.fingerprint)
    encoder.save(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


def test_a_cache_that_cannot_be_used_is_passed_by(toy_encoder, tmp_path):
    """Prevents a folder that may not be written to from ending a training; the cache only saves time."""
    (tmp_path / "embeddings.sqlite").mkdir()
    encoder = CachedEncoder(toy_encoder, EmbeddingCache(tmp_path))
    with pytest.warns(DataWarning, match="embeddings are not kept for other runs: .*FEWSHOT_CACHE"):
        vectors = encoder.encode(["a parcel", "a refund"])
    np.testing.assert_array_equal(vectors, toy_encoder.encode(["a parcel", "a refund"]))
    np.testing.assert_array_equal(encoder.encode(["a refund", "new"])[0], vectors[1])
