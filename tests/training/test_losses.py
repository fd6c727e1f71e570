"""The pairwise loss against double loops over pairs."""

import copy
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.losses import CPU_ROWS, EmbeddingSimilarity, LabelSimilarity, PairwiseCosineLoss, embed

TEXTS = ["refund", "late parcel again please", "password", "", "a b c d e f g h i j", "the card", "x y", "code"]
MANY = [f"{text} {i} {text}" for i, text in enumerate(TEXTS * 3)]


class Looked(nn.Module):
    """A model that looks its vectors up: features hold row numbers."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = nn.Parameter(torch.tensor(vectors))

    def forward(self, features):
        return {"sentence_embedding": self.vectors[features["row"]]}


def cosine(a, b):
    """Compute a cosine in NumPy."""
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))


def looked_up_loss(vectors, targets, rows):
    """Compute the loss of these rows."""
    rows = torch.tensor(rows)
    return PairwiseCosineLoss(Looked(vectors), targets)([{"row": rows}], rows)


def vectors_for(n, seed=0, dimension=5):
    """Draw vectors of uneven lengths."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dimension)) * rng.uniform(0.1, 9.0, size=(n, 1))


def test_label_loss_is_the_double_loop():
    """Prevents the diagonal, the wrong half or raw dot products from entering the loss."""
    y, rows = np.array([0, 1, 0, 2, 1, 0]), [5, 1, 2, 0, 4]
    vectors = vectors_for(6)
    squares = {True: [], False: []}
    for i, j in itertools.combinations(rows, 2):
        same = bool(y[i] == y[j])
        squares[same].append((cosine(vectors[i], vectors[j]) - same) ** 2)
    expected = (np.mean(squares[True]) + np.mean(squares[False])) / 2
    assert looked_up_loss(vectors, LabelSimilarity(y), rows).item() == pytest.approx(expected, abs=1e-6)


def test_multi_label_loss_is_the_double_loop():
    """Prevents a Jaccard overlap that divides by the wrong union, and weights that favour one kind of pair."""
    sets = [{0}, {0, 1}, {1, 2}, set(), set(), {0, 1, 2}]
    y = np.array([[int(label in labels) for label in range(3)] for labels in sets])
    vectors = vectors_for(6, seed=1)
    pairs = list(itertools.combinations(range(6), 2))
    overlap = {(i, j): len(sets[i] & sets[j]) / len(u) if (u := sets[i] | sets[j]) else 1.0 for i, j in pairs}
    alike, unlike = sum(overlap.values()), sum(1 - value for value in overlap.values())
    expected = 0.0
    for (i, j), target in overlap.items():
        weight = (target / alike + (1 - target) / unlike) / 2
        expected += weight * (cosine(vectors[i], vectors[j]) - target) ** 2
    assert looked_up_loss(vectors, LabelSimilarity(y), range(6)).item() == pytest.approx(expected, abs=1e-6)
    targets, _ = LabelSimilarity(y)(torch.arange(6))
    by_hand = {(0, 1): 1 / 2, (1, 2): 1 / 3, (1, 5): 2 / 3, (0, 2): 0.0, (3, 4): 1.0, (0, 3): 0.0}
    for pair, value in by_hand.items():
        assert targets[pair].item() == pytest.approx(value)


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


def test_embedding_loss_is_the_double_loop():
    """Prevents targets from being taken by place in the batch, not by row, or from vectors that are not unit."""
    teacher, vectors, rows = vectors_for(7, seed=2, dimension=9), vectors_for(7, seed=3), [6, 0, 3, 2]
    differences = [
        cosine(vectors[i], vectors[j]) - cosine(teacher[i], teacher[j]) for i, j in itertools.combinations(rows, 2)
    ]
    loss = looked_up_loss(vectors, EmbeddingSimilarity(teacher), rows)
    assert loss.item() == pytest.approx(np.mean(np.square(differences)), abs=1e-6)


def test_embedding_targets_read_a_memory_map(tmp_path):
    """Prevents a pool of millions of vectors from being copied into memory."""
    np.save(tmp_path / "teacher.npy", vectors_for(6).astype(np.float32))
    mapped = np.load(tmp_path / "teacher.npy", mmap_mode="r")
    targets = EmbeddingSimilarity(mapped)
    assert targets.embeddings is mapped
    assert targets(torch.tensor([4, 1]))[0].shape == (2, 2)


ROWS = st.lists(st.integers(0, 4), min_size=2, max_size=12)


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


@pytest.mark.parametrize("y", [[0, 1, 2, 3], [0, 0, 0, 0], [0, 0], [0, 1]])
def test_one_sided_batches_train(y):
    """Prevents NaN where each class has one text, and where all texts are of one class."""
    model = Looked(vectors_for(len(y)))
    rows = torch.arange(len(y))
    loss = PairwiseCosineLoss(model, LabelSimilarity(np.array(y)))([{"row": rows}], rows)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(model.vectors.grad).all()


def test_zero_vectors_and_one_text_give_no_nan():
    """Prevents NaN from an empty text's vector of zeros, and from a last batch of one text."""
    vectors = vectors_for(4)
    vectors[1] = 0.0
    assert torch.isfinite(looked_up_loss(vectors, LabelSimilarity(np.array([0, 0, 1, 1])), range(4)))
    assert looked_up_loss(vectors, EmbeddingSimilarity(vectors), [2]).item() == 0.0


def test_two_columns_are_refused():
    """Prevents lists of pairs, as other trainers give them, from being read as texts."""
    with pytest.raises(InputError, match="takes one column of texts, got 2"):
        PairwiseCosineLoss(Looked(vectors_for(2)), LabelSimilarity(np.zeros(2)))([{}, {}], torch.arange(2))


def test_groups_of_like_length_are_one_forward_pass(tiny_model):
    """Prevents rows that come back in another order, lose a token, or see another text's padding."""
    model = copy.deepcopy(tiny_model).eval()
    features = model.preprocess(MANY) if hasattr(model, "preprocess") else model.tokenize(MANY)
    assert len(MANY) > CPU_ROWS

    def gradients(vectors):
        model.zero_grad()
        (vectors * torch.arange(vectors.numel()).view_as(vectors).cos()).sum().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    whole = model(dict(features))["sentence_embedding"]
    grouped = embed(model, dict(features))
    torch.testing.assert_close(grouped, whole, atol=1e-5, rtol=0)
    for one, other in zip(gradients(grouped), gradients(whole), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_other_padding_is_passed_on_whole(tiny_model):
    """Prevents left-padded texts from losing their end."""
    features = tiny_model.preprocess(MANY) if hasattr(tiny_model, "preprocess") else tiny_model.tokenize(MANY)
    tensors = {k: v for k, v in features.items() if isinstance(v, torch.Tensor)}
    flipped = {**features, **{k: v.flip(1) for k, v in tensors.items() if v.ndim == 2}}
    with torch.no_grad():
        expected = tiny_model(dict(flipped))["sentence_embedding"]
        torch.testing.assert_close(embed(tiny_model, dict(flipped)), expected, atol=1e-5, rtol=0)
