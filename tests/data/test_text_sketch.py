"""What a sketch remembers of a set of texts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import ModelFormatError
from fewshot.data import text_sketch
from fewshot.data.text_sketch import MOST_HASHES, TextSketch


@settings(deadline=None)
@given(st.sets(st.integers(0, 60)), st.lists(st.integers(0, 60), max_size=30))
def test_of_few_texts_all_are_known(there, asked):
    """Prevents a text that was there from being missed, and another from being taken for it."""
    overlap = TextSketch.of(f"text {i}" for i in there).overlap(f" TEXT  {i} " for i in asked)
    assert overlap.found.tolist() == [i in there for i in asked]
    assert (overlap.n, overlap.is_exact) == (sum(i in there for i in asked), True)


def test_of_many_texts_the_share_is_estimated():
    """Prevents an overlap with a large pool from being missed, or told as if it were counted."""
    sketch = TextSketch.of(f"pool {i}" for i in range(50_000))
    assert (sketch.n, len(sketch.hashes)) == (50_000, MOST_HASHES)
    asked = [f"pool {i}" for i in range(0, 20_000, 2)] + [f"new {i}" for i in range(10_000)]
    overlap = sketch.overlap(asked)
    assert not overlap.is_exact
    assert overlap.n == pytest.approx(10_000, rel=0.15)
    assert not overlap.found[10_000:].any()
    assert 100 < overlap.found[:10_000].sum() < 400
    assert sketch.overlap(["new"]).n == sketch.overlap([]).n == 0


def test_parts_come_to_the_same(monkeypatch):
    """Prevents texts that come in several parts from being remembered otherwise than at once."""
    texts = [f"text {i}" for i in range(3_000)]
    whole = TextSketch.of(texts)
    monkeypatch.setattr(text_sketch, "AT_ONCE", 100)
    parts = TextSketch.of(iter(texts))
    np.testing.assert_array_equal(parts.hashes, whole.hashes)
    assert parts.n == whole.n == 3_000
    both = TextSketch.of(texts[:2_000]) | TextSketch.of(texts[1_000:])
    np.testing.assert_array_equal(both.hashes, whole.hashes)
    few = TextSketch.of(["a", "b"]) | TextSketch.of(["b", "c"])
    assert (few.n, few.is_whole) == (3, True)


@pytest.mark.parametrize("n", [0, 3, 5_000])
def test_it_is_kept_as_json(n):
    """Prevents a sketch that is read otherwise than it was written."""
    sketch = TextSketch.of(f"text {i}" for i in range(n))
    again = TextSketch.from_json(sketch.to_json())
    np.testing.assert_array_equal(again.hashes, sketch.hashes)
    assert again.n == sketch.n


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"n": 1, "hashes": "?"},
        {"n": 1, "hashes": "AAA="},
        {"n": 5, "hashes": ""},
        {"n": 1, "hashes": "AQAAAAAAAAABAAAAAAAAAA=="},
        {"n": 2, "hashes": "AgAAAAAAAAABAAAAAAAAAA=="},
    ],
)
def test_what_is_no_sketch_is_refused(value):
    """Prevents a torn file from saying that no text was used."""
    with pytest.raises(ModelFormatError, match="sketch"):
        TextSketch.from_json(value)
