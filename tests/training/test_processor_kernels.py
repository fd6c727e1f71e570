"""Dropout and attention on a processor: torch's own, but for the random numbers and the time."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import BertConfig, BertModel

from fewshot.training.processor_kernels import FEWEST, attention, dropout, processor_kernels

F = nn.functional


def heads(*shape, dtype=torch.float32, seed=0):
    """Return queries, keys and values."""
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=made).to(dtype).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_number_falls_with_the_same_probability(p, dtype):
    """Prevents a dropout of another strength, and numbers that fall together."""
    torch.manual_seed(0)
    kept = dropout(torch.ones(400, 1001, dtype=dtype), p)
    fallen = kept == 0
    assert float(fallen.float().mean()) == pytest.approx(p, abs=0.004)  # 4 standard errors at most
    torch.testing.assert_close(kept[~fallen], torch.full_like(kept[~fallen], 1 / (1 - p)), rtol=0.01, atol=0)
    for distance in (1, 2, 3, 4, 1001):  # four numbers share a draw
        flat = fallen.flatten()
        both = float((flat[distance:] & flat[:-distance]).float().mean())
        assert both == pytest.approx(p * p, abs=0.004)


def test_the_gradient_goes_through_what_stayed():
    """Prevents a gradient that is not of the numbers that were kept."""
    x = torch.randn(100, 100, requires_grad=True)
    y = dropout(x, 0.3)
    y.sum().backward()
    torch.testing.assert_close(x.grad, (y != 0) / 0.7)
    torch.testing.assert_close(y, x * x.grad)


def test_a_seed_decides():
    """Prevents trainings that cannot be repeated, or gone on with."""
    x = torch.ones(FEWEST)
    torch.manual_seed(3)
    first, state = dropout(x, 0.5), torch.get_rng_state()
    second = dropout(x, 0.5)
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.5), first)
    torch.set_rng_state(state)
    assert torch.equal(dropout(x, 0.5), second)


@pytest.mark.parametrize("options", [{"p": 0.0}, {"p": 1.0}, {"p": 1e-6}, {"p": 0.5, "training": False}])
def test_what_has_no_chance_is_left_to_torch(options):
    """Prevents zeros in a model that predicts, and chances that 16 bits cannot tell from none or from all."""
    x = torch.randn(FEWEST)
    assert float((dropout(torch.ones(FEWEST), 0.999999) != 0).float().mean()) < 0.01
    assert torch.equal(dropout(x, **options), F.dropout(x, **options))


@pytest.mark.parametrize("mask", ["none", "bool", "float"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_is_torchs(mask, dtype, monkeypatch):
    """Prevents another attention: a mask the wrong way round, a scale that is missing."""
    monkeypatch.setattr("fewshot.training.processor_kernels.dropout", lambda x, p: x)
    seen = torch.ones(2, 1, 5, 7, dtype=torch.bool)
    seen[1, :, :, 4:] = False
    masks = {"none": None, "bool": seen, "float": torch.zeros(seen.shape).masked_fill(~seen, torch.finfo().min)}
    sides = []
    for attend, p in ((attention, 0.1), (F.scaled_dot_product_attention, 0.0)):
        query, key, value = heads(2, 3, 7, 8, dtype=dtype)
        given = masks[mask] if p or dtype == torch.float32 or mask != "float" else masks[mask].to(dtype)
        y = attend(query[:, :, :5], key, value, given, p)
        y.float().square().sum().backward()
        sides.append((y, query.grad, key.grad, value.grad))
    near = {"rtol": 0.05, "atol": 0.05} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-5}
    for ours, theirs in zip(*sides, strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs, **near)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"dropout_p": 0.0, "scale": 0.5}])
def test_other_attention_is_left_to_torch(options):
    """Prevents a causal model from looking ahead."""
    query, key, value = heads(1, 2, 4, 8)
    torch.testing.assert_close(
        attention(query, key, value, **options), F.scaled_dot_product_attention(query, key, value, **options)
    )
    torch.manual_seed(0)
    ours = attention(query, key, value, None, 0.5, True)
    torch.manual_seed(0)
    assert torch.equal(ours, F.scaled_dot_product_attention(query, key, value, None, 0.5, True))


def test_queries_of_another_precision_than_values():
    """Prevents a crash in models that turn queries and keys by float32 angles, as rotary ones do under autocast."""
    query, key, value = heads(1, 2, 4, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = F.scaled_dot_product_attention(query, key, value.bfloat16())
        found = attention(query, key, value.bfloat16(), None, 1e-9)
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05)


def test_a_row_that_sees_nothing():
    """Prevents NaN where a text is padding alone and the mask a sum in another precision."""
    query, key, value = heads(1, 2, 4, 8, dtype=torch.bfloat16)
    mask = torch.full((1, 1, 4, 4), torch.finfo(torch.float32).min)
    assert bool(attention(query, key, value, mask, 0.1).isfinite().all())


@pytest.mark.parametrize("reentrant", [True, False])
def test_layers_that_are_computed_once_more(reentrant):
    """Prevents gradients of another dropout than the loss had, where activations are not kept but computed again."""
    torch.manual_seed(0)
    x, weight = torch.randn(64, 128, requires_grad=True), torch.randn(128, 128, requires_grad=True)
    gradients = []

    def layer(rows):
        return F.dropout(rows @ weight, 0.5)

    for again in (False, True):
        torch.manual_seed(1)
        with processor_kernels():
            y = checkpoint(layer, x, use_reentrant=reentrant) if again else layer(x)
            y.square().sum().backward()
        gradients.append(weight.grad)
        weight.grad = None
    torch.testing.assert_close(gradients[1], gradients[0])


def test_two_trainings_at_once():
    """Prevents one training's end from taking the kernels out of another's hands."""
    first, second = processor_kernels(), processor_kernels()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert F.dropout is dropout
    assert F.scaled_dot_product_attention is attention
    second.__exit__(None, None, None)
    assert F.dropout is not dropout
    assert F.scaled_dot_product_attention is not attention


def test_a_model_is_served_inside_the_block_alone(monkeypatch):
    """Prevents kernels that no layer comes to, and kernels that stay when the training is over."""
    asked = []
    monkeypatch.setattr(
        "fewshot.training.processor_kernels._kept",
        lambda shape, p: asked.append(tuple(shape)) or torch.ones(shape, dtype=torch.bool),
    )
    config = BertConfig(vocab_size=50, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    model, ids = BertModel(config).train(), torch.randint(0, 50, (8, 32))
    with processor_kernels():
        model(ids)
    assert asked.count((8, 4, 32, 32)) == 2
    assert asked.count((8, 32, 64)) == 5  # embeddings, and of each layer attention and feed-forward part
    model(ids)
    assert len(asked) == 7
