"""The trainer of logit distillation: outputs of any form, and gradients that do not depend on how a batch is cut."""

import collections
import copy

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.logit_losses import MISSING, LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_trainer import LogitTrainer, run_model
from fewshot.distillation.logit_training import LiveTeacher, distill_logits
from fewshot.training.schedule import Schedule
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
    with pytest.raises(InputError, match="layer_losses need hidden states, and Fixed returned none"):
        run_model(Fixed({"logits": torch.ones(2, 3)}), {}, hidden_states=True)


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


@pytest.mark.parametrize("layer_losses", [(), (LayerLoss("hidden_mse"), LayerLoss("pooled"))])
def test_a_batch_of_32_is_four_of_8(tokenizer, pool, layer_losses, monkeypatch):
    """Prevents a gradient four times too large, which clipping and logged losses show and AdamW hides."""
    monkeypatch.setattr(LogitTrainer, "get_optimizer_cls_and_kwargs", lambda *_: (torch.optim.SGD, {}))
    monkeypatch.setattr(LogitTrainer, "_clip_grad_norm", lambda *_: None)
    monkeypatch.setattr(LogitTrainer, "_get_grad_norm", lambda *_, **__: None)
    rng = np.random.default_rng(0)
    gold = np.where(rng.random(32) < 0.4, rng.integers(0, 3, size=32), MISSING)  # unevenly over the parts
    targets = LogitTargets(rng.normal(size=(32, 3)), gold, rng.uniform(0.2, 2.0, size=32))
    start = make_bert(tokenizer, dropout=0.0, seed=1)
    teacher = LiveTeacher(make_bert(tokenizer, layers=4, width=16, seed=2)) if layer_losses else None
    found = []
    for batch_size, accumulation in ((32, 1), (8, 4)):
        model = copy.deepcopy(start)
        losses = distill_logits(
            model,
            pool[:32],
            features_of(tokenizer),
            targets,
            Schedule(1, batch_size, 0.1, warmup=0.0),
            objective=LogitObjective(0.4, 2.0),
            teacher=teacher,
            layer_losses=layer_losses,
            accumulation=accumulation,
            device="cpu",
            precision="float32",
        )
        gradients = [(a - b).detach() / 0.1 for a, b in zip(start.parameters(), model.parameters(), strict=True)]
        found.append((losses, gradients))
    (one, whole), (four, parts) = found
    assert four == pytest.approx(one, rel=1e-4)
    assert sum(gradient.norm() for gradient in whole) > 0.1
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)


def test_projections_are_clipped(tokenizer, pool, monkeypatch):
    """Prevents projections whose gradients escape the clipping."""
    clipped = []
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda p, *a, **k: clipped.append(p := list(p)) or clip(p, *a, **k)
    )
    student = make_bert(tokenizer, width=16)
    distill_logits(
        student,
        pool[:16],
        features_of(tokenizer),
        LogitTargets(),
        Schedule(1, 8, 1e-3),
        teacher=LiveTeacher(make_bert(tokenizer, layers=4, seed=2)),
        layer_losses=[LayerLoss("hidden_mse")],
        device="cpu",
    )
    assert len(clipped[0]) == len(list(student.parameters())) + 2
    assert not [name for name in student.state_dict() if "projection" in name]
