"""The student's vectors against the teacher's, through a projection."""

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.distillation.embedding_match import EmbeddingMatchLoss
from fewshot.training.targets import EmbeddingSimilarity, LabelSimilarity
from tests.distillation.similarity_cases import Looked, unit, value, vectors_for


@pytest.mark.parametrize("measure", ["cosine", "mse"])
def test_it_is_the_loop(measure):
    """Prevents targets by place, lengths that count in a cosine, and weights that are forgotten."""
    student, teacher, rows = vectors_for(6), vectors_for(6, seed=1, dimension=9), [5, 0, 2]
    weight = np.array([0.5, 1.0, 0.25, 1.0, 1.0, 1.0])
    loss = EmbeddingMatchLoss(Looked(student), EmbeddingSimilarity(teacher, weight), measure)
    matrix, bias = loss.projection.weight.detach().numpy(), np.linspace(0, 0.1, 9, dtype=np.float32)
    with torch.no_grad():
        loss.projection.bias.copy_(torch.tensor(bias))
    total = 0.0
    for row in rows:
        given, wanted = matrix @ unit(student)[row] + bias, unit(teacher)[row]
        term = ((given - wanted) ** 2).sum() if measure == "mse" else 1 - given @ wanted / np.linalg.norm(given)
        total += weight[row] * term
    assert value(loss, rows).item() == pytest.approx(total / weight[rows].sum(), rel=1e-5)


def test_a_batch_of_one():
    """Prevents a loss of texts from needing pairs."""
    loss = EmbeddingMatchLoss(Looked(vectors_for(3)), EmbeddingSimilarity(vectors_for(3, seed=1)))
    assert 0 < value(loss, [1]).item() <= 2


def test_the_projection_starts_as_the_seed_says():
    """Prevents a start drawn from torch's global state, and lengths that a start stretches or squeezes."""
    torch.manual_seed(0)
    state = torch.random.get_rng_state()

    def weights(seed, dimension):
        targets = EmbeddingSimilarity(vectors_for(4, dimension=dimension))
        loss = EmbeddingMatchLoss(Looked(vectors_for(4)), targets, random_state=seed)
        return loss.projection.weight.detach()

    assert torch.equal(weights(0, 9), weights(0, 9))
    assert not torch.equal(weights(0, 9), weights(1, 9))
    torch.testing.assert_close(weights(0, 9).T @ weights(0, 9), torch.eye(5))
    assert torch.equal(weights(3, 5), torch.eye(5))
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_projection_has_its_own_learning_rate():
    """Prevents a projection that an encoder's learning rate leaves where it started, or that is trained twice."""
    model = Looked(vectors_for(4))
    loss = EmbeddingMatchLoss(model, EmbeddingSimilarity(vectors_for(4, dimension=3)), learning_rate=0.5)
    encoder, projection = loss.parameter_groups(1e-4)
    assert (encoder["lr"], projection["lr"]) == (1e-4, 0.5)
    assert encoder["params"] == [model.vectors]
    assert projection["params"] == [loss.projection.weight, loss.projection.bias]


@pytest.mark.parametrize("measure", ["cosine", "mse"])
def test_a_part_of_the_teacher_has_no_projection(measure):
    """Prevents a space that drifts by a linear map where the student's vectors can be the teacher's themselves."""
    student, teacher, rows = vectors_for(6), vectors_for(6, seed=1), [5, 0, 2]
    loss = EmbeddingMatchLoss(Looked(student), EmbeddingSimilarity(teacher), measure, same_space=True)
    cosines = (unit(student)[rows] * unit(teacher)[rows]).sum(axis=1)
    expected = (2 - 2 * cosines).mean() if measure == "mse" else (1 - cosines).mean()
    assert value(loss, rows).item() == pytest.approx(expected, rel=1e-5)
    assert [group["params"] for group in loss.parameter_groups(1e-4)] == [[loss.model.vectors]]
    learning = EmbeddingMatchLoss(Looked(student), EmbeddingSimilarity(teacher), measure)
    assert loss.identity() != learning.identity()  # a training of the one is not gone on with by the other
    with pytest.raises(InputError, match="needs equal dimensions; the student has 5, the teacher 9"):
        EmbeddingMatchLoss(Looked(student), EmbeddingSimilarity(vectors_for(6, dimension=9)), same_space=True)


def test_a_vector_of_zeros_trains():
    """Prevents a gradient without bound, or NaN, from a text whose projection has no length."""
    student, teacher = vectors_for(3), vectors_for(3, seed=1)
    student[0] = teacher[1] = 0.0
    loss = EmbeddingMatchLoss(Looked(student), EmbeddingSimilarity(teacher))
    value(loss, range(3)).backward()
    assert torch.isfinite(loss.projection.weight.grad).all()
    assert loss.projection.weight.grad.norm() < 10
    assert torch.isfinite(loss.model.vectors.grad).all()


@pytest.mark.parametrize(
    ("targets", "options", "message"),
    [
        (EmbeddingSimilarity(np.eye(3)), {"measure": "cosin"}, "measure must be one of cosine, mse; .* mean 'cosine'"),
        (EmbeddingSimilarity(np.eye(3)), {"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        (LabelSimilarity(np.arange(3)), {}, "needs the vectors of one teacher, .* got a LabelSimilarity"),
    ],
)
def test_what_is_refused(targets, options, message):
    """Prevents a misspelt measure from being the other one, and an error in the depths."""
    with pytest.raises(InputError, match=message):
        EmbeddingMatchLoss(Looked(vectors_for(3)), targets, **options)
