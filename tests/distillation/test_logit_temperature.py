"""Temperatures of examples against NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from fewshot.core.errors import InputError
from fewshot.distillation.logit_losses import binary_loss, kl_loss
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_temperature import Temperature
from tests.distillation.logit_arrays import STUDENT, TEACHER


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "flws"}, "Did you mean 'flsw'"),
        ({"schedule": "flsw", "gamma": 0.0}, "gamma must be a number above 0"),
        ({"schedule": "flsw", "beta": -1.0}, "beta must be 0 or more"),
        ({"schedule": "flsw", "beta": "1"}, "beta must be 0 or more"),
        ({"schedule": "cwsm", "least": 0.0}, "least must be a number above 0"),
        ({"schedule": "cwsm", "base": 1.0, "least": 2.0}, "least must be at most the base temperature"),
    ],
)
def test_wrong_temperatures(options, message):
    """Prevents temperatures at or below zero in the midst of a training."""
    with pytest.raises(InputError, match=message):
        Temperature(**options)
