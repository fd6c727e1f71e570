"""Pairwise training on tiny models."""

import copy
import gc
import random
import tracemalloc
import weakref

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.training.losses import JointHeadLoss, PairwiseCosineLoss
from fewshot.training.samplers import ClassBatches, ShuffledBatches
from fewshot.training.schedule import Schedule
from fewshot.training.targets import EmbeddingSimilarity, LabelSimilarity
from fewshot.training.trainer import train_pairwise


def train(model, texts, y, *, steps=8, batch_size=8, learning_rate=1e-3, random_state=0, **options):
    """Train a copy of a model on labels; return it and its losses."""
    model = copy.deepcopy(model)
    losses = train_pairwise(
        model,
        texts,
        PairwiseCosineLoss(model, LabelSimilarity(y)),
        ClassBatches(y, batch_size=batch_size, steps=steps * options.get("accumulation", 1), random_state=random_state),
        Schedule(steps, batch_size, learning_rate),
        description="training",
        device="cpu",
        random_state=random_state,
        **options,
    )
    return model, losses


@pytest.fixture(scope="module")
def y(single):
    """Class numbers of the single-label toy data."""
    return np.unique(single.labels, return_inverse=True)[1]


def weights(model):
    """All weights as bytes."""
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_the_loss_falls(tiny_model, single, y):
    """Prevents a trainer that runs and learns nothing: a frozen model, a loss without gradient."""
    model, losses = train(tiny_model, single.texts, y, steps=15, batch_size=16, learning_rate=3e-3)
    assert len(losses) == 15
    assert losses[-1] < 0.8 * losses[0]
    assert not model.training


def test_a_finished_training_lets_go(tiny_model, single, y):
    """Prevents gradients, moments and models of past trainings from filling the memory of a long comparison."""
    model = copy.deepcopy(tiny_model)
    loss = PairwiseCosineLoss(model, LabelSimilarity(y))
    gone = weakref.ref(loss)
    gc.disable()  # what a collection would free later does not count
    try:
        train_pairwise(
            model,
            single.texts,
            loss,
            ClassBatches(y, batch_size=8, steps=2, random_state=0),
            Schedule(2, 8, 1e-3),
            description="training",
            device="cpu",
        )
        assert all(parameter.grad is None for parameter in model.parameters())
        del loss
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_one_seed_one_model(tiny_model, single, y, precision):
    """Prevents dropout, batches or thread order from making two runs of one seed differ by a bit."""
    one, losses = train(tiny_model, single.texts, y, precision=precision)
    two, again = train(tiny_model, single.texts, y, precision=precision)
    other, _ = train(tiny_model, single.texts, y, precision=precision, random_state=1)
    assert losses == again
    assert weights(one) == weights(two)
    assert weights(one) != weights(other)


def test_random_states_are_left_alone(tiny_model, single, y):
    """Prevents training from resetting the caller's random numbers, as transformers' ``set_seed`` does."""
    random.seed(3), np.random.seed(3), torch.manual_seed(3)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    train(tiny_model, single.texts, y, steps=1)
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002


def test_the_model_computes_in_its_own_precision_afterwards(tiny_model, single, y):
    """Prevents accelerate's bfloat16 wrapper from staying on the model: float32 vectors would be blurred for good."""
    model, _ = train(tiny_model, single.texts, y, steps=1, precision="bfloat16")
    assert "forward" not in vars(model)
    fresh = copy.deepcopy(tiny_model)
    fresh.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(model.encode(single.texts), fresh.encode(single.texts))


def test_nan_is_refused(tiny_model, single, y):
    """Prevents a model of NaN from being fitted, saved and distilled in silence."""
    broken = copy.deepcopy(tiny_model)
    with torch.no_grad():
        next(broken.parameters())[:] = float("nan")
    with pytest.raises(InputError, match="training diverged: the loss of step 1 is nan"):
        train(broken, single.texts, y, steps=2)


def test_no_steps_no_change(tiny_model, single, y):
    """Prevents ``steps=0`` from training one step or asking for a data set."""
    model, losses = train(tiny_model, single.texts, y, steps=0)
    assert losses == []
    assert weights(model) == weights(tiny_model)


@pytest.mark.parametrize(
    ("values", "message"), [((-1, 8, 1e-3), "steps"), ((1, 1, 1e-3), "batch_size"), ((1, 8, 0.0), "learning_rate")]
)
def test_a_schedule_is_checked_at_once(values, message):
    """Prevents a mistake from being found after the teacher has embedded the pool."""
    with pytest.raises(InputError, match=message):
        Schedule(*values)


def test_nothing_is_written_or_printed(tiny_model, single, y, tmp_path, monkeypatch, capsys):
    """Prevents a ``checkpoints`` folder in the user's place, and dictionaries of losses in a pipe."""
    monkeypatch.chdir(tmp_path)
    train(tiny_model, single.texts, y, steps=2)
    assert not list(tmp_path.iterdir())
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_no_list_of_pairs(tiny_model):
    """Prevents memory that grows with the square of the texts: 2,000 texts have two million pairs."""
    texts = [f"text {i}" for i in range(2000)]
    model = copy.deepcopy(tiny_model)
    targets = EmbeddingSimilarity(np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32))
    batches = ShuffledBatches(2000, batch_size=8, steps=1, random_state=0)
    loss = PairwiseCosineLoss(model, targets)
    tracemalloc.start()
    try:
        train_pairwise(model, texts, loss, batches, Schedule(1, 8, 1e-3), description="training", device="cpu")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * 2**20


def test_a_diverged_training_ends_at_once(tiny_model, single, y, tmp_path):
    """Prevents weights of NaN from becoming a checkpoint to go on from."""
    broken = copy.deepcopy(tiny_model)
    with torch.no_grad():
        next(broken.parameters())[:] = float("nan")
    with pytest.raises(InputError, match="lower the learning rate"):
        train(broken, single.texts, y, steps=20, checkpoints=tmp_path)
    assert not list(tmp_path.iterdir())


def without_dropout(model):
    """Return a copy that draws nothing."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def test_a_step_is_the_mean_of_its_micro_batches(tiny_model, single, y, monkeypatch):
    """Prevents a step that grows with the number of micro-batches, by a loss that is summed instead of averaged."""
    from fewshot.training.pairwise_trainer import PairwiseTrainer

    plain = (torch.optim.SGD, {})
    monkeypatch.setattr(PairwiseTrainer, "get_optimizer_cls_and_kwargs", lambda *_: plain)
    monkeypatch.setattr(PairwiseTrainer, "_clip_grad_norm", lambda *_: None)
    monkeypatch.setattr(PairwiseTrainer, "_get_grad_norm", lambda *_, **__: None)
    start = without_dropout(tiny_model)
    model, losses = train(start, single.texts, y, steps=1, accumulation=3, learning_rate=0.1, precision="float32")
    by_hand = PairwiseCosineLoss(start, LabelSimilarity(y))
    values = []
    for rows in ClassBatches(y, batch_size=8, steps=3, random_state=0):
        value = by_hand(start.preprocess([single.texts[row] for row in rows]), torch.tensor(rows))
        (value / 3).backward()
        values.append(value.item())
    assert losses == pytest.approx([np.mean(values)], abs=1e-6)
    for (name, before), after in zip(start.named_parameters(), model.parameters(), strict=True):
        if before.grad is not None:
            torch.testing.assert_close(before - after, 0.1 * before.grad, atol=1e-6, rtol=1e-3, msg=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulation": 0}, "accumulation must be at least 1, got 0"),
        ({"watch_every": 0}, "watch_every must be at least 1, got 0"),
    ],
)
def test_arguments_are_checked_at_once(tiny_model, single, y, options, message):
    """Prevents a division by zero in the depths."""
    with pytest.raises(InputError, match=message):
        train(tiny_model, single.texts, y, steps=1, **options)


def test_batches_and_loss_fit_the_training(tiny_model, single, y):
    """Prevents a sampler that starts again in the middle, and a loss that trains another model."""
    loss = PairwiseCosineLoss(tiny_model, LabelSimilarity(y))
    batches = ClassBatches(y, batch_size=8, steps=3, random_state=0)
    with pytest.raises(InputError, match="batches yields 3 batches, but 2 steps of 2 need 4"):
        train_pairwise(tiny_model, single.texts, loss, batches, Schedule(2, 8, 1e-3), description="x", accumulation=2)
    with pytest.raises(InputError, match="loss holds another model"):
        train_pairwise(
            copy.deepcopy(tiny_model), single.texts, loss, batches, Schedule(3, 8, 1e-3), description="training"
        )


def test_watching_changes_nothing(tiny_model, single, y):
    """Prevents a watcher that draws numbers or embeds in eval mode from changing the training."""
    seen = []

    def watch(step, model):
        assert not model.training
        torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002 - must make no difference
        model.encode(["a text"])
        seen.append(step)
        return False

    expected, losses = train(tiny_model, single.texts, y)
    watched, again = train(tiny_model, single.texts, y, watch=watch, watch_every=3)
    assert seen == [3, 6]
    assert losses == again
    assert weights(watched) == weights(expected)


def test_a_watcher_ends_the_training(tiny_model, single, y):
    """Prevents early stopping that stops a step late, or loses the last loss."""
    _, losses = train(tiny_model, single.texts, y)
    model, fewer = train(tiny_model, single.texts, y, watch=lambda step, _: step >= 5)
    assert fewer == losses[:5]
    assert not model.training


def test_the_head_learns_and_is_clipped(tiny_model, single, y, monkeypatch):
    """Prevents a head that no optimizer reaches, or whose gradients escape the clipping."""
    clipped = []
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda p, *a, **k: clipped.append(p := list(p)) or clip(p, *a, **k)
    )
    model = copy.deepcopy(tiny_model)
    loss = JointHeadLoss(PairwiseCosineLoss(model, LabelSimilarity(y)), y, 3)
    losses = train_pairwise(
        model,
        single.texts,
        loss,
        ClassBatches(y, batch_size=16, steps=40, random_state=0),
        Schedule(40, 16, 1e-3),
        description="training",
        device="cpu",
    )
    assert losses[-1] < 0.5 * losses[0]
    assert any(p is loss.coef for p in clipped[0])
    coef, intercept = loss.head_arrays()
    X = model.encode(single.texts, normalize_embeddings=True)
    assert np.mean((X @ coef.T + intercept).argmax(axis=1) == y) > 0.9


def test_how_often_to_save():
    """Prevents a save after every step of a short training, and none in a long one."""
    assert [Schedule(steps, 8, 1e-3).steps_between_saves for steps in (1, 40, 60, 1001)] == [10, 10, 12, 201]
    assert Schedule(40, 8, 1e-3, save_every=3).steps_between_saves == 3
    with pytest.raises(InputError, match="save_every must be at least 1 step"):
        Schedule(40, 8, 1e-3, save_every=0)
