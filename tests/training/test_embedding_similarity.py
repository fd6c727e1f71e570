"""The teacher's vectors as targets of pairs."""

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.training.targets import EmbeddingSimilarity
from tests.distillation.similarity_cases import unit, vectors_for


def test_without_weights_all_pairs_count_alike():
    """Prevents a text from being held against itself, and cosines of vectors that are not of unit length."""
    teacher, rows = vectors_for(7), [6, 0, 3, 2]
    targets, weights = EmbeddingSimilarity(teacher)(torch.tensor(rows))
    np.testing.assert_allclose(targets.numpy(), unit(teacher)[rows] @ unit(teacher)[rows].T, atol=1e-6)
    np.testing.assert_allclose(weights.numpy(), (1 - np.eye(4)) / 12, atol=1e-7)


def test_weights_are_products():
    """Prevents a text of weight 0 from counting as the other of a pair, and weights that do not sum to 1."""
    weight = np.array([0.5, 1.0, 0.0, 0.25])
    _, weights = EmbeddingSimilarity(vectors_for(4), weight)(torch.tensor([3, 2, 0]))
    expected = np.outer(weight[[3, 2, 0]], weight[[3, 2, 0]]) * (1 - np.eye(3))
    np.testing.assert_allclose(weights.numpy(), expected / expected.sum(), rtol=1e-6)


def test_between_two_sets_of_rows():
    """Prevents a row from being held against itself where it stands in both sets, at another place."""
    teacher = vectors_for(6)
    targets, weights = EmbeddingSimilarity(teacher).between(torch.tensor([4, 1]), torch.tensor([4, 1, 0, 4]))
    np.testing.assert_allclose(targets.numpy(), unit(teacher)[[4, 1]] @ unit(teacher)[[4, 1, 0, 4]].T, atol=1e-6)
    assert (weights > 0).tolist() == [[False, True, True, False], [True, False, True, True]]
    assert weights.sum().item() == pytest.approx(1.0)


def test_a_batch_without_any_weight():
    """Prevents NaN from a batch whose texts all count nothing."""
    teacher = EmbeddingSimilarity(vectors_for(4), np.array([0.0, 0.0, 1.0, 1.0]))
    assert not teacher(torch.tensor([0, 1]))[1].any()
    assert not teacher(torch.tensor([2]))[1].any()


def test_half_precision_on_disk(tmp_path):
    """Prevents a memory map from being read whole, and cosines computed in half precision."""
    vectors = unit(vectors_for(9)).astype(np.float16)
    np.save(tmp_path / "teacher.npy", vectors)
    mapped = np.load(tmp_path / "teacher.npy", mmap_mode="r")
    teacher = EmbeddingSimilarity(mapped)
    assert teacher.embeddings is mapped
    found = teacher.vectors(torch.tensor([8, 2]))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), unit(vectors[[8, 2]].astype(np.float32)), atol=1e-6)


def test_the_fingerprint_knows_vectors_and_weights():
    """Prevents a resume with other weights."""
    teacher, weight = vectors_for(4), np.array([1.0, 0.5, 1.0, 1.0])
    made = [
        EmbeddingSimilarity(teacher),
        EmbeddingSimilarity(teacher, weight),
        EmbeddingSimilarity(teacher, weight[::-1]),
        EmbeddingSimilarity(teacher + 1, weight),
    ]
    assert len({targets.fingerprint for targets in made}) == 4
    assert EmbeddingSimilarity(teacher.copy(), weight.copy()).fingerprint == made[1].fingerprint


@pytest.mark.parametrize(
    ("embeddings", "weight", "message"),
    [
        (np.zeros(3), None, r"embeddings must be a matrix of floating point numbers .* got shape \(3,\)"),
        (np.zeros((0, 3)), None, r"got shape \(0, 3\)"),
        (np.zeros((2, 3), dtype=int), None, "of int64"),
        (np.array([[1.0, np.nan]]), None, "embeddings must be finite, got NaN or infinity"),
        (np.eye(3), np.ones(2), r"weight must hold 3 numbers of 0 or more, .* got shape \(2,\)"),
        (np.eye(2), np.array([1.0, -1.0]), "numbers of 0 or more"),
        (np.eye(2), np.zeros(2), "not all 0"),
        (np.eye(2), np.array([1.0, np.nan]), "numbers of 0 or more"),
    ],
)
def test_what_is_refused(embeddings, weight, message):
    """Prevents a student that follows NaN, or learns from texts that all count nothing."""
    with pytest.raises(InputError, match=message):
        EmbeddingSimilarity(embeddings, weight)
