"""Which texts came before, against a set of strings."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.seen import SeenTexts, text_hashes, text_key

CHUNKS = st.lists(
    st.lists(st.sampled_from(["", "a", "A ", "b", "a b", "a\nB", "Straße", "STRASSE", "日本"]), max_size=9)
)


@given(CHUNKS)
@settings(deadline=None)
def test_new_is_what_a_set_of_keys_does_not_hold(chunks):
    """Prevents a copy that passes, and a first text that does not, wherever chunks are cut and merged."""
    seen, known = SeenTexts(), set()
    for texts in chunks:
        assert seen.holds(texts).tolist() == [text_key(text) in known for text in texts]
        expected = [not (text_key(text) in known or known.add(text_key(text))) for text in texts]
        assert seen.add(texts).tolist() == expected
    assert len(seen) == len(known)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_many_runs_lose_nothing(size):
    """Prevents a merge that forgets, or leaves an array unsorted in which a search then fails."""
    texts = [f"text {i}" for i in np.random.default_rng(0).integers(300, size=700)]
    seen = SeenTexts()
    new = np.concatenate([seen.add(texts[start : start + size]) for start in range(0, len(texts), size)])
    first = {text: i for i, text in reversed(list(enumerate(texts)))}
    assert np.flatnonzero(new).tolist() == sorted(first.values())
    assert seen.holds(texts).all()
    assert not seen.holds(["other"]).any()


def test_hashes_are_the_same_everywhere():
    """Prevents Python's hash of strings, which differs from process to process."""
    assert text_hashes(["Hello\tWorld"]).tobytes().hex() == "878633aa32a3b150"  # b2sum -l 64 of "hello world"
    assert text_hashes([]).shape == (0,)
    assert text_hashes(["a"]).dtype == np.uint64
    assert len(np.unique(text_hashes(map(str, range(10_000))))) == 10_000


def test_sixteen_bytes_a_text_at_most():
    """Prevents a set of Python integers, which takes 70."""
    seen, n = SeenTexts(), 100_000
    tracemalloc.start()
    for start in range(0, n, 1_000):
        seen.add([str(i) for i in range(start, start + 1_000)])
    at_rest, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert at_rest < 8.5 * n
    assert peak < 16 * n + 400_000  # the chunk of texts itself
