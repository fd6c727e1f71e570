"""Layer losses against NumPy, their maps, masks and projections."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.distillation.layer_losses import (
    LayerLoss,
    LayerMatcher,
    as_tokens,
    check_same_tokens,
    hidden_cosine,
    hidden_mse,
    pool,
    pooled_mse,
    token_similarity,
    uniform_layers,
)

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


@settings(deadline=None)
@given(st.integers(1, 24), st.integers(1, 24))
def test_uniform_layers(n_student, n_teacher):
    """Prevents a map that leaves out the last layer, runs backwards, or names a layer that is not there."""
    pairs = uniform_layers(n_student, n_teacher)
    ours, theirs = zip(*pairs, strict=True)
    assert ours == tuple(range(1, n_student + 1))
    assert theirs[-1] == n_teacher
    assert list(theirs) == sorted(theirs)
    assert min(theirs) >= 1
    if n_student == n_teacher:
        assert ours == theirs


def states(width, n_layers, length=5, seed=0):
    """Hidden states of a batch of three, embeddings first."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(3, length, width, generator=generator) for _ in range(n_layers + 1))


def test_the_sum_of_all_losses():
    """Prevents a pair of layers, a weight or a projection from being left out or used twice."""
    losses = (
        LayerLoss("hidden_mse", layers=((1, 2), (2, 4)), weight=2.0),
        LayerLoss("token_similarity"),
        LayerLoss("pooled", layers=((0, 0),), weight=0.5, pooling="cls"),
    )
    ours, theirs, mask = states(4, 2), states(6, 4, seed=1), torch.tensor(MASK)
    matcher = LayerMatcher(losses, ours, theirs)
    assert sorted(matcher.projections) == ["0_1_2", "0_2_4", "2_0_0"]  # similarities need none
    project = matcher.projections
    expected = (
        hidden_mse(project["0_1_2"](ours[1]), theirs[2], mask)  # 2.0 times the mean of two pairs
        + hidden_mse(project["0_2_4"](ours[2]), theirs[4], mask)
        + (token_similarity(ours[1], theirs[2], mask) + token_similarity(ours[2], theirs[4], mask)) / 2
        + 0.5 * pooled_mse(project["2_0_0"](ours[0][:, 0]), theirs[0][:, 0])
    )
    torch.testing.assert_close(matcher(ours, theirs, mask, mask), expected)


def test_projections_learn_at_their_own_rate():
    """Prevents projections outside of the optimizer, or at the rate of a pretrained student."""
    losses = (LayerLoss("hidden_mse", learning_rate=0.5), LayerLoss("token_similarity"), LayerLoss("pooled"))
    groups = LayerMatcher(losses, states(4, 2), states(6, 2)).parameter_groups()
    assert [group["lr"] for group in groups] == [0.5, 1e-3]
    assert [[tuple(p.shape) for p in group["params"]] for group in groups] == [[(6, 4)] * 2] * 2
    same_width = LayerMatcher(losses, states(4, 2), states(4, 2))
    assert same_width.parameter_groups() == []


def test_models_of_other_tokens_and_images():
    """Prevents pooled losses from needing equal lengths, and feature maps of images from being refused."""
    matcher = LayerMatcher([LayerLoss("pooled")], states(4, 1), states(6, 1, length=8))
    assert matcher(states(4, 1), states(6, 1, length=8)).shape == (3,)
    maps = (torch.randn(3, 4, 2, 2), torch.randn(3, 8, 1, 1))
    assert as_tokens(maps[0]).shape == (3, 4, 4)
    matcher = LayerMatcher([LayerLoss("pooled")], maps, states(6, 1))
    assert matcher(maps, states(6, 1)).shape == (3,)
    with pytest.raises(InputError, match="3 or 4 dimensions"):
        as_tokens(torch.zeros(3, 4))


def test_other_tokens_are_refused():
    """Prevents the fifth token of one tokenizer from being compared with the fifth of another."""
    ids = {"input_ids": torch.tensor([[1, 2, 3]])}
    others = {"input_ids": torch.tensor([[1, 2, 4]])}
    check_same_tokens([LayerLoss("hidden_mse")], ids, {"input_ids": ids["input_ids"].clone()})
    check_same_tokens([LayerLoss("pooled")], ids, others)
    with pytest.raises(InputError, match=r"'hidden_mse' compares token by token.*LayerLoss\('pooled'\)"):
        check_same_tokens([LayerLoss("pooled"), LayerLoss("hidden_mse")], ids, others)
    matcher = LayerMatcher([LayerLoss("token_similarity")], states(4, 1), states(4, 1))
    with pytest.raises(InputError, match="5 and 8 tokens"):
        matcher(states(4, 1), states(4, 1, length=8))
    with pytest.raises(InputError, match="the mask has shape"):
        matcher(states(4, 1), states(4, 1), torch.ones(3, 4), torch.ones(3, 4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hidden",), "kind of a layer loss must be one of"),
        (("hidden_mes",), "Did you mean 'hidden_mse'"),
        (("pooled", "every"), "layers must be 'uniform' or pairs"),
        (("pooled", ()), "layers must be 'uniform' or pairs"),
        (("pooled", ((1,),)), "layers must be 'uniform' or pairs"),
        (("pooled", ((1, -1),)), "layers must be 'uniform' or pairs"),
        (("pooled", 3), "layers must be 'uniform' or pairs"),
        (("pooled", "uniform", 0.0), "weight of a layer loss must be a number above 0"),
        (("pooled", "uniform", 1.0, "max"), "pooling of a layer loss must be one of mean, cls"),
        (("pooled", "uniform", 1.0, "cls", -1.0), "learning_rate of a layer loss"),
    ],
)
def test_wrong_settings(arguments, message):
    """Prevents a loss between layers that nobody meant."""
    with pytest.raises(InputError, match=message):
        LayerLoss(*arguments)


def test_layers_that_are_not_there():
    """Prevents an index error in the first batch."""
    with pytest.raises(InputError, match=r"the pair \(2, 9\), but the student has 2 layers and the teacher 4"):
        LayerMatcher([LayerLoss("pooled", ((2, 9),))], states(4, 2), states(4, 4))
