"""What is remembered of training texts: few rows, of all classes, whole after saving."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fewshot.core.errors import ModelFormatError
from fewshot.heads.memory import Memory, remembered
from fewshot.heads.scope import ScopeDetector


def vectors(n, dimension=8, seed=0):
    """Return unit vectors."""
    X = np.random.default_rng(seed).normal(size=(n, dimension))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


def test_few_rows_are_all_remembered_in_order():
    """Prevents rows from being shuffled away from their classes."""
    X, y = vectors(9), np.arange(9) % 3
    memory = Memory.of(X, y)
    np.testing.assert_allclose(memory.X, X, atol=1e-3)
    assert memory.y.tolist() == y.tolist()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(4, 20))
def test_of_many_rows_all_classes_are_remembered(y, max_rows):
    """Prevents a rare class from being forgotten, after which no update could bring it back."""
    y = np.array(y)
    memory = Memory.of(vectors(len(y)), y, max_rows=max_rows)
    assert len(memory.y) == min(len(y), max_rows)
    assert set(memory.y) == set(y)
    for row, label in zip(memory.X, memory.y, strict=True):
        twins = np.flatnonzero((vectors(len(y)).astype(np.float16) == row).all(axis=1))
        assert label in y[twins]


@given(arrays.arrays(np.int64, (30, 3), elements=st.integers(0, 1)))
def test_rows_with_several_labels_keep_them(y):
    """Prevents a multi-label row from being remembered with another's labels."""
    X = vectors(30)
    memory = Memory.of(X, y, max_rows=12)
    assert memory.y.shape == (12, 3)
    places = [int(np.flatnonzero((X.astype(np.float16) == row).all(axis=1))[0]) for row in memory.X]
    assert places == sorted(places)
    np.testing.assert_array_equal(memory.y, y[places])


def test_the_choice_is_the_same_twice():
    """Prevents model folders that differ from run to run."""
    X, y = vectors(50), np.arange(50) % 7
    one, two = Memory.of(X, y, max_rows=20), Memory.of(X, y, max_rows=20)
    np.testing.assert_array_equal(one.X, two.X)


@pytest.mark.parametrize("multi_label", [False, True])
def test_arrays_give_the_memory_back(multi_label):
    """Prevents a loaded classifier from knowing less than the saved one."""
    y = np.arange(6) % 3
    memory = Memory.of(vectors(6), np.eye(3, dtype=int)[y] if multi_label else y)
    others = {"coef": np.zeros(2)}
    again = remembered(memory.arrays() | others, n_classes=3, multi_label=multi_label)
    np.testing.assert_array_equal(again.X, memory.X)
    np.testing.assert_array_equal(again.y, memory.y)
    assert remembered(others, n_classes=3, multi_label=multi_label) is None


X, Y = np.ones((2, 4), dtype=np.float16), np.array([0, 1], dtype=np.int32)
HURT = np.where(np.eye(2, 4), np.nan, X)


@pytest.mark.parametrize(
    ("X", "y", "multi_label"),
    [
        (X, Y[:1], False),
        (X[0], Y, False),
        (X[:0], Y[:0], False),
        (X, np.array([0, 3]), False),
        (X, np.array([-1, 0]), False),
        (X, np.eye(2, 3), False),
        (X, np.array([0.0, 1.0]), False),
        (HURT, Y, False),
        (X, Y, True),
        (X, np.eye(2, dtype=int), True),
    ],
)
def test_damaged_arrays_are_refused(X, y, multi_label):
    """Prevents an IndexError, or NaN for a distance, long after a damaged folder was opened."""
    with pytest.raises(ModelFormatError, match="damaged"):
        Memory.from_arrays({"memory_X": X, "memory_y": y}, n_classes=3, multi_label=multi_label)


def test_scope_takes_the_threshold_that_is_known():
    """Prevents a loaded classifier from drawing the line elsewhere, or a given threshold from being measured anew."""
    X, y = vectors(20), np.arange(20) % 2
    memory = Memory.of(X, y)
    assert memory.scope(0.375).threshold == 0.375
    assert memory.scope(held_out_scores=np.full(30, 0.25)).threshold == 0.25
    np.testing.assert_allclose(memory.scope().threshold, ScopeDetector.fit(X, y).threshold, rtol=1e-2)
    np.testing.assert_allclose(memory.scope(0.5).score(X), ScopeDetector.fit(X, y).score(X), atol=1e-2)
