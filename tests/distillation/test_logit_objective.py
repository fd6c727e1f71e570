"""The mix of gold labels and teacher, and how it changes in training."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from fewshot.core.errors import InputError
from fewshot.distillation.logit_losses import gold_loss, kl_loss
from fewshot.distillation.logit_objective import LogitObjective, ramp_factor
from tests.distillation.logit_arrays import GOLD, MANY, STUDENT, TEACHER, bce, kl, tensors


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
