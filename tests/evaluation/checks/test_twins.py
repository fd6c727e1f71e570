"""Pairs of vectors that point nearly the same way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.evaluation.checks import twins as module
from fewshot.evaluation.checks.twins import twins


@given(st.integers(2, 30), st.integers(0, 10_000), st.booleans())
def test_it_is_the_brute_force(n, seed, alone):
    """Prevents a row from being its own twin, a pair told twice, and rows past a block from being lost."""
    rng = np.random.default_rng(seed)
    vectors, others = rng.normal(size=(n, 3)), rng.normal(size=(7, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_AT_ONCE", 4)
        found = twins(vectors, None if alone else others, at_least=0.8)
    right = vectors if alone else others
    cosines = vectors @ right.T / np.linalg.norm(vectors, axis=1)[:, None] / np.linalg.norm(right, axis=1)
    expected = set()
    for row in range(n):
        places = range(row + 1, n) if alone else range(7)
        best = max(places, key=lambda place: cosines[row, place], default=None)
        if best is not None and cosines[row, best] >= 0.8:
            expected.add((row, best))
    assert {pair[:2] for pair in found} == expected
    assert [pair[2] for pair in found] == sorted((pair[2] for pair in found), reverse=True)


def test_nothing_and_zero_vectors():
    """Prevents a division by zero, and an error where no text was drawn."""
    assert twins(np.zeros((3, 2)), at_least=0.5) == []
    assert twins(np.empty((0, 2)), np.ones((2, 2)), at_least=0.5) == []
    assert twins(np.ones((2, 2)), np.empty((0, 2)), at_least=0.5) == []
