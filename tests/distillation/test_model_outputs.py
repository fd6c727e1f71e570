"""What models return, in any form, and what their modules return on the way."""

import collections

import pytest
import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.model_outputs import (
    STUDENT,
    TEACHER,
    StatesAsked,
    recorded_outputs,
    run_model,
    states_asked,
)
from tests.distillation.logit_cases import features_of, make_bert, make_tokenizer

Bare = collections.namedtuple("Bare", ["scores"])


class Fixed(nn.Module):
    """Returns what it is told to."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, **features):
        return self.output


@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: (x, None), lambda x: [x], lambda x: {"logits": x}, lambda x: Bare(x)]
)
def test_outputs_of_any_form(wrap):
    """Prevents a model of one's own from being refused for not returning an output of transformers."""
    logits = torch.ones(2, 3)
    assert run_model(Fixed(wrap(logits)), {}).logits is logits


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "Fixed returned no logits"),
        ({"scores": torch.ones(2, 3)}, "Fixed returned no logits"),
        (torch.ones(2, 3, 4), r"Fixed returned logits of shape \(2, 3, 4\)"),
    ],
)
def test_outputs_without_logits(output, message):
    """Prevents a token classifier, or a bare encoder, from being trained as a classifier of texts."""
    with pytest.raises(InputError, match=message):
        run_model(Fixed(output), {})


def test_hidden_states_are_asked_for():
    """Prevents layer losses over nothing, silently."""
    with pytest.raises(
        InputError, match="layer_losses need hidden states, and Fixed returned none; leave layer_losses out, or name"
    ):
        run_model(Fixed({"logits": torch.ones(2, 3)}), {}, StatesAsked(hidden=True))


def test_what_losses_ask_for():
    """Prevents states from being asked of the wrong model, or a module from being recorded twice."""
    losses = [LayerLoss("pooled", layers=(("a", 2), ("b", 1))), LayerLoss("hidden_mse", layers=(("a", "x"),))]
    assert states_asked(losses, STUDENT) == StatesAsked(modules=("a", "b"))
    assert states_asked(losses, TEACHER) == StatesAsked(hidden=True, modules=("x",))
    assert states_asked([LayerLoss("pooled")], STUDENT) == StatesAsked(hidden=True)
    assert states_asked([], STUDENT) == StatesAsked()


def test_modules_of_a_transformer(tiny_tokenizer):
    """Prevents another layer's states, a cut gradient, and hooks that stay on the model."""
    tokenizer = make_tokenizer(tiny_tokenizer)
    model, features = make_bert(tokenizer), features_of(tokenizer)(["hello refund", "my card"])
    names = ("bert.encoder.layer.0", "bert.encoder.layer.1", "bert.pooler", "bert.encoder.layer.0.attention")
    output = run_model(model, features, StatesAsked(hidden=True, modules=names))
    assert list(output.states) == [0, 1, 2, *names]
    torch.testing.assert_close(output.states["bert.encoder.layer.0"], output.states[1])
    torch.testing.assert_close(output.states["bert.encoder.layer.1"], output.states[2])
    assert output.states["bert.pooler"].shape == (2, 32)
    assert output.states["bert.encoder.layer.0.attention"].shape == output.states[0].shape
    output.states["bert.pooler"].sum().backward()
    assert model.bert.encoder.layer[0].output.dense.weight.grad.abs().sum() > 0
    hooks = [len(module._forward_hooks) for module in model.modules()]  # transformers leaves its own
    with recorded_outputs(model, names):
        assert sum(len(module._forward_hooks) for module in model.modules()) == sum(hooks) + len(names)
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    with pytest.raises(InputError, match=r"module 'bert.poler', which BertFor.* does not have. Did you mean 'bert.po"):
        run_model(model, features, StatesAsked(modules=("bert.poler",)))


class Odd(nn.Module):
    """Its parts return what no layer loss can use, or nothing at all."""

    def __init__(self):
        super().__init__()
        self.words, self.turned, self.idle, self.twice = Fixed("text"), nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, x):
        """Return logits."""
        self.words()
        self.turned(x.T)
        self.twice(x)
        return self.twice(2 * x)


def test_modules_that_give_nothing():
    """Prevents an error in the depths where a module is skipped, returns no tensor, or turns the batch on its side."""
    x = {"x": torch.ones(2, 3)}
    for name, message in {
        "words": "the module 'words' returned no tensor but str",
        "idle": "the module 'idle' of Odd did not run",
        "turned": r"the module 'turned' returned the shape \(3, 2\) for 2 examples",
    }.items():
        with pytest.raises(InputError, match=message):
            run_model(Odd(), x, StatesAsked(modules=(name,)))
    assert run_model(Odd(), x, StatesAsked(modules=("twice",))).states["twice"].tolist() == [[2.0] * 3] * 2


@pytest.mark.parametrize("wrap", [lambda x: (None, x), lambda x: [x], lambda x: {"a": "b", "c": x}])
def test_modules_that_return_several_things(wrap):
    """Prevents a layer that returns a tuple, as those of transformers do, from being refused."""
    part = Fixed(wrap(torch.ones(1)))
    with recorded_outputs(nn.ModuleDict({"part": part}), ["part"]) as outputs:
        part()
    assert outputs["part"].tolist() == [1.0]
