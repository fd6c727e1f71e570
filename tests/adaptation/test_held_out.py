"""Held-out figures: the same each time, of all texts, and without a trace."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewshot.adaptation.held_out import HeldOut, mean_cosine
from fewshot.adaptation.simcse import SimCSELoss
from fewshot.training.seeding import seeded


def states():
    """Return the states of all global generators."""
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def test_the_same_each_time_and_without_a_trace(model, single):
    """Prevents looks that differ by their draws alone, and a model that is left in another mode."""
    loss = SimCSELoss(model.train())
    model[0].eval()
    modes = [module.training for module in loss.modules()]
    held_out = HeldOut(single.texts, batch_size=4, random_state=3)
    before = states()
    first = held_out.loss(loss)
    assert states() == before
    assert [module.training for module in loss.modules()] == modes
    torch.rand(5)
    assert held_out.loss(loss) == first
    assert HeldOut(single.texts[::-1], batch_size=4, random_state=3).loss(loss) == first
    assert HeldOut(single.texts, batch_size=4, random_state=4).loss(loss) != first
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_mean_over_all_texts(model, single):
    """Prevents the last, smaller batch from weighing as much as the others, and texts that are left out."""
    loss = SimCSELoss(model)
    texts = sorted(single.texts[:7], key=lambda text: (len(text), text))
    found = HeldOut(texts, batch_size=4, random_state=0).loss(loss)
    loss.train()
    with seeded(0), torch.no_grad():
        parts = [loss.value(model.preprocess(part), torch.arange(len(part))).item() for part in (texts[:4], texts[4:])]
    assert found == pytest.approx((4 * parts[0] + 3 * parts[1]) / 7, rel=1e-5)


@given(n=st.integers(2, 20), seed=st.integers(0, 2**31))
def test_mean_cosine(n, seed):
    """Prevents a text's cosine with itself from counting, and vectors that were not brought to length 1."""
    X = np.random.default_rng(seed).normal(size=(n, 5))
    pairs = [X[i] @ X[j] / np.linalg.norm(X[i]) / np.linalg.norm(X[j]) for i in range(n) for j in range(i)]
    assert mean_cosine(X) == pytest.approx(np.mean(pairs), abs=1e-6)
