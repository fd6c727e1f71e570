"""Neighbours as a head against scikit-learn's, and against votes counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from fewshot.core.errors import InputError
from fewshot.heads import neighbors as neighbor_head
from fewshot.heads.neighbors import NeighborHead, fit_neighbors


def data(n=60, dimension=6, n_classes=3, seed=0, spread=0.4):
    """Make unit vectors around a centre for each class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = np.eye(n_classes, dimension)[y] + rng.normal(scale=spread, size=(n, dimension))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32), y


@pytest.mark.parametrize("k", [1, 4, 60])
def test_predictions_are_scikit_learns(k):
    """Prevents another distance than cosine, a vote of the wrong row, and smoothing that decides."""
    X, y = data()
    fresh, _ = data(n=100, seed=1)
    theirs = KNeighborsClassifier(k, metric="cosine", weights=lambda d: np.maximum(1 - d, 1e-6), algorithm="brute")
    head = fit_neighbors(X, y, n_classes=3, k=k)
    shares = theirs.fit(X, y).predict_proba(fresh)
    np.testing.assert_array_equal(head.predict_proba(fresh).argmax(axis=1), shares.argmax(axis=1))


def test_votes_by_hand():
    """Prevents a smoothing vote that is lost or counted twice."""
    X = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
    head = NeighborHead(X, np.eye(3)[[0, 1, 1]], multi_label=False, k=2)
    expected = np.array([1.0 + 0.5, 0.8 + 0.5, 0.0]) / (1.8 + 1)
    np.testing.assert_allclose(head.predict_proba(X[:1]), [expected], atol=1e-6)


def test_k_is_chosen_by_leave_one_out():
    """Prevents k=1, which is perfect where rows may vote for themselves, on labels with noise."""
    rng = np.random.default_rng(0)
    X, y = data(n=90, spread=0.2)
    y = np.where(rng.random(90) < 0.25, rng.integers(3, size=90), y)
    head = fit_neighbors(X, y, n_classes=3)
    right = [(fit_neighbors(X, y, n_classes=3, k=k).held_out().argmax(axis=1) == y).sum() for k in range(1, 17)]
    assert right[head.k - 1] == max(right)
    assert head.k > 1


def test_copies_do_not_vote_for_themselves():
    """Prevents a row from being its own neighbour; its copies are other texts and may vote."""
    X = np.repeat(np.eye(2, dtype=np.float32), [1, 20], axis=0)
    head = fit_neighbors(X, np.repeat([0, 1], [1, 20]), n_classes=2, k=1)
    assert head.held_out()[0].argmax() == 1


@given(st.integers(0, 10**6), st.integers(1, 70), st.booleans())
def test_log_likelihoods_are_finite(seed, k, multi_label):
    """Prevents a probability of 0 for a class that occurs, or of 1 beside it, whoever votes."""
    X, y = data(seed=seed, spread=2.0)
    head = fit_neighbors(X, np.eye(3, dtype=int)[y] if multi_label else y, n_classes=3, k=k)
    probabilities = head.predict_proba(-X)
    assert ((probabilities > 0) & (probabilities < 1)).all()
    if not multi_label:
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_blocks_do_not_show(monkeypatch):
    """Prevents a row lost, or left out wrongly, at the edge of two blocks."""
    X, y = data()
    head = fit_neighbors(X, y, n_classes=3, k=3)
    whole = head.predict_proba(X), head.held_out()
    monkeypatch.setattr(neighbor_head, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(head.predict_proba(X), whole[0], atol=1e-6)
    np.testing.assert_allclose(head.held_out(), whole[1], atol=1e-6)
    assert head.predict_proba(X[:0]).shape == (0, 3)


def test_balanced_votes_help_the_rare_class():
    """Prevents a weight that is chosen but not voted with, and one that is lost on disk."""
    X = np.array([[1, 0], [0.98, 0.2], [0.9, 0.43]], dtype=np.float32)
    y = np.array([0, 0, 1])
    at = np.array([[0.95, 0.31]])
    assert fit_neighbors(X, y, n_classes=2, k=3).predict_proba(at).argmax() == 0
    balanced = fit_neighbors(X, y, n_classes=2, k=3, class_weight="balanced").predict_proba(at)
    np.testing.assert_allclose(balanced, [[0.5, 0.5]], atol=0.02)


def test_the_least_k():
    """Prevents an index error far from the mistake."""
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        fit_neighbors(np.eye(2), np.arange(2), n_classes=2, k=0)
