"""Each loss against loops over pairs in NumPy, on any labels."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.losses import (
    LOSSES,
    JointHeadLoss,
    PairwiseCosineLoss,
    SupervisedContrastiveLoss,
    TripletLoss,
    make_loss,
)
from fewshot.training.targets import EmbeddingSimilarity, LabelSimilarity


class Looked(nn.Module):
    """A model that looks its vectors up: features hold row numbers."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = nn.Parameter(torch.tensor(vectors))

    def get_embedding_dimension(self):
        return self.vectors.shape[1]

    def forward(self, features):
        return {"sentence_embedding": self.vectors[features["row"]]}


def cosine(a, b):
    """Compute a cosine in NumPy."""
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))


def looked_up_loss(vectors, targets, rows):
    """Compute the loss of these rows."""
    rows = torch.tensor(rows)
    return PairwiseCosineLoss(Looked(vectors), targets)({"row": rows}, rows)


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


def test_embedding_loss_is_the_double_loop():
    """Prevents targets from being taken by place in the batch, not by row, or from vectors that are not unit."""
    teacher, vectors, rows = vectors_for(7, seed=2, dimension=9), vectors_for(7, seed=3), [6, 0, 3, 2]
    differences = [
        cosine(vectors[i], vectors[j]) - cosine(teacher[i], teacher[j]) for i, j in itertools.combinations(rows, 2)
    ]
    loss = looked_up_loss(vectors, EmbeddingSimilarity(teacher), rows)
    assert loss.item() == pytest.approx(np.mean(np.square(differences)), abs=1e-6)


@pytest.mark.parametrize("y", [[0, 1, 2, 3], [0, 0, 0, 0], [0, 0], [0, 1]])
def test_one_sided_batches_train(y):
    """Prevents NaN where each class has one text, and where all texts are of one class."""
    model = Looked(vectors_for(len(y)))
    rows = torch.arange(len(y))
    loss = PairwiseCosineLoss(model, LabelSimilarity(np.array(y)))({"row": rows}, rows)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(model.vectors.grad).all()


def test_zero_vectors_and_one_text_give_no_nan():
    """Prevents NaN from an empty text's vector of zeros, and from a last batch of one text."""
    vectors = vectors_for(4)
    vectors[1] = 0.0
    assert torch.isfinite(looked_up_loss(vectors, LabelSimilarity(np.array([0, 0, 1, 1])), range(4)))
    assert looked_up_loss(vectors, EmbeddingSimilarity(vectors), [2]).item() == 0.0


def numpy_contrastive(cosines, targets, temperature):
    """Khosla et al. 2020, equation 2, text by text."""
    n, values = len(cosines), []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        mass = sum(max(targets[i, j], 0) for j in others)
        if mass > 1e-6:
            total = sum(math.exp(cosines[i, j] / temperature) for j in others)
            shares = [math.exp(cosines[i, j] / temperature) / total for j in others]
            values.append(-sum(max(targets[i, j], 0) * math.log(q) for j, q in zip(others, shares, strict=True)) / mass)
    return np.mean(values) if values else 0.0


def numpy_triplet(cosines, targets, margin):
    """Hermans et al. 2017, batch hard, text by text."""
    n, values = len(cosines), []
    for i in range(n):
        alike = [1 - cosines[i, j] for j in range(n) if j != i and targets[i, j] >= 0.5]
        unlike = [1 - cosines[i, j] for j in range(n) if j != i and targets[i, j] < 0.5]
        if alike and unlike:
            values.append(max(0.0, margin + max(alike) - min(unlike)))
    return np.mean(values) if values else 0.0


CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=10).map(np.array)
MATRICES = st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=1, max_size=10).map(np.array)
LABELS = CLASSES | MATRICES


@given(y=LABELS, seed=st.integers(0, 9))
def test_losses_agree_with_numpy(y, seed):
    """Prevents a mean over the wrong texts, the text itself among its pairs, and graded targets that count as 1."""
    vectors = vectors_for(len(y), seed=seed)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines, targets = unit @ unit.T, LabelSimilarity(y)(torch.arange(len(y)))[0].numpy()
    features, rows = {"row": torch.arange(len(y))}, torch.arange(len(y))
    for temperature in (0.1, 1.0):
        loss = SupervisedContrastiveLoss(Looked(vectors), LabelSimilarity(y), temperature)(features, rows)
        assert loss.item() == pytest.approx(numpy_contrastive(cosines, targets, temperature), abs=1e-4)
    loss = TripletLoss(Looked(vectors), LabelSimilarity(y), 0.4)(features, rows)
    assert loss.item() == pytest.approx(numpy_triplet(cosines, targets, 0.4), abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@given(y=LABELS)
def test_any_labels_give_a_finite_loss_and_gradient(name, y):
    """Prevents NaN from singletons, one class alone, texts without labels, one text, and a vector of zeros."""
    vectors = vectors_for(len(y))
    vectors[0] = 0.0
    model, rows = Looked(vectors), torch.arange(len(y))
    loss = make_loss(name, model, LabelSimilarity(y))({"row": rows}, rows)
    loss.backward()
    assert torch.isfinite(loss)
    assert loss >= 0
    assert torch.isfinite(model.vectors.grad).all()


@pytest.mark.parametrize("name", LOSSES)
@given(y=LABELS, data=st.data())
def test_the_order_of_a_batch_is_nothing(name, y, data):
    """Prevents targets from being taken by place in the batch."""
    loss = make_loss(name, Looked(vectors_for(len(y))), LabelSimilarity(y))
    rows = torch.arange(len(y))
    shuffled = torch.tensor(data.draw(st.permutations(range(len(y)))))
    assert loss({"row": rows}, rows).item() == pytest.approx(loss({"row": shuffled}, shuffled).item(), abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_take_a_teachers_cosines(name):
    """Prevents negative targets from pulling a loss below 0 or to NaN."""
    model, rows = Looked(vectors_for(6)), torch.arange(6)
    loss = make_loss(name, model, EmbeddingSimilarity(vectors_for(6, seed=5)))({"row": rows}, rows)
    loss.backward()
    assert loss > 0
    assert torch.isfinite(model.vectors.grad).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cosin", {}, "loss must be one of cosine, contrastive, triplet; got 'cosin'. Did you mean 'cosine'"),
        ("cosine", {"margin": 0.1}, "margin is no setting of the loss 'cosine'"),
        ("contrastive", {"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ("triplet", {"margin": 3.0}, "margin must be above 0 and at most 2"),
    ],
)
def test_what_is_no_loss(name, options, message):
    """Prevents a misspelt name from an error in the depths, and a setting from being ignored in silence."""
    with pytest.raises(InputError, match=message):
        make_loss(name, Looked(vectors_for(2)), LabelSimilarity(np.array([0, 1])), **options)


@pytest.mark.parametrize("y", [np.array([0, 2, 1, 0]), np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 1]])])
def test_joint_loss_is_pair_loss_and_cross_entropy(y):
    """Prevents a head that reads raw vectors, mistakes rows for places, or is exported without its scale."""
    vectors, rows = vectors_for(4), torch.tensor([2, 0, 3])
    pair = PairwiseCosineLoss(Looked(vectors), LabelSimilarity(y))
    loss = JointHeadLoss(pair, y, 3, weight=0.7)
    with torch.no_grad():
        loss.coef.copy_(torch.tensor(vectors_for(3, seed=4))), loss.intercept.copy_(torch.tensor([0.1, -0.2, 0.3]))
    coef, intercept = loss.head_arrays()
    assert coef.dtype == intercept.dtype == np.float64
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    logits = (unit @ coef.T + intercept)[rows]
    if y.ndim == 1:
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        expected = -np.mean([log_shares[i, y[row]] for i, row in enumerate(rows)])
    else:
        expected = np.mean(np.logaddexp(0, logits) - y[rows] * logits)
    value = loss({"row": rows}, rows).item() - pair({"row": rows}, rows).item()
    assert value == pytest.approx(0.7 * expected, rel=1e-4)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (np.array([0, 3]), {}, "y must hold numbers from 0 to 2, got 0 to 3"),
        (np.array([[0, 1]]), {}, r"y must have shape \(n,\) or \(n, 3\), got \(1, 2\)"),
        (np.array([0]), {"weight": -1.0}, "weight must be 0 or more"),
        (np.array([0]), {"learning_rate": 0.0}, "learning_rate must be above 0"),
    ],
)
def test_what_is_no_joint_head(y, options, message):
    """Prevents labels beyond the head's classes from an index error on a GPU."""
    pair = PairwiseCosineLoss(Looked(vectors_for(2)), LabelSimilarity(y))
    with pytest.raises(InputError, match=message):
        JointHeadLoss(pair, y, 3, **options)
