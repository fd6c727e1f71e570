"""Wilson's interval against SciPy's."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from fewshot.evaluation.wilson import wilson_interval


@given(st.integers(1, 200), st.integers(0, 200), st.sampled_from([0.5, 0.9, 0.99]))
def test_it_is_scipys(n, k, interval) -> None:
    """Prevents a bound of our own making: two rooms rest on it."""
    k = min(k, n)
    expected = binomtest(k, n).proportion_ci(interval, method="wilson")
    low, high = wilson_interval(k / n, n, norm.ppf((1 + interval) / 2))
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@example(0.0, 4.37, 1.6448536269514722)
@given(st.sampled_from([0.0, 1.0]), st.floats(0.5, 500), st.floats(0.1, 4))
def test_none_and_all_keep_their_ends(share, n, z) -> None:
    """Prevents a bound of -3e-17, which is no share, where rounding misses the last digit."""
    low, high = wilson_interval(share, n, z)
    assert 0 <= low <= share <= high <= 1
    assert (low if share == 0 else high) == share


def test_arrays_are_taken_row_by_row() -> None:
    """Prevents a curve of thresholds from being bounded by its first point."""
    low, _ = wilson_interval(np.array([0.5, 1.0]), np.array([10.0, 20.0]), 1.0)
    assert low.tolist() == [wilson_interval(0.5, 10.0, 1.0)[0], wilson_interval(1.0, 20.0, 1.0)[0]]
