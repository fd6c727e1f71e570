"""Relations of the student's texts against the teacher's, by loops in NumPy."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.distillation.relational_losses import RelationalLoss, SoftmaxSimilarityLoss
from fewshot.training.targets import EmbeddingSimilarity
from tests.distillation.similarity_cases import Looked, angle_loss, distance_loss, softmax_loss, value, vectors_for

WEIGHTS = [np.ones(6), np.array([1.0, 0.2, 0.0, 0.7, 1.0, 0.5])]


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_softmax_similarity_is_the_loop(weight, temperature):
    """Prevents the text itself among its own neighbours, targets by place, and a divergence the wrong way round."""
    student, teacher, rows = vectors_for(6), vectors_for(6, seed=1, dimension=9), [5, 0, 2, 1, 4]
    loss = SoftmaxSimilarityLoss(Looked(student), EmbeddingSimilarity(teacher, weight), temperature)
    pairs = list(itertools.permutations(range(5), 2))
    expected = softmax_loss(student[rows], teacher[rows], pairs, temperature, weight[rows])
    assert value(loss, rows).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize(("distance", "angle"), [(1.0, 0.0), (0.0, 1.0), (1.0, 2.0)])
def test_relational_loss_is_the_loop(weight, distance, angle):
    """Prevents squared distances, a mean that is not each side's own, the wrong corner, and degenerate triplets."""
    student, teacher, rows = vectors_for(6), vectors_for(6, seed=1, dimension=9), [5, 0, 2, 1, 4]
    loss = RelationalLoss(Looked(student), EmbeddingSimilarity(teacher, weight), distance, angle)
    parts = [f(student[rows], teacher[rows], weight[rows]) for f in (distance_loss, angle_loss)]
    assert value(loss, rows).item() == pytest.approx(distance * parts[0] + angle * parts[1], rel=1e-4)


def test_far_differences_bend():
    """Prevents a plain square in place of Huber's loss: one pair far from its place would rule the batch."""
    teacher = np.array([[1.0, 0.0], [np.cos(0.01), np.sin(0.01)], [-1.0, 0.0], [-np.cos(0.01), np.sin(0.01)]])
    student = teacher[[0, 2, 1, 3]]
    loss = RelationalLoss(Looked(student), EmbeddingSimilarity(teacher), 1.0, 0.0)
    assert value(loss, range(4)).item() == pytest.approx(distance_loss(student, teacher, np.ones(4)), rel=1e-4)


def test_angles_at_some_texts_only():
    """Prevents B³ numbers from filling the memory, and corners that lie at one place in all batches."""
    student, teacher = vectors_for(20), vectors_for(20, seed=1)
    loss = RelationalLoss(Looked(student), EmbeddingSimilarity(teacher), 0.0, 1.0, max_triplets=3 * 64)
    every = [angle_loss(student[8 * b :][:8], teacher[8 * b :][:8], np.ones(8), {j}) for b in (0, 1) for j in range(8)]
    chosen = []
    for b in (0, 1):
        found = value(loss, range(8 * b, 8 * b + 8)).item()
        triples = itertools.combinations(range(8), 3)
        chosen.append(min(triples, key=lambda js, b=b, f=found: abs(np.mean([every[8 * b + j] for j in js]) - f)))
        assert found == pytest.approx(np.mean([every[8 * b + j] for j in chosen[b]]), rel=1e-3)
    assert chosen[0] != chosen[1]


@settings(deadline=None, max_examples=20)
@given(order=st.permutations(range(9)), max_triplets=st.sampled_from([1, 200, 10_000]))
def test_the_order_of_a_batch_is_nothing(order, max_triplets):
    """Prevents corners that depend on where a text stands in the batch."""
    targets = EmbeddingSimilarity(vectors_for(9, seed=1))
    loss = RelationalLoss(Looked(vectors_for(9)), targets, max_triplets=max_triplets)
    assert value(loss, order).item() == pytest.approx(value(loss, range(9)).item(), rel=1e-4)


@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_only_proportions_count(scale):
    """Prevents a penalty on a student whose distances are all a constant times the teacher's."""
    rng = np.random.default_rng(0)
    heights = rng.normal(size=(6, 3)) * 0.03  # so near the pole that angles and distances are those of the plane
    teacher = np.column_stack([heights, np.ones(6)])
    student = np.column_stack([heights * scale, np.ones(6)])
    loss = RelationalLoss(Looked(student.astype(np.float64)), EmbeddingSimilarity(teacher))
    assert value(loss, range(6)).item() < 1e-3


def test_a_constant_shift_of_cosines_costs_nothing():
    """Prevents a softmax over the whole matrix in place of one for each text."""
    loss = SoftmaxSimilarityLoss(Looked(np.eye(4)), EmbeddingSimilarity(np.eye(4)), 0.1)
    cosines = torch.tensor(vectors_for(4, dimension=4)).float()
    weights = (1 - torch.eye(4)) / 12
    assert loss.compare(cosines + torch.arange(4.0)[:, None], cosines, weights).item() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (SoftmaxSimilarityLoss, {"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        (SoftmaxSimilarityLoss, {"temperature": float("nan")}, "temperature must be above 0, got nan"),
        (RelationalLoss, {"distance": -1.0}, "distance and angle must be 0 or more and not both 0, got -1.0 and 2.0"),
        (RelationalLoss, {"distance": 0.0, "angle": 0.0}, "not both 0"),
        (RelationalLoss, {"max_triplets": 0}, "max_triplets must be at least 1, got 0"),
    ],
)
def test_what_is_refused(make, options, message):
    """Prevents a loss that is NaN or nothing."""
    with pytest.raises(InputError, match=message):
        make(Looked(vectors_for(2)), EmbeddingSimilarity(vectors_for(2)), **options)
