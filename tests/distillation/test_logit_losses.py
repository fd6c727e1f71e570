"""Logit losses against ten lines of NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax

from fewshot.core.errors import InputError
from fewshot.distillation.logit_losses import (
    MISSING,
    LogitObjective,
    Temperature,
    binary_loss,
    gold_loss,
    kl_loss,
    mse_loss,
    ramp_factor,
    weighted_mean,
)

RNG = np.random.default_rng(0)
STUDENT, TEACHER = RNG.normal(scale=3, size=(2, 6, 4))
GOLD = np.array([0, 3, MISSING, 2, MISSING, 1])
MANY = np.where(GOLD[:, None] == MISSING, MISSING, RNG.integers(0, 2, size=(6, 4)))
T = np.array([1.0, 2.0, 3.0, 4.0, 0.5, 8.0])


def kl(student, teacher, T):
    """T² KL(teacher ‖ student), row by row."""
    T = np.broadcast_to(T, len(student))[:, None]
    p = softmax(teacher / T, axis=1)
    return (T[:, 0] ** 2) * (p * (log_softmax(teacher / T, axis=1) - log_softmax(student / T, axis=1))).sum(axis=1)


def bce(student, p):
    """Binary cross-entropy, mean over labels."""
    q = expit(student)
    return -(p * np.log(q) + (1 - p) * np.log1p(-q)).mean(axis=1)


def tensors(*arrays):
    """Return arrays as tensors."""
    return [torch.as_tensor(array) for array in arrays]


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


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_the_mix(loss, multi_label):
    """Prevents weights that add up to another sum, and gold weight on rows without gold."""
    gold = MANY if multi_label else GOLD
    objective = LogitObjective(0.3, 2.0, loss, multi_label)
    student, teacher, labels = tensors(STUDENT, TEACHER, gold)
    if loss == "mse":
        follow = ((STUDENT - TEACHER) ** 2).mean(axis=1)
    else:
        follow = 4 * bce(STUDENT / 2, expit(TEACHER / 2)) if multi_label else kl(STUDENT, TEACHER, 2.0)
    expected = 0.7 * follow + 0.3 * gold_loss(student, labels).numpy()
    np.testing.assert_allclose(objective.per_example(student, teacher, labels), expected, rtol=1e-9)
    weights = torch.tensor([0.0, 2.0, 1.0, 1.0, 0.5, 1.5])
    ours = weighted_mean(objective.per_example(student, teacher, labels), weights)
    np.testing.assert_allclose(ours, (expected * weights.numpy()).mean(), rtol=1e-6)


def test_one_source_alone():
    """Prevents a teacher from speaking where gold labels shall be alone, and NaN where there is nothing to learn."""
    student, teacher, gold = tensors(STUDENT, TEACHER, GOLD)
    alone = LogitObjective(1.0).per_example(student, teacher, gold)
    np.testing.assert_allclose(alone, gold_loss(student, gold))
    np.testing.assert_allclose(LogitObjective(1.0).per_example(student, None, gold), gold_loss(student, gold))
    taught = LogitObjective(0.0, 1.0).per_example(student, teacher, gold)
    np.testing.assert_allclose(taught, kl_loss(student, teacher))
    student.requires_grad_()
    LogitObjective(1.0).per_example(student, teacher, None).sum().backward()
    assert student.grad.abs().max() == 0


@pytest.mark.parametrize("schedule", ["flsw", "cwsm"])
@pytest.mark.parametrize("multi_label", [False, True])
def test_temperatures_of_examples(schedule, multi_label):
    """Prevents easy and hard examples from being swapped, and a gradient through the temperature."""
    if schedule == "flsw":
        cosines = (STUDENT * TEACHER).sum(1) / np.linalg.norm(STUDENT, axis=1) / np.linalg.norm(TEACHER, axis=1)
        hard = (1 - cosines) ** 0.5
    elif multi_label:
        hard = 1 / np.maximum(expit(STUDENT), expit(-STUDENT)).mean(axis=1)
    else:
        hard = 1 / softmax(STUDENT, axis=1).max(axis=1)
    expected = np.maximum(4 + 2.0 * (hard.mean() - hard), 3.5)
    student = torch.tensor(STUDENT, requires_grad=True)
    temperature = Temperature(4.0, schedule, beta=2.0, gamma=0.5, least=3.5)
    ours = temperature.of(student, torch.tensor(TEACHER), multi_label=multi_label)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert not ours.requires_grad
    objective = LogitObjective(0.0, temperature, multi_label=multi_label)
    follow = binary_loss if multi_label else kl_loss
    np.testing.assert_allclose(
        objective.per_example(student, torch.tensor(TEACHER)).detach(),
        follow(student, torch.tensor(TEACHER), ours).detach(),
    )


def test_ramps_reach_every_term():
    """Prevents ramps that replace the given weight, skip the first step, or move the wrong term."""
    assert [ramp_factor("growth", step, 5) for step in (1, 5)] == [0.2, 1.0]
    assert [ramp_factor("decay", step, 5) for step in (1, 5)] == [1.0, 0.2]
    assert ramp_factor("constant", 3, 5) == 1.0
    student, teacher, gold = tensors(STUDENT, TEACHER, GOLD)
    follow, learn = kl_loss(student, teacher, 2.0), gold_loss(student, gold)
    fading = LogitObjective(0.3, ramp="decay").per_example(student, teacher, gold, step=4, steps=4)
    np.testing.assert_allclose(fading, 0.7 * 0.25 * follow + 0.3 * learn)
    both = LogitObjective(0.3, ramp={"teacher": "decay", "gold": "growth", "layers": "growth"})
    np.testing.assert_allclose(
        both.per_example(student, teacher, gold, step=1, steps=4), 0.7 * follow + 0.3 * 0.25 * learn
    )
    assert both.factor("layers", 2, 4) == 0.5


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


def test_half_precision_is_computed_in_single():
    """Prevents the small differences of probabilities from being lost in bfloat16."""
    student, teacher = (tensor.bfloat16() for tensor in tensors(STUDENT, TEACHER))
    loss = LogitObjective(0.0).per_example(student, teacher)
    assert loss.dtype == torch.float32
    np.testing.assert_allclose(loss, kl_loss(student.double(), teacher.double(), 2.0), rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.1}, "alpha must be a number from 0"),
        ({"alpha": float("nan")}, "alpha must be a number from 0"),
        ({"alpha": "half"}, "alpha must be a number"),
        ({"temperature": 0.0}, "temperature must be a number above 0"),
        ({"temperature": None}, "temperature must be a number above 0"),
        ({"loss": "kll"}, "loss must be one of kl, mse; got 'kll'. Did you mean 'kl'"),
        ({"ramp": "grow"}, "Did you mean 'growth'"),
        ({"ramp": {"techer": "decay"}}, "Did you mean 'teacher'"),
        ({"ramp": {"teacher": "linear"}}, "ramp must be one of constant, growth, decay"),
    ],
)
def test_wrong_settings(options, message):
    """Prevents a training with a loss that nobody asked for."""
    with pytest.raises(InputError, match=message):
        LogitObjective(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "flws"}, "Did you mean 'flsw'"),
        ({"schedule": "flsw", "gamma": 0.0}, "gamma must be a number above 0"),
        ({"schedule": "flsw", "beta": -1.0}, "beta must be 0 or more"),
        ({"schedule": "cwsm", "least": 0.0}, "least must be a number above 0"),
        ({"schedule": "cwsm", "base": 1.0, "least": 2.0}, "least must be at most the base temperature"),
    ],
)
def test_wrong_temperatures(options, message):
    """Prevents temperatures at or below zero in the midst of a training."""
    with pytest.raises(InputError, match=message):
        Temperature(**options)
