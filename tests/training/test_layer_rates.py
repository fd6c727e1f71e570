"""Learning rates by layer, and layers that are left as they are."""

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AlbertForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from fewshot.core.errors import InputError
from fewshot.training.layer_rates import LayerRates, frozen_below, heights, layer_list
from tests.distillation.logit_cases import bert_config


@pytest.fixture(scope="module")
def bert():
    """A BERT of four layers that classifies."""
    from transformers import BertForSequenceClassification

    with torch.random.fork_rng():
        return BertForSequenceClassification(bert_config(50, layers=4))


def rates_by_name(model, rates, learning_rate):
    """Return the rate that each parameter gets."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = rates.groups(model, learning_rate)
    return {names[id(p)]: group["lr"] for group in groups for p in group["params"]}


def test_each_layer_learns_slower_than_the_one_above(bert):
    """Prevents a decay that starts at the wrong end, embeddings that learn fastest, and a forgotten parameter."""
    found = rates_by_name(bert, LayerRates(head=0.5, decay=0.1), 1.0)
    assert found.keys() == dict(bert.named_parameters()).keys()
    for name, rate in found.items():
        if name.startswith("classifier"):
            wanted = 0.5
        elif ".embeddings." in name:
            wanted = 1e-4
        elif ".pooler." in name:
            wanted = 1.0
        else:
            wanted = 10.0 ** (int(name.split(".")[3]) - 3)
        assert rate == pytest.approx(wanted), name


def test_no_decay_is_two_groups(bert):
    """Prevents dozens of groups, which slow each step, where two rates are all there is."""
    groups = LayerRates(head=0.5).groups(bert, 1.0)
    assert sorted(group["lr"] for group in groups) == [0.5, 1.0]
    assert sum(len(group["params"]) for group in groups) == len(list(bert.parameters()))


def test_what_comes_after_the_layers_stands_highest():
    """Prevents GPT-2's last normalization from learning as slowly as its embeddings."""
    config = GPT2Config(vocab_size=50, n_positions=16, n_embd=8, n_layer=3, n_head=2, pad_token_id=0)
    with torch.random.fork_rng():
        model = GPT2ForSequenceClassification(config)
    names = {id(parameter): name for name, parameter in model.transformer.named_parameters()}
    found = {names[number]: height for number, height in heights(model.transformer).items()}
    assert found["wte.weight"] == found["wpe.weight"] == 0
    assert [found[f"h.{i}.ln_1.weight"] for i in range(3)] == [1, 2, 3]
    assert found["ln_f.weight"] == 4
    assert rates_by_name(model, LayerRates(head=0.5, decay=0.1), 1.0)["transformer.ln_f.weight"] == 1.0


def test_shared_layers_learn_at_one_rate():
    """Prevents a crash at ALBERT, whose layers are one."""
    config = AlbertConfig(
        vocab_size=50, embedding_size=8, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8
    )
    with torch.random.fork_rng():
        model = AlbertForSequenceClassification(config)
    assert layer_list(model.albert) is None
    assert set(rates_by_name(model, LayerRates(head=0.5, decay=0.1), 1.0).values()) == {0.5, 1.0}
    with pytest.raises(InputError, match="no list of layers"), frozen_below(model, 1):
        pass


@pytest.mark.parametrize(("n_layers", "trained_from"), [(None, -1), (0, 0), (2, 2), (4, 4)])
def test_frozen_layers_get_no_gradient_and_thaw(bert, n_layers, trained_from):
    """Prevents layers that are trained though frozen, and models that stay frozen for whoever trains them next."""
    with frozen_below(bert, n_layers):
        held = {name for name, parameter in bert.named_parameters() if not parameter.requires_grad}
        groups = LayerRates(head=0.5).groups(bert, 1.0)
        assert sum(len(group["params"]) for group in groups) == len(list(bert.parameters())) - len(held)
    for name in dict(bert.named_parameters()):
        layer = int(name.split(".")[3]) if ".layer." in name else None
        low = trained_from >= 0 and (".embeddings." in name or (layer is not None and layer < trained_from))
        assert (name in held) == low, name
    assert all(parameter.requires_grad for parameter in bert.parameters())


def test_what_was_frozen_before_stays_frozen():
    """Prevents a caller's own frozen weights from being thawed."""
    with torch.random.fork_rng():
        model = nn.Module()
        model.base_model = GPT2ForSequenceClassification(
            GPT2Config(vocab_size=50, n_positions=16, n_embd=8, n_layer=2, n_head=2)
        ).transformer
    model.base_model.wte.weight.requires_grad_(False)
    with frozen_below(model, 1):
        pass
    assert not model.base_model.wte.weight.requires_grad
    assert model.base_model.wpe.weight.requires_grad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": 0.0}, "head_learning_rate must be above 0"),
        ({"head": 1.0, "decay": 0.0}, "layer_decay must be above 0 and at most 1"),
        ({"head": 1.0, "decay": 1.1}, "layer_decay must be above 0 and at most 1"),
        ({"head": float("nan")}, "head_learning_rate must be above 0"),
    ],
)
def test_rates_out_of_range(arguments, message):
    """Prevents a training that stands still or blows up without a word."""
    with pytest.raises(InputError, match=message):
        LayerRates(**arguments)


def test_too_many_layers_to_freeze(bert):
    """Prevents a typing error from freezing all there is."""
    with pytest.raises(InputError, match="4 layers; got 5"), frozen_below(bert, 5):
        pass
