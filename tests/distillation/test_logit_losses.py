"""Logit losses against ten lines of NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax

from fewshot.distillation.logit_losses import MISSING, binary_loss, gold_loss, kl_loss, mse_loss
from tests.distillation.logit_arrays import GOLD, MANY, STUDENT, TEACHER, T, bce, kl, tensors


@pytest.mark.parametrize("temperature", [1.0, 2.0, 8.0, T])
def test_the_divergence(temperature):
    """Prevents KL the wrong way round, a mean over classes, and a temperature on one side alone."""
    given_temperature = torch.as_tensor(temperature) if isinstance(temperature, np.ndarray) else temperature
    ours = kl_loss(*tensors(STUDENT, TEACHER), given_temperature)
    np.testing.assert_allclose(ours, kl(STUDENT, TEACHER, temperature), rtol=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 3.0, T])
def test_several_labels(temperature):
    """Prevents a softmax over labels that do not exclude each other."""
    given_temperature = torch.as_tensor(temperature) if isinstance(temperature, np.ndarray) else temperature
    ours = binary_loss(*tensors(STUDENT, TEACHER), given_temperature)
    by_row = np.broadcast_to(temperature, 6)[:, None]
    expected = by_row[:, 0] ** 2 * bce(STUDENT / by_row, expit(TEACHER / by_row))
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


@pytest.mark.parametrize("loss", [kl_loss, binary_loss])
def test_the_gradient_keeps_its_size(loss):
    """Prevents a teacher's term that vanishes as 1/T² beside the gold labels, the known defect without the factor."""
    sizes = []
    for temperature in (4.0, 8.0, 16.0):
        student = torch.tensor(STUDENT, requires_grad=True)
        loss(student, torch.tensor(TEACHER), temperature).mean().backward()
        sizes.append(student.grad.norm().item())
    assert max(sizes) < 1.5 * min(sizes)


@pytest.mark.parametrize("loss", [kl_loss, binary_loss, mse_loss])
def test_a_student_like_its_teacher_has_nothing_to_learn(loss):
    """Prevents a loss whose optimum lies elsewhere; a student may differ by a constant where a softmax follows."""
    student = torch.tensor(TEACHER + (5.0 if loss is kl_loss else 0.0), requires_grad=True)
    loss(student, torch.tensor(TEACHER)).sum().backward()
    assert student.grad.abs().max() < 1e-12


@pytest.mark.parametrize("loss", [kl_loss, binary_loss, mse_loss])
def test_gradients(loss):
    """Prevents a detached or mistaken gradient."""
    student = torch.tensor(STUDENT, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: loss(s, torch.tensor(TEACHER)), student)


def test_gold_labels():
    """Prevents rows without gold label from being taken for class 0, or for "no label applies"."""
    student, gold, many = tensors(STUDENT, GOLD, MANY)
    known = GOLD != MISSING
    expected = np.where(known, -log_softmax(STUDENT, axis=1)[np.arange(6), np.maximum(GOLD, 0)], 0)
    np.testing.assert_allclose(gold_loss(student, gold), expected, rtol=1e-9)
    expected = np.where(known, bce(STUDENT, MANY), 0)
    np.testing.assert_allclose(gold_loss(student, many), expected, rtol=1e-9)
    assert torch.isfinite(gold_loss(student, torch.full((6,), MISSING))).all()


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(2, 5), st.integers(0, 2**16), st.sampled_from([1e-3, 1.0, 1e4]))
def test_batches_are_made_of_examples(n, n_classes, seed, scale):
    """Prevents a loss of one example that depends on others, NaN at extreme logits, and a negative divergence."""
    rng = np.random.default_rng(seed)
    student, teacher = torch.tensor(scale * rng.normal(size=(2, n, n_classes)), dtype=torch.float32)
    for loss in (kl_loss, binary_loss, mse_loss):
        whole = loss(student, teacher)
        assert whole.shape == (n,)
        assert torch.isfinite(whole).all()
        assert whole.min() > -1e-3
        alone = torch.cat([loss(student[[row]], teacher[[row]]) for row in range(n)])
        torch.testing.assert_close(whole, alone)
