"""Choosing rows in proportion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.data import stratify
from fewshot.data.stratify import pick_multi, pick_single


@given(st.data())
def test_single_labels_keep_their_proportion(data):
    """Prevents a class that gets more than its share rounded up, where no bound asks for it."""
    counts = data.draw(st.lists(st.integers(4, 40), min_size=2, max_size=6))
    codes = np.repeat(np.arange(len(counts)), counts)
    size = data.draw(st.integers(len(codes) // 4 + len(counts), len(codes) // 2 + len(counts)))
    chosen = pick_single(codes, size, np.random.default_rng(0), both_sides=True)
    shares = np.bincount(codes[chosen], minlength=len(counts))
    quotas = np.array(counts) * size / len(codes)
    assert chosen.sum() == size
    assert (np.abs(shares - quotas) < 1.0001).all()


def test_unequal_shares_keep_the_number_of_labels():
    """Prevents a side that holds each class in proportion, but in rows of more labels than the others."""
    rng = np.random.default_rng(0)
    matrix = (rng.random((3000, 12)) < 0.4 * 0.7 ** np.arange(12)).astype(int)
    chosen = pick_multi(matrix, 600, rng, both_sides=True)
    assert matrix[chosen].sum() / 600 == pytest.approx(matrix.sum() / 3000, rel=0.01)
    assert np.allclose(matrix[chosen].sum(axis=0), matrix.sum(axis=0) / 5, atol=2)


def test_blocks_change_neither_size_nor_balance(monkeypatch):
    """Prevents an error in joining the blocks that keep large data sets fast."""
    monkeypatch.setattr(stratify, "BLOCK", 100)
    monkeypatch.setattr(stratify, "CANDIDATES", 20)
    rng = np.random.default_rng(1)
    matrix = (rng.random((950, 5)) < [0.5, 0.3, 0.2, 0.1, 0.01]).astype(int)
    chosen = pick_multi(matrix, 190, rng, both_sides=True)
    assert chosen.sum() == 190
    assert np.allclose(matrix[chosen].sum(axis=0), matrix.sum(axis=0) / 5, atol=3)


def test_all_rows_can_be_chosen():
    """Prevents a share of one, which the library cannot take."""
    assert pick_multi(np.eye(3, dtype=int), 3, np.random.default_rng(0), both_sides=False).all()


def test_a_bad_call_leaves_the_global_state(monkeypatch):
    """Prevents a seed that stays set because the library failed."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    from skmultilearn.model_selection import IterativeStratification

    def fails(self, X, y):
        np.random.rand()  # noqa: NPY002
        raise AttributeError

    monkeypatch.setattr(IterativeStratification, "split", fails)
    with pytest.raises(AttributeError):
        pick_multi(np.eye(3, dtype=int), 1, np.random.default_rng(0), both_sides=False)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
