"""Distances of hidden states against NumPy."""

import numpy as np
import pytest
import torch

from fewshot.distillation.layer_distances import hidden_cosine, hidden_mse, pool, pooled_mse, token_similarity

RNG = np.random.default_rng(0)
LENGTHS = (5, 3, 1)
STUDENT, TEACHER = RNG.normal(size=(2, 3, 5, 4))
WIDE = RNG.normal(size=(3, 5, 7))
MASK = (np.arange(5) < np.array(LENGTHS)[:, None]).astype(np.int64)


def unit(rows):
    """Return rows of length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def by_text(measure, teacher=TEACHER):
    """Apply a measure to the tokens of each text, padding cut off."""
    return [measure(STUDENT[i, :n], teacher[i, :n]) for i, n in enumerate(LENGTHS)]


def run(loss, teacher=TEACHER, **options):
    """Apply a loss to the student and a teacher."""
    return loss(torch.tensor(STUDENT), torch.tensor(teacher), **options)


def test_token_wise_losses():
    """Prevents padding from counting, and long texts from weighing more than short ones."""
    mask = torch.tensor(MASK)
    squared = by_text(lambda s, t: ((s - t) ** 2).mean())
    np.testing.assert_allclose(run(hidden_mse, mask=mask), squared)
    cosines = by_text(lambda s, t: 1 - (unit(s) * unit(t)).sum(1).mean())
    np.testing.assert_allclose(run(hidden_cosine, mask=mask), cosines)
    similar = by_text(lambda s, t: ((unit(s) @ unit(s).T - unit(t) @ unit(t).T) ** 2).mean(), WIDE)
    np.testing.assert_allclose(run(token_similarity, WIDE, mask=mask), similar, atol=1e-12)


def test_pooled_vectors():
    """Prevents padding in the mean, and lengths of vectors in the comparison."""
    student, mask = torch.tensor(STUDENT), torch.tensor(MASK)
    means = [STUDENT[i, :n].mean(axis=0) for i, n in enumerate(LENGTHS)]
    np.testing.assert_allclose(pool(student, mask, "mean"), means)
    np.testing.assert_allclose(pool(student, mask, "cls"), STUDENT[:, 0])
    ours, theirs = STUDENT[:, 0], TEACHER[:, 0]
    expected = ((unit(ours) - unit(theirs)) ** 2).sum(1)
    np.testing.assert_allclose(pooled_mse(torch.tensor(ours), torch.tensor(theirs)), expected)
    np.testing.assert_allclose(pooled_mse(torch.tensor(7 * ours), torch.tensor(theirs)), expected)


@pytest.mark.parametrize("loss", [hidden_mse, hidden_cosine, token_similarity])
def test_gradients(loss):
    """Prevents a mistaken gradient, and one that reaches padding."""
    student = torch.tensor(STUDENT, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: loss(s, torch.tensor(TEACHER), torch.tensor(MASK)), student)
    loss(student, torch.tensor(TEACHER), torch.tensor(MASK)).sum().backward()
    assert student.grad[torch.tensor(MASK) == 0].abs().max() == 0


@pytest.mark.parametrize("loss", [hidden_mse, hidden_cosine, token_similarity])
def test_zero_vectors(loss):
    """Prevents NaN from a vector of zeros, or from a text of padding alone."""
    student = torch.zeros(2, 3, 4, requires_grad=True)
    value = loss(student, torch.zeros(2, 3, 4), torch.tensor([[1, 1, 1], [0, 0, 0]]))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(student.grad).all()
