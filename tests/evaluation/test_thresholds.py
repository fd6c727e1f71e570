"""The best threshold against trying them all."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.evaluation.thresholds import best_threshold

CELLS = st.lists(st.tuples(st.booleans(), st.integers(0, 40)), min_size=2, max_size=24).filter(
    lambda c: len(c) % 2 == 0
)


def micro_f1(y, predicted):
    """Compute micro-F1 by counting."""
    return 2 * (y & predicted).sum() / max(1, y.sum() + predicted.sum())


@given(CELLS)
def test_no_other_threshold_is_better(cells):
    """Prevents an off-by-one among sorted probabilities, and a threshold between two equal ones."""
    y = np.array([truth for truth, _ in cells]).reshape(-1, 2)
    probabilities = np.array([score / 40 for _, score in cells]).reshape(-1, 2)
    threshold = best_threshold(y.astype(int), probabilities)
    assert 0.0 < threshold <= 1.0
    if not y.any():
        assert threshold == 0.5
        return
    every = [micro_f1(y, probabilities >= cut) for cut in np.arange(1, 81) / 80]
    assert micro_f1(y, probabilities >= threshold) == pytest.approx(max(every))


@given(CELLS)
def test_ties_go_to_the_default(cells):
    """Prevents an extreme threshold where many are as good."""
    y = np.array([truth for truth, _ in cells]).reshape(-1, 2).astype(int)
    probabilities = np.array([score / 40 for _, score in cells]).reshape(-1, 2)
    chosen = best_threshold(y, probabilities)
    best = micro_f1(y.astype(bool), probabilities >= chosen)
    scores = [*sorted({0.0, *probabilities.ravel()}, reverse=True)]
    for high, low in itertools.pairwise(scores):
        middle = (high + low) / 2
        if micro_f1(y.astype(bool), probabilities >= middle) == pytest.approx(best) and y.any() and best > 0:
            assert abs(chosen - 0.5) <= abs(middle - 0.5) + 1e-12


def test_one_shape():
    """Prevents broadcasting a column of probabilities over a matrix of labels."""
    with pytest.raises(InputError, match="must have one shape"):
        best_threshold(np.ones((2, 2)), np.ones((2, 1)))
