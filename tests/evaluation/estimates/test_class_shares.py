"""Shares of classes in a pool: told right where answers are known to err, and left alone where they know nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.evaluation.estimates.class_shares import class_shares


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(0, 99))
def test_shares_are_shares(n_classes, seed) -> None:
    """Prevents the negative shares of a plain inverse, whatever the counts are."""
    rng = np.random.default_rng(seed)
    confusion = rng.integers(0, 5, size=(3, n_classes, n_classes + 1)) + np.eye(n_classes, n_classes + 1)
    shares = class_shares(
        confusion,
        rng.multinomial(50, np.full(n_classes + 1, 1 / (n_classes + 1)), size=3),
        np.full(n_classes, 1 / n_classes),
    )
    assert shares.shape == (3, n_classes)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def test_known_errors_are_undone() -> None:
    """Prevents the answers from being counted as they are: here they say 50:50 of a pool that is 25:75."""
    chances = np.array([[0.8, 0.2], [0.4, 0.6]])
    told = np.array([0.25, 0.75]) @ chances * 10_000
    plain = np.linalg.solve(chances.T, told / told.sum())
    found = class_shares(chances * 10_000, told, prior=np.array([0.3, 0.7]))
    assert plain == pytest.approx([0.25, 0.75])
    assert found == pytest.approx(plain, abs=0.02)


def test_the_prior_pulls_as_hard_as_it_is_told_to() -> None:
    """Prevents shares of few labels that run to 0 and 1, and a prior that leaves nothing to the pool."""
    confusion, answered = np.array([[8.0, 2.0], [3.0, 7.0]]), np.array([95.0, 5.0])
    prior = np.array([0.5, 0.5])
    found = [class_shares(confusion, answered, prior, prior_weight=weight)[0] for weight in (0.0, 0.1, 1.0, 100.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.95
    assert found[-1] == pytest.approx(0.5, abs=0.01)


def test_answers_that_know_nothing_leave_the_prior() -> None:
    """Prevents shares made of noise where each class is given the same answers."""
    found = class_shares(np.full((2, 2), 20.0), np.array([90.0, 10.0]), prior=np.array([0.4, 0.6]))
    assert found == pytest.approx([0.4, 0.6])
