"""Targets and weights of pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewshot.training.targets import EmbeddingSimilarity, LabelSimilarity, array_fingerprint

ROWS = st.lists(st.integers(0, 4), min_size=2, max_size=12)


def test_a_thin_overlap_weighs_as_much_as_the_rest():
    """Prevents the one pair that shares a label in part from counting less than all pairs that share none."""
    y = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 1, 1], [0, 0, 0, 0, 1]])[:2]
    targets, weights = LabelSimilarity(y)(torch.arange(2))
    assert targets[0, 1].item() == pytest.approx(0.2)
    assert weights.sum().item() == pytest.approx(1.0)
    y = np.array([[1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 1]])
    targets, weights = LabelSimilarity(y)(torch.arange(3))
    negative = (1 - targets - torch.eye(3)).clamp_min(0)
    assert weights[0, 1].item() * 2 == pytest.approx(0.5 + 0.5 * 0.8 / (negative.sum().item() / 2), abs=1e-5)


def test_embedding_targets_read_a_memory_map(tmp_path):
    """Prevents a pool of millions of vectors from being copied into memory."""
    np.save(tmp_path / "teacher.npy", np.ones((6, 5), dtype=np.float32))
    mapped = np.load(tmp_path / "teacher.npy", mmap_mode="r")
    targets = EmbeddingSimilarity(mapped)
    assert targets.embeddings is mapped
    assert targets(torch.tensor([4, 1]))[0].shape == (2, 2)


@given(ROWS)
def test_label_weights_sum_to_one(y):
    """Prevents a loss whose size depends on which classes share a batch, one class or all apart included."""
    targets, weights = LabelSimilarity(np.array(y))(torch.arange(len(y)))
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert not weights.diagonal().any()
    assert torch.equal(weights, weights.T)
    kinds = [weights[(targets == kind) & ~torch.eye(len(y), dtype=torch.bool)].sum().item() for kind in (0.0, 1.0)]
    if all(kinds):
        assert kinds == pytest.approx([0.5, 0.5], abs=1e-5)


@given(st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=2, max_size=10))
def test_multi_label_weights_sum_to_one(y):
    """Prevents the same in multi-label batches, texts without a label included."""
    targets, weights = LabelSimilarity(np.array(y))(torch.arange(len(y)))
    assert torch.isfinite(targets).all()
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-5)


def test_fingerprints_tell_targets_apart():
    """Prevents a resume with other labels or another teacher, a value in the last row of a large array included."""
    large = np.zeros((5000, 2), dtype=np.float32)
    other = large.copy()
    other[-1, -1] = 1.0
    arrays = [large, other, large.astype(np.float64), large[:-1], large.T.copy()]
    assert len({array_fingerprint(array) for array in arrays}) == len(arrays)
    assert EmbeddingSimilarity(large).fingerprint == EmbeddingSimilarity(large.copy()).fingerprint
    assert LabelSimilarity(np.array([0, 1])).fingerprint != LabelSimilarity(np.array([1, 0])).fingerprint
