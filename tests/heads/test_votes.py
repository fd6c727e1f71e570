"""Votes counted by hand."""

import itertools

import numpy as np
import pytest

from fewshot.heads import votes as votes_module
from fewshot.heads.votes import best_cell, count_votes, distance_weights, running_votes, score_grid

RNG = np.random.default_rng(0)
Y = (RNG.random((30, 4)) < 0.4).astype(np.uint8)
ROWS = np.array([RNG.permutation(30)[:6] for _ in range(25)])
WEIGHTS = RNG.random((25, 6))
TRUTH = (RNG.random((25, 4)) < 0.4).astype(np.uint8)


def test_sums_by_hand():
    """Prevents a vote that goes to another row's labels, and a place that is left out."""
    expected = np.einsum("nk,nkc->nc", WEIGHTS, Y[ROWS].astype(float))
    np.testing.assert_allclose(count_votes(Y, ROWS, WEIGHTS), expected)
    for k, totals in enumerate(running_votes(Y, ROWS, WEIGHTS), start=1):
        np.testing.assert_allclose(totals, np.einsum("nk,nkc->nc", WEIGHTS[:, :k], Y[ROWS[:, :k]].astype(float)))
    assert count_votes(Y, ROWS[:, :0], WEIGHTS[:, :0]).tolist() == np.zeros((25, 4)).tolist()


def f1(true, given):
    """Compute micro-F1 from its definition."""
    return 2 * (true & given).sum() / max(1, true.sum() + given.sum())


@pytest.mark.parametrize("weights", [WEIGHTS, np.ones((25, 6))], ids=["weighed", "counted"])
def test_every_k_and_every_m_by_hand(weights, monkeypatch):
    """Prevents a grid that misses its largest k or m, and blocks that show."""
    monkeypatch.setattr(votes_module, "ROWS_AT_ONCE", 7)
    grid = score_grid(Y, ROWS, weights, TRUTH, multi_label=True)
    assert grid.shape == (6, 6)
    for k, m in itertools.product(range(1, 7), repeat=2):
        if m > k:
            assert np.isnan(grid[k - 1, m - 1])
            continue
        shares = np.einsum("nk,nkc->nc", weights[:, :k], Y[ROWS[:, :k]].astype(float))
        shares /= weights[:, :k].sum(axis=1, keepdims=True)
        assert grid[k - 1, m - 1] == pytest.approx(f1(TRUTH == 1, shares >= m / k - 1e-9))


def test_counted_votes_reach_their_share():
    """Prevents a label with exactly m of k votes from being lost to rounding."""
    for k in range(1, 17):
        for m in range(1, k + 1):
            y = (np.arange(k) < m).astype(np.uint8)[:, None]
            weights = np.full((1, k), 0.1)  # ten of them do not sum to 1
            grid = score_grid(y, np.arange(k)[None], weights, np.ones((1, 1)), multi_label=True, k=k)
            assert grid[k - 1, :m].tolist() == [1.0] * m
            assert not grid[k - 1, m:].any()


def test_accuracy_by_hand():
    """Prevents another score than accuracy where each text has one label."""
    y, truth = np.eye(3, dtype=np.uint8)[RNG.integers(3, size=30)], np.eye(3, dtype=np.uint8)[RNG.integers(3, size=25)]
    grid = score_grid(y, ROWS, WEIGHTS, truth, multi_label=False)
    assert grid.shape == (6, 1)
    for k in range(1, 7):
        totals = np.einsum("nk,nkc->nc", WEIGHTS[:, :k], y[ROWS[:, :k]].astype(float))
        assert grid[k - 1, 0] == pytest.approx((totals.argmax(axis=1) == truth.argmax(axis=1)).mean())


def test_only_what_is_asked_for():
    """Prevents a k or a threshold of the user's from being tuned away."""
    grid = score_grid(Y, ROWS, WEIGHTS, TRUTH, multi_label=True, k=4)
    assert np.isfinite(grid).sum() == 4
    assert np.isfinite(grid[3, :4]).all()
    grid = score_grid(Y, ROWS, WEIGHTS, TRUTH, multi_label=True, threshold=0.5)
    assert np.argwhere(np.isfinite(grid)).tolist() == [[0, 0], [1, 0], [2, 1], [3, 1], [4, 2], [5, 2]]
    shares = count_votes(Y, ROWS, WEIGHTS) / WEIGHTS.sum(axis=1, keepdims=True)
    assert grid[5, 2] == pytest.approx(f1(TRUTH == 1, shares >= 0.5))


def test_no_labels_at_all():
    """Prevents a division by 0 where nothing is true and nothing is given."""
    none = np.zeros_like(TRUTH)
    assert score_grid(np.zeros_like(Y), ROWS, WEIGHTS, none, multi_label=True, k=1)[0, 0] == 0.0


def test_the_best_of_equals_is_near_five_and_a_half():
    """Prevents one neighbour, or all of them, from winning ties that say nothing."""
    assert best_cell(np.ones((9, 1))) == (5, 1)
    grid = np.tril(np.ones((9, 9)))
    grid[grid == 0] = np.nan
    assert best_cell(grid) in [(5, 2), (5, 3)]
    grid[7, 6] = 1.1
    assert best_cell(grid) == (8, 7)
    assert best_cell(np.full((2, 1), np.nan)) is None
    assert best_cell(np.empty((0, 1))) is None


def test_copies_share_the_votes():
    """Prevents infinite weights, and shares that hang on the last digit of a distance of almost nothing."""
    some, others = (distance_weights(np.array([[0.0, d, 0.5]]), length=1.0) for d in (0.0, 3e-4))
    assert np.isfinite(some).all()
    np.testing.assert_array_equal(some, others)
    assert some[0, :2].sum() / some.sum() > 0.98
    assert np.isfinite(distance_weights(np.zeros(2), length=0.0)).all()
