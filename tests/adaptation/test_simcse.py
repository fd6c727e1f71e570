"""SimCSE: its loss by NumPy, and what makes two passes differ."""

import numpy as np
import pytest
import torch

from fewshot.adaptation.simcse import SimCSELoss
from fewshot.core.errors import InputError
from tests.adaptation.conftest import without_dropout


def test_the_loss_is_that_of_the_paper(model, features):
    """Prevents a lost temperature, a text that is its own negative, and passes that are the same."""
    model.train()
    loss = SimCSELoss(model, temperature=0.05)
    torch.manual_seed(0)
    value = loss.value(features, torch.arange(6)).item()
    torch.manual_seed(0)
    one, two = (model(dict(features))["sentence_embedding"].detach().numpy() for _ in range(2))
    one, two = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in (one, two))
    scores = one @ two.T / 0.05
    by_hand = np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores))
    assert value == pytest.approx(by_hand, rel=1e-4)
    assert not np.allclose(one, two)


def test_the_gradient_reaches_the_encoder(model, features):
    """Prevents a pass that is detached: the loss would fall by half of what it could, or not at all."""
    SimCSELoss(model.train()).value(features, torch.arange(6)).backward()
    without = {
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    }
    assert all(
        "pooler" in name or "token_type" in name or "position" in name or ".key.bias" in name for name in without
    )


def test_an_encoder_without_dropout_is_refused(model):
    """Prevents a training on two passes that are one: its loss says nothing and nobody would see it."""
    with pytest.raises(InputError, match="needs an encoder with dropout"):
        SimCSELoss(without_dropout(model))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_out_of_range(model, temperature):
    """Prevents a division by zero in the first step."""
    with pytest.raises(InputError, match="temperature must be above 0"):
        SimCSELoss(model, temperature=temperature)
