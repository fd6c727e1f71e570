"""Training on labels and unlabelled texts: gradients that do not depend on how a step is cut, and breaks."""

import copy

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.training.consistency_loss import ConsistencyLoss, ConsistencySettings
from fewshot.training.consistency_training import ConsistencyTrainer, train_consistently
from fewshot.training.label_loss import LabelLoss
from fewshot.training.label_training import train_on_labels
from fewshot.training.layer_rates import LayerRates
from fewshot.training.schedule import Schedule
from fewshot.training.unlabeled_pairs import UnlabeledPairs
from tests.distillation.logit_cases import features_of, make_bert, make_tokenizer, weights
from tests.training.test_consistency_loss import USUAL
from tests.training.test_label_training import labels


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


@pytest.fixture(scope="module")
def pairs(pool):
    """Unlabelled texts, each beside two copies of it: with a word before it, or after it."""
    texts = pool[40:58]
    return UnlabeledPairs(
        np.repeat(texts, 2).tolist(), [copy for text in texts for copy in ("my " + text, text + " why")]
    )


@pytest.fixture
def plain_steps(monkeypatch):
    """Step by the plain gradient, unclipped: AdamW and clipping hide its size."""
    monkeypatch.setattr(ConsistencyTrainer, "get_optimizer_cls_and_kwargs", lambda *_: (torch.optim.SGD, {}))
    monkeypatch.setattr(ConsistencyTrainer, "_clip_grad_norm", lambda *_: None)
    monkeypatch.setattr(ConsistencyTrainer, "_get_grad_norm", lambda *_, **__: None)


def train(start, tokenizer, texts, pairs, y, schedule, *, settings=None, **options):
    """Train a copy of a model; return it and its losses."""
    model = copy.deepcopy(start)
    consistency = ConsistencySettings(**USUAL | (settings or {}))
    loss = ConsistencyLoss(model, y, LayerRates(schedule.learning_rate), consistency, steps=schedule.steps)
    options = {"device": "cpu", "precision": "float32"} | options
    return model, train_consistently(model, texts, pairs, features_of(tokenizer), loss, schedule, **options)


@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("n", [16, 23])
def test_a_batch_of_16_is_two_of_8(tokenizer, pool, pairs, plain_steps, kind, n):
    """Prevents a gradient twice too large, and uneven parts of labels or pairs that weigh like even ones.

    23 texts make steps of 12 and 11, with 9 and 8 unlabelled texts; both steps are compared.
    """
    start, found = make_bert(tokenizer, dropout=0.0, seed=1), []
    settings = {"unlabeled_ratio": 0.75, "confidence": 0.5, "annealing": "linear"}
    for batch_size, accumulation in ((16, 1), (8, 2)):
        schedule = Schedule(-(-n // 16), batch_size, 0.1, warmup=0.0, in_pairs=False)
        options = {"settings": settings, "accumulation": accumulation}
        model, losses = train(start, tokenizer, pool[:n], pairs, labels(kind, n), schedule, **options)
        gradients = [(a - b).detach() / 0.1 for a, b in zip(start.parameters(), model.parameters(), strict=True)]
        found.append((losses, gradients))
    (one, whole), (two, parts) = found
    assert two == pytest.approx(one, rel=1e-4)
    assert sum(gradient.norm() for gradient in whole) > 0.1
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=5e-5, rtol=1e-3)


def test_the_gradient_is_that_of_both_losses(tokenizer, pool, pairs, plain_steps):
    """Prevents labels of other rows, and texts beside copies of others, once rows are shuffled among pairs."""
    y, start = labels("single", 8), make_bert(tokenizer, dropout=0.0, seed=1)
    settings = {"unlabeled_ratio": 10, "confidence": 0.0}
    schedule = Schedule(1, 8, 0.1, warmup=0.0, in_pairs=False)
    model, losses = train(start, tokenizer, pool[:8], pairs, y, schedule, settings=settings)
    reference, features = copy.deepcopy(start), features_of(tokenizer)
    with torch.no_grad():
        targets = torch.softmax(reference(**features(pairs.originals)).logits / 0.4, dim=1)
    labeled = torch.nn.functional.cross_entropy(reference(**features(pool[:8])).logits, torch.from_numpy(y))
    copies = reference(**features(pairs.copies[::2])).logits  # the first of each text: all come once
    loss = labeled + 0.7 * torch.nn.functional.cross_entropy(copies, targets)
    loss.backward()
    assert losses == pytest.approx([loss.item()], rel=1e-5)
    for before, after, own in zip(start.parameters(), model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close((before - after).detach() / 0.1, own.grad, atol=2e-5, rtol=1e-3)


def test_without_pairs_it_is_training_on_labels(tokenizer, pool):
    """Prevents another order of the labels, other dropout or another head where unlabelled texts are left out."""
    y, start, schedule = labels("single", 21), make_bert(tokenizer, seed=1), Schedule(6, 4, 1e-3, in_pairs=False)
    model, losses = train(start, tokenizer, pool[:21], UnlabeledPairs([], []), y, schedule, accumulation=2)
    other = copy.deepcopy(start)
    loss = LabelLoss(other, y, LayerRates(1e-3))
    options = {"accumulation": 2, "device": "cpu", "precision": "float32"}
    assert train_on_labels(other, pool[:21], features_of(tokenizer), loss, schedule, **options) == losses
    assert weights(other) == weights(model)


def test_the_same_bits_after_a_break(tokenizer, pool, pairs, tmp_path):
    """Prevents a resumed training from other texts, copies, dropout, or a threshold that begins again."""
    y, start = labels("single", 21), make_bert(tokenizer, seed=1)
    schedule = Schedule(12, 4, 1e-3, save_every=4, in_pairs=False)
    options = {"settings": {"annealing": "linear", "confidence": 0.4}, "accumulation": 2}
    whole, losses = train(start, tokenizer, pool[:21], pairs, y, schedule, **options)

    def breaks(step, model):
        raise KeyboardInterrupt

    stored = {**options, "checkpoints": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        train(start, tokenizer, pool[:21], pairs, y, schedule, **stored, watch=breaks, watch_every=10)
    again, resumed = train(start, tokenizer, pool[:21], pairs, y, schedule, **stored, resume=True)
    assert resumed == losses
    assert weights(again) == weights(whole)
    others = UnlabeledPairs(pairs.texts, [copy + "!" for copy in pairs.copies])
    with pytest.raises(InputError, match="belong to other texts"):
        train(start, tokenizer, pool[:21], others, y, schedule, **stored, resume=True)


def test_arguments_that_do_not_fit(tokenizer, pool, pairs):
    """Prevents a training on nonsense."""
    y, schedule = labels("single", 4), Schedule(1, 4, 1e-3, in_pairs=False)
    for options, message in (
        ({"accumulation": 0}, "accumulation must be at least 1"),
        ({"watch_every": 0}, "watch_every must be at least 1"),
        ({"resume": True}, "resume=True needs checkpoints"),
    ):
        with pytest.raises(InputError, match=message):
            train(make_bert(tokenizer), tokenizer, pool[:4], pairs, y, schedule, **options)
