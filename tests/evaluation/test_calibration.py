"""Expected calibration error by its definition, bin by bin, and at its ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.evaluation.calibration import expected_calibration_error


def by_definition(confidence, right, bins):
    """Guo et al. 2017, equation 3, in a loop."""
    total = 0.0
    for m in range(1, bins + 1):
        inside = (confidence > (m - 1) / bins) & (confidence <= m / bins)
        if inside.any():
            total += inside.sum() / len(confidence) * abs(right[inside].mean() - confidence[inside].mean())
    return total


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 20))
def test_the_definition(seed, n, bins):
    """Prevents bins of the wrong width, and a mean over bins that ignores how full they are."""
    rng = np.random.default_rng(seed)
    probabilities, y = rng.dirichlet(np.ones(3), size=n), rng.integers(3, size=n)
    error = expected_calibration_error(y, probabilities, bins)
    right = probabilities.argmax(axis=1) == y
    assert error == pytest.approx(by_definition(probabilities.max(axis=1), right, bins))
    assert 0 <= error <= 1


@given(st.integers(0, 10**6), st.integers(1, 20))
def test_multi_label_judges_every_probability(seed, bins):
    """Prevents the top label alone from being judged where labels stand each for themselves."""
    rng = np.random.default_rng(seed)
    probabilities, y = rng.random((20, 3)), rng.integers(2, size=(20, 3))
    error = expected_calibration_error(y, probabilities, bins)
    assert error == pytest.approx(by_definition(probabilities.ravel(), y.ravel(), bins))


def test_perfect_calibration_is_zero():
    """Prevents an error where confidence is exactly the share that is right."""
    y, probabilities = [], []
    for tenths in range(5, 11):
        probabilities += [[tenths / 10, 1 - tenths / 10]] * 10
        y += [0] * tenths + [1] * (10 - tenths)
    assert expected_calibration_error(np.array(y), np.array(probabilities)) == pytest.approx(0, abs=1e-12)


def test_edges_belong_to_a_bin():
    """Prevents probabilities of 0 and 1, and of 1 and a little by rounding, from falling out."""
    y = np.array([[1, 0, 1]])
    assert expected_calibration_error(y, np.array([[0.0, 1.0, 1.0000001]])) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("y", "probabilities", "bins", "message"),
    [
        (np.zeros(2, dtype=int), np.ones((1, 2)), 15, "got shapes"),
        (np.zeros(0, dtype=int), np.ones((0, 2)), 15, "at least 1"),
        (np.zeros((1, 3)), np.ones((1, 2)), 15, "got shapes"),
        (np.zeros(1, dtype=int), np.array([[3.0, -2.0]]), 15, "not logits"),
        (np.zeros(1, dtype=int), np.array([[np.nan, 0.5]]), 15, "from 0 to 1"),
        (np.zeros(1, dtype=int), np.ones((1, 2)), 0, "bins must be at least 1"),
    ],
)
def test_what_cannot_be_judged_is_named(y, probabilities, bins, message):
    """Prevents an error of logits, or of nothing, that looks like a number."""
    with pytest.raises(InputError, match=message):
        expected_calibration_error(y, probabilities, bins)
