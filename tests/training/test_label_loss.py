"""The loss on gold labels against torch's own and ten lines of NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import log_expit, log_softmax
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.label_loss import LabelLoss, balanced_weights
from fewshot.training.layer_rates import LayerRates

RATES = LayerRates(1e-3)
LOGITS = np.random.default_rng(0).normal(scale=2.0, size=(6, 3)).astype(np.float32)
Y = np.array([0, 2, 1, 1, 0, 2])
MULTI = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]])


class Given(nn.Module):
    """A model that answers with its input."""

    def forward(self, logits):
        return type("Output", (), {"logits": logits})


def losses_of(y, **options):
    """Return the losses of the first four rows, in another order."""
    rows = torch.tensor([3, 0, 2, 1])
    loss = LabelLoss(Given(), y, RATES, **options)
    return loss.per_example(torch.from_numpy(LOGITS)[rows], rows).numpy(), rows.numpy()


@pytest.mark.parametrize("weights", [None, np.array([0.5, 1.0, 4.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_by_hand(weights, smoothing):
    """Prevents labels of other rows, weights of other classes, and smoothing that forgets the true class."""
    found, rows = losses_of(Y, class_weights=weights, smoothing=smoothing)
    logs = log_softmax(LOGITS.astype(np.float64), axis=1)[rows]
    expected = -(1 - smoothing) * logs[np.arange(4), Y[rows]] - smoothing * logs.mean(axis=1)
    np.testing.assert_allclose(found, expected * (1.0 if weights is None else weights[Y[rows]]), rtol=1e-5)


@pytest.mark.parametrize("weights", [None, np.array([0.5, 1.0, 4.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_cross_entropy_by_hand(weights, smoothing):
    """Prevents a softmax over labels that do not exclude each other, and weights on absent labels."""
    found, rows = losses_of(MULTI, class_weights=weights, smoothing=smoothing)
    logits, wanted = LOGITS.astype(np.float64)[rows], MULTI[rows] * (1 - smoothing) + smoothing / 2
    heavy = np.ones(3) if weights is None else weights
    expected = -(heavy * wanted * log_expit(logits) + (1 - wanted) * log_expit(-logits)).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("y", [Y, MULTI])
def test_examples_weigh_what_they_are_given(y):
    """Prevents weights of other rows, a mean over weights, and a second run taken for the first."""
    heavy = np.array([0.5, 1.0, 4.0, 0.0, 2.0, 1.0])
    plain, rows = losses_of(y, class_weights=np.array([0.5, 1.0, 4.0]))
    found, _ = losses_of(y, class_weights=np.array([0.5, 1.0, 4.0]), example_weights=heavy)
    np.testing.assert_allclose(found, plain * heavy[rows], rtol=1e-6)
    whole = LabelLoss(Given(), y, RATES, example_weights=heavy)({"logits": torch.from_numpy(LOGITS)}, torch.arange(6))
    every = LabelLoss(Given(), y, RATES).per_example(torch.from_numpy(LOGITS), torch.arange(6)).numpy()
    assert float(whole) == pytest.approx((every * heavy).sum() / 6, rel=1e-6)
    identities = [LabelLoss(Given(), y, RATES, example_weights=one).identity() for one in (None, heavy, heavy + 1)]
    assert len(set(map(tuple, identities))) == 3


@pytest.mark.parametrize("weights", [np.ones(5), np.array([1, 1, 1, 1, 1, -1.0]), np.full(6, np.nan)])
def test_weights_that_are_none_are_refused(weights):
    """Prevents a loss that trains quietly on nonsense."""
    with pytest.raises(InputError, match="example_weights must be 6 finite numbers"):
        LabelLoss(Given(), Y, RATES, example_weights=weights)


def test_the_mean_of_parts_is_the_whole():
    """Prevents parts of a step from counting alike though one has fewer rows."""
    loss = LabelLoss(Given(), Y, RATES, class_weights=np.array([0.5, 1.0, 4.0]))
    logits = torch.from_numpy(LOGITS)
    whole = loss({"logits": logits}, torch.arange(6))
    parts = [loss({"logits": logits[rows]}, rows, 3.0) for rows in (torch.arange(4), torch.arange(4, 6))]
    assert float(sum(parts) / 2) == pytest.approx(float(whole), rel=1e-6)


def test_float32_under_autocast():
    """Prevents losses in bfloat16, whose third digit is a guess."""
    loss = LabelLoss(Given(), Y, RATES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss({"logits": torch.from_numpy(LOGITS).bfloat16()}, torch.arange(6))
    assert found.dtype == torch.float32


def test_balanced_weights_are_scikit_learns():
    """Prevents weights that change the size of a step with the number of classes."""
    from sklearn.utils.class_weight import compute_class_weight

    y = np.array([0] * 7 + [1] * 2 + [2] * 3)
    np.testing.assert_allclose(balanced_weights(y, 3), compute_class_weight("balanced", classes=np.arange(3), y=y))
    assert balanced_weights(y, 3)[y].mean() == pytest.approx(1.0)


def test_weights_are_bounded_and_know_absent_classes():
    """Prevents one row of a thousand from outweighing a batch, and a division by no row at all."""
    assert balanced_weights(np.array([0] * 999 + [1]), 3).tolist() == pytest.approx([1000 / 1998, 10.0, 1.0])
    rare = np.zeros((1000, 3), dtype=int)
    rare[0, 0], rare[:, 1] = 1, 1
    assert balanced_weights(rare, 3).tolist() == [10.0, 0.1, 1.0]


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_out_of_range(smoothing):
    """Prevents targets that say the opposite of the labels."""
    with pytest.raises(InputError, match="label_smoothing must be at least 0 and below 1"):
        LabelLoss(Given(), Y, RATES, smoothing=smoothing)


@pytest.mark.parametrize(
    "other",
    [
        {"y": Y[::-1].copy()},
        {"smoothing": 0.1},
        {"class_weights": np.ones(3)},
        {"rates": LayerRates(2e-3)},
    ],
)
def test_checkpoints_tell_losses_apart(other):
    """Prevents a resume under other labels, weights or rates."""
    usual = {"y": Y, "rates": RATES}
    one, two = (LabelLoss(Given(), **options) for options in (usual, usual | other))
    assert one.identity() != two.identity()
    assert one.identity() == LabelLoss(Given(), **usual).identity()
