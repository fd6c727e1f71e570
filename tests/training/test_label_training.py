"""Training on gold labels: gradients that do not depend on how a step is cut, breaks, and wrong arguments."""

import copy
import gc
import weakref

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.training.label_loss import LabelLoss, balanced_weights
from fewshot.training.label_training import LabelTrainer, train_on_labels
from fewshot.training.layer_rates import LayerRates, frozen_below
from fewshot.training.schedule import Schedule
from tests.distillation.logit_cases import features_of, make_bert, make_tokenizer, weights
from tests.jobs import job_server
from tests.training.test_processes import free_port, job_of


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


@pytest.fixture
def plain_steps(monkeypatch):
    """Step by the plain gradient, unclipped: AdamW and clipping hide its size."""
    monkeypatch.setattr(LabelTrainer, "get_optimizer_cls_and_kwargs", lambda *_: (torch.optim.SGD, {}))
    monkeypatch.setattr(LabelTrainer, "_clip_grad_norm", lambda *_: None)
    monkeypatch.setattr(LabelTrainer, "_get_grad_norm", lambda *_, **__: None)


def train(start, tokenizer, texts, y, schedule, *, weight=None, **options):
    """Train a copy of a model; return it and its losses."""
    model = copy.deepcopy(start)
    loss = LabelLoss(model, y, options.pop("rates", LayerRates(schedule.learning_rate)), class_weights=weight)
    options = {"device": "cpu", "precision": "float32"} | options
    return model, train_on_labels(model, texts, features_of(tokenizer), loss, schedule, **options)


def labels(kind, n):
    """Return uneven classes of n texts."""
    rng = np.random.default_rng(0)
    if kind == "multi":
        return (rng.random((n, 3)) < [0.1, 0.3, 0.7]).astype(int)
    return np.minimum(rng.integers(0, 6, size=n), 2)


def test_a_finished_training_lets_go_of_what_makes_features(tokenizer, pool):
    """Prevents models of past trainings from filling the memory: the scorer that tokenizes holds one, too."""
    model, gone = make_bert(tokenizer), []

    class Scorer:
        """Holds a model, as the one of a classifier does."""

        def __init__(self, model):
            self.model, self.of = model, features_of(tokenizer)

        def features(self, texts):
            return self.of(texts)

    def run():
        mine = copy.deepcopy(model)
        gone.append(weakref.ref(mine))
        loss = LabelLoss(mine, labels("single", 8), LayerRates(1e-3))
        features = Scorer(mine).features
        train_on_labels(mine, pool[:8], features, loss, Schedule(2, 4, 1e-3, in_pairs=False), device="cpu")

    gc.disable()  # what a collection would free later does not count
    try:
        run()
        assert gone[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("n", [32, 45])
def test_a_batch_of_32_is_four_of_8(tokenizer, pool, plain_steps, kind, weighted, n):
    """Prevents a gradient four times too large, and a smaller step or batch that weighs like a full one.

    45 texts make steps of 23 and 22, and these batches of 6 and 5 or 6 and 5; both steps are compared.
    """
    y = labels(kind, n)
    weight = balanced_weights(y, 3) if weighted else None
    start = make_bert(tokenizer, dropout=0.0, seed=1)
    steps = -(-n // 32)
    found = []
    for batch_size, accumulation in ((32, 1), (8, 4)):
        schedule = Schedule(steps, batch_size, 0.1, warmup=0.0, in_pairs=False)
        model, losses = train(start, tokenizer, pool[:n], y, schedule, weight=weight, accumulation=accumulation)
        gradients = [(a - b).detach() / 0.1 for a, b in zip(start.parameters(), model.parameters(), strict=True)]
        found.append((losses, gradients))
    (one, whole), (four, parts) = found
    assert len(one) == steps
    assert four == pytest.approx(one, rel=1e-4)
    assert sum(gradient.norm() for gradient in whole) > 0.1
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=5e-5, rtol=1e-3)


def test_the_gradient_is_that_of_the_loss(tokenizer, pool, plain_steps):
    """Prevents a gradient that is wrong in the same way however a step is cut."""
    y = labels("single", 16)
    start = make_bert(tokenizer, dropout=0.0, seed=1)
    model, losses = train(start, tokenizer, pool[:16], y, Schedule(1, 16, 0.1, warmup=0.0, in_pairs=False))
    reference = copy.deepcopy(start)
    loss = torch.nn.functional.cross_entropy(reference(**features_of(tokenizer)(pool[:16])).logits, torch.from_numpy(y))
    loss.backward()
    assert losses == pytest.approx([loss.item()], rel=1e-5)
    for before, after, own in zip(start.parameters(), model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close((before - after).detach() / 0.1, own.grad, atol=2e-5, rtol=1e-3)


def test_two_processes_train_as_one(tmp_path):
    """Prevents shares of uneven size from counting as even ones, and halved gradients."""
    serve, port = job_server("tests.training.label_script"), free_port()
    together = [job_of(rank, port, tmp_path, tmp_path) for rank in (0, 1)]
    serve({"out": str(tmp_path / "alone.npz")}, *together, expected=0)
    alone, *together = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("alone", "0", "1"))
    for arrays in together:
        assert arrays.keys() == alone.keys()
        for name, array in alone.items():
            np.testing.assert_allclose(arrays[name], array, atol=1e-6, rtol=0, err_msg=name)
    assert not np.allclose(alone["weights body.weight"], alone["start body.weight"], atol=1e-3)


def test_the_same_bits_after_a_break(tokenizer, pool, tmp_path):
    """Prevents a resumed training from other batches, other dropout or other learning rates."""
    y, start = labels("single", 21), make_bert(tokenizer, seed=1)
    schedule = Schedule(12, 4, 1e-3, save_every=4, in_pairs=False)
    options = {"rates": LayerRates(1e-2, 0.8), "accumulation": 2}
    whole, losses = train(start, tokenizer, pool[:21], y, schedule, **options)

    def breaks(step, model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            start, tokenizer, pool[:21], y, schedule, **options, checkpoints=tmp_path, watch=breaks, watch_every=10
        )  # fmt: skip
    again, resumed = train(start, tokenizer, pool[:21], y, schedule, **options, checkpoints=tmp_path, resume=True)
    assert resumed == losses
    assert weights(again) == weights(whole)


def test_a_lower_rate_moves_less_and_frozen_layers_stay(tokenizer, pool):
    """Prevents rates that never reach the optimizer, and frozen layers that move."""
    y, start = labels("single", 16), make_bert(tokenizer, layers=4, seed=1)
    model = copy.deepcopy(start)
    loss = LabelLoss(model, y, LayerRates(1e-2, 0.1))
    with frozen_below(model, 1):
        train_on_labels(
            model, pool[:16], features_of(tokenizer), loss, Schedule(3, 16, 1e-3, in_pairs=False), device="cpu"
        )

    def moved(part):
        before, after = start.get_parameter(part), model.get_parameter(part)
        return float((before - after).detach().abs().mean())

    name = "bert.encoder.layer.{}.output.dense.weight"
    assert moved("bert.embeddings.word_embeddings.weight") == moved(name.format(0)) == 0.0
    assert 0 < 3 * moved(name.format(1)) < moved(name.format(2))
    assert 3 * moved(name.format(2)) < moved(name.format(3))
    assert 3 * moved(name.format(3)) < moved("classifier.weight")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulation": 0}, "accumulation must be at least 1"),
        ({"watch_every": 0}, "watch_every must be at least 1"),
        ({"resume": True}, "resume=True needs checkpoints"),
    ],
)
def test_arguments_that_do_not_fit(tokenizer, pool, options, message):
    """Prevents a training on nonsense."""
    with pytest.raises(InputError, match=message):
        train(make_bert(tokenizer), tokenizer, pool[:4], labels("single", 4), Schedule(1, 4, 1e-3), **options)


def test_a_loss_of_another_model(tokenizer, pool):
    """Prevents a training that changes another model than the one that was given."""
    model, y = make_bert(tokenizer), labels("single", 4)
    loss = LabelLoss(make_bert(tokenizer), y, LayerRates(1e-3))
    with pytest.raises(InputError, match="loss holds another model"):
        train_on_labels(model, pool[:4], features_of(tokenizer), loss, Schedule(1, 4, 1e-3), device="cpu")


def test_no_steps_is_no_training(tokenizer, pool):
    """Prevents an optimizer from being made for nothing."""
    start = make_bert(tokenizer)
    model, losses = train(start, tokenizer, pool[:4], labels("single", 4), Schedule(0, 4, 1e-3))
    assert losses == []
    assert weights(model) == weights(start)
