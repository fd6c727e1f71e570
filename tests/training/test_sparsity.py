"""Pruning in training: schedules and gradients against ten lines by hand, exact shares, breaks that leave no trace."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.losses import PairwiseCosineLoss
from fewshot.training.samplers import ClassBatches
from fewshot.training.schedule import Schedule
from fewshot.training.sparsity import MagnitudePruning, MovementPruning, Pruner, SoftMovementPruning, check_pruning
from fewshot.training.targets import LabelSimilarity
from fewshot.training.trainer import train_pairwise
from fewshot.training.weight_masks import masked_modules, sparsity_of

KINDS = [
    MagnitudePruning(sparsity=0.8),
    MagnitudePruning(sparsity=0.5, scope="layer"),
    MovementPruning(sparsity=0.8),
    MovementPruning(sparsity=0.5, scope="layer"),
]


def train(model, toy, pruning, *, steps=10, **options):
    """Train a copy of a model; return it and its losses."""
    model = copy.deepcopy(model)
    y = np.unique(toy.labels, return_inverse=True)[1]
    losses = train_pairwise(
        model,
        toy.texts,
        PairwiseCosineLoss(model, LabelSimilarity(y)),
        ClassBatches(y, batch_size=8, steps=steps, random_state=0),
        Schedule(steps, 8, 1e-3, save_every=4),
        description="pruning",
        device="cpu",
        pruning=pruning,
        **options,
    )
    return model, losses


def weights(model):
    """All weights as bytes."""
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


@given(
    sparsity=st.floats(0.01, 0.99),
    start=st.floats(0.0, 0.5),
    length=st.floats(0.1, 0.5),
    step=st.integers(0, 1000),
)
def test_the_schedule_is_the_papers(sparsity, start, length, step):
    """Prevents a schedule that is not the cubic one: s_f + (0 - s_f) (1 - (t - t_0) / (n Δt))³."""
    pruning = MagnitudePruning(sparsity=sparsity, start=start, end=start + length)
    t = np.clip(step, 1000 * start, 1000 * (start + length))
    expected = sparsity - sparsity * (1 - (t - 1000 * start) / (1000 * length)) ** 3
    assert pruning.sparsity_at(step, 1000) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("pruning", KINDS)
def test_the_final_share_is_exact(tiny_model, single, pruning):
    """Prevents a share that is nearly what was asked for, masks that stay on the model, and names that changed."""
    model, losses = train(tiny_model, single, pruning)
    assert len(losses) == 10
    assert set(model.state_dict()) == set(tiny_model.state_dict())
    assert type(masked_modules(model)[0]) is nn.Linear
    ours = [module.weight for module in masked_modules(model)]
    sizes, zeros = [w.numel() for w in ours], [int((w == 0).sum()) for w in ours]
    assert len(ours) == 4 * 6
    if pruning.scope == "layer":
        assert zeros == [round(pruning.sparsity * size) for size in sizes]
    assert sum(zeros) == round(pruning.sparsity * sum(sizes))
    assert sparsity_of(model) == sum(zeros) / sum(sizes)
    assert not any(torch.signbit(w[w == 0]).any() for w in ours)  # a negative zero is no zero byte


def test_the_rest_stays_whole(tiny_model, single):
    """Prevents embeddings, norms and biases from being pruned with the layers, and a name that prunes nothing."""
    model, _ = train(tiny_model, single, MagnitudePruning(sparsity=0.9))
    inside = {id(module.weight) for module in masked_modules(model)}
    for name, parameter in model.named_parameters():
        if id(parameter) not in inside and "bias" not in name:
            assert (parameter == 0).float().mean() < 0.1, name
    model, _ = train(tiny_model, single, MagnitudePruning(sparsity=0.9, parts=("embeddings",)))
    assert sparsity_of(model) == 0
    assert sparsity_of(model, ("embeddings",)) == pytest.approx(0.9, abs=1e-4)


def test_the_smallest_of_all_go():
    """Prevents magnitude pruning that looks at something else than the sizes of weights."""
    model = fake_model()
    with Pruner(MagnitudePruning(sparsity=0.5), 1) as pruner:
        pruner.attach(model)
        before = [layer.parametrizations.weight.original.detach().clone() for layer in model.layers]
        pruner.on_step_end(None, State(1), None)
    border = np.median(torch.cat([weight.flatten().abs() for weight in before]).numpy())
    for layer, weight in zip(model.layers, before, strict=True):
        np.testing.assert_array_equal(layer.weight.detach(), torch.where(weight.abs() > border, weight, 0))


def test_what_is_masked_gets_no_gradient():
    """Prevents weights from moving behind the mask."""
    model = fake_model()
    with Pruner(MagnitudePruning(sparsity=0.5), 1) as pruner:
        pruner.attach(model)
        pruner.on_step_end(None, State(1), None)
        model(torch.ones(2, 6)).sum().backward()
        for layer in model.layers:
            gradient, kept = layer.parametrizations.weight.original.grad, layer.weight != 0
            assert (gradient[~kept] == 0).all()
            assert (gradient[kept] != 0).all()


def test_scores_learn_straight_through():
    """Prevents scores that learn where weights are kept alone, or not the gradient times the weight."""
    model = fake_model(1)
    x, target = torch.randn(5, 6, generator=torch.Generator().manual_seed(1)), torch.ones(5, 6)
    with Pruner(MovementPruning(sparsity=0.5, start=0.0, end=1.0), 2) as pruner:
        pruner.attach(model)
        [layer] = model.layers
        parts = layer.parametrizations.weight
        with torch.no_grad():
            parts[0].scores.copy_(torch.randn(6, 6, generator=torch.Generator().manual_seed(2)))
        pruner.on_step_end(None, State(2), None)
        weight, scores = parts.original.detach().clone(), parts[0].scores.detach().clone()
        ((model(x) - target) ** 2).sum().backward()
        # by hand: y = x W'ᵀ, W' = W ⊙ M, dL/dW' = 2 (y - t)ᵀ x, dL/dW = dL/dW' ⊙ M, dL/dS = dL/dW' ⊙ W
        mask = scores >= scores.flatten().sort().values[18]
        assert mask.sum() == 18
        masked = weight * mask
        behind = 2 * (x @ masked.T - target).T @ x
        torch.testing.assert_close(parts.original.grad, behind * mask)
        torch.testing.assert_close(parts[0].scores.grad, behind * weight)


def test_the_price_of_scores():
    """Prevents a regulariser whose gradient is not that of λ times the mean of all sigmoids of scores."""
    model = fake_model()
    pruning = SoftMovementPruning(regularization=3.0, start=0.0, end=1.0)
    with Pruner(pruning, 4) as pruner:
        pruner.attach(model)
        masks = [layer.parametrizations.weight[0] for layer in model.layers]
        for seed, mask in enumerate(masks):
            nn.init.normal_(mask.scores, generator=torch.Generator().manual_seed(seed))
        model(torch.ones(2, 6)).sum().backward()
        of_loss = [mask.scores.grad.clone() for mask in masks]
        pruner.on_pre_optimizer_step(None, State(1), None)  # before the second step
        scores = [mask.scores.detach().clone().requires_grad_() for mask in masks]
        price = 3.0 * (1 - (1 - 2 / 4) ** 3)
        (price * torch.cat([score.flatten() for score in scores]).sigmoid().mean()).backward()
        for mask, before, score in zip(masks, of_loss, scores, strict=True):
            torch.testing.assert_close(mask.scores.grad, before + score.grad)
        pruner.on_step_end(None, State(4), None)
        for mask in masks:
            assert torch.equal(mask.kept, mask.scores.sigmoid() > 0.1)


def test_a_higher_price_makes_more_zeros(tiny_model, single):
    """Prevents a regulariser that the optimizer never sees."""
    options = {"start": 0.0, "end": 0.5, "score_learning_rate": 0.5}
    free, _ = train(tiny_model, single, SoftMovementPruning(regularization=0.0, **options))
    dear, _ = train(tiny_model, single, SoftMovementPruning(regularization=1e6, **options))
    assert sparsity_of(free) < 0.9
    assert sparsity_of(dear) > 0.99


def test_movement_is_not_magnitude(tiny_model, single):
    """Prevents scores that are never learnt, so that the first weights go."""
    by_size, _ = train(tiny_model, single, MagnitudePruning(sparsity=0.5))
    moved, _ = train(tiny_model, single, MovementPruning(sparsity=0.5))
    one, other = (masked_modules(model)[0].weight == 0 for model in (by_size, moved))
    assert 0.2 < (one == other).float().mean() < 0.8
    assert 0.2 < other[:16].float().mean() < 0.8  # not row by row


class KilledError(Exception):
    """The machine went down."""


@pytest.mark.parametrize("pruning", [KINDS[0], KINDS[2], SoftMovementPruning(regularization=100.0)])
def test_a_break_leaves_no_trace(tiny_model, single, tmp_path, pruning):
    """Prevents masks, scores or their moments from being lost with a kill: other weights, in silence."""

    def kill(step, model):
        if step == 7:
            raise KilledError
        return False

    whole, losses = train(tiny_model, single, pruning)
    with pytest.raises(KilledError):
        train(tiny_model, single, pruning, checkpoints=tmp_path / "run", watch=kill)
    resumed, again = train(tiny_model, single, pruning, checkpoints=tmp_path / "run", resume=True)
    assert again == losses
    assert weights(resumed) == weights(whole)
    other = MagnitudePruning(sparsity=0.3)
    with pytest.raises(InputError, match="belong to other"):
        train(tiny_model, single, other, checkpoints=tmp_path / "run", resume=True)


def test_a_look_sees_the_step_it_is_told(tiny_model, single):
    """Prevents looks at weights of another sparsity than the step's, or of none."""
    pruning, seen = MagnitudePruning(sparsity=0.8, start=0.0, end=1.0), {}
    train(tiny_model, single, pruning, watch=lambda step, model: seen.update({step: sparsity_of(model)}))
    assert seen == {step: pytest.approx(pruning.sparsity_at(step, 10), abs=1e-4) for step in range(1, 11)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MagnitudePruning(sparsity=1.0), "sparsity must be a share"),
        (lambda: MagnitudePruning(start=0.5, end=0.5), "start and end must be shares"),
        (lambda: MagnitudePruning(scope="layers"), "Did you mean 'layer'"),
        (lambda: MovementPruning(parts=("layer",)), "Did you mean 'layers'"),
        (lambda: MovementPruning(parts=()), "at least one of"),
        (lambda: MovementPruning(updates=0), "updates must be at least 1"),
        (lambda: MovementPruning(score_learning_rate=0), "score_learning_rate must be above 0"),
        (lambda: SoftMovementPruning(regularization=-1), "regularization must be 0 or more"),
        (lambda: SoftMovementPruning(threshold=0.5), "threshold must be above 0"),
        (lambda: check_pruning(0.5), "pruning must be a MagnitudePruning"),
        (lambda: masked_modules(nn.Linear(2, 2)), "needs a transformer with a list of layers"),
    ],
)
def test_mistakes_are_named(make, message):
    """Prevents settings out of range from pruning all, or nothing."""
    with pytest.raises(InputError, match=message):
        make()


class State:
    """What a callback is told of the training."""

    def __init__(self, step):
        self.global_step = step


class FakeModel(nn.Module):
    """Two linear layers in a list, and a configuration that says so."""

    def __init__(self, depth):
        super().__init__()
        self.config = type("Config", (), {"num_hidden_layers": depth})
        self.layers = nn.ModuleList(nn.Linear(6, 6, bias=False) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def fake_model(depth=2):
    """A model with weights of a seed."""
    model = FakeModel(depth)
    for seed, layer in enumerate(model.layers):
        nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(seed))
    return model
