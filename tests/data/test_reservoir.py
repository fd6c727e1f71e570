"""Reservoir sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.reservoir import Reservoir


def draw(n, size, seed, cut=7):
    """Return the numbers that stay of 0 … n - 1, in order."""
    reservoir = Reservoir(size, np.random.default_rng(seed))
    chunks = [list(map(str, range(start, min(start + cut, n)))) for start in range(0, n, cut)]
    entered = [int(text) for chunk in reservoir.enter(chunks) for text in chunk]
    rows = np.arange(len(entered)) if reservoir.rows is None else np.sort(reservoir.rows)
    return [entered[row] for row in rows]


@given(st.integers(0, 60), st.integers(1, 30), st.integers(0, 99), st.integers(1, 40))
@settings(deadline=None)
def test_size_order_and_independence_of_chunks(n, size, seed, cut):
    """Prevents a text twice, a changed order, and a sample that depends on how the file was cut."""
    drawn = draw(n, size, seed, cut)
    assert len(drawn) == min(n, size)
    assert drawn == sorted(set(drawn))
    assert drawn == draw(n, size, seed, cut=1)


@pytest.mark.parametrize("cut", [3, 100])
def test_every_text_has_the_same_chance(cut):
    """Prevents favouring the beginning of a file, or its end."""
    n, size, runs = 20, 5, 2_000
    counts = np.bincount(np.concatenate([draw(n, size, seed, cut) for seed in range(runs)]), minlength=n)
    expected = runs * size / n
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi-squared of 19 degrees of freedom, p = 0.001


def test_few_enter():
    """Prevents writing a whole file of which a thousandth is wanted."""
    reservoir = Reservoir(10, np.random.default_rng(0))
    entered = sum(map(len, reservoir.enter(["x"] * 1_000 for _ in range(20))))
    assert entered < 10 * (1 + np.log(20_000 / 10)) * 1.5
