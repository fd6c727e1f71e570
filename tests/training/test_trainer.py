"""Pairwise training on tiny models."""

import copy
import random
import tracemalloc

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.training.losses import EmbeddingSimilarity, LabelSimilarity
from fewshot.training.samplers import ClassBatches, ShuffledBatches
from fewshot.training.trainer import Schedule, train_pairwise


def train(model, texts, y, *, steps=8, batch_size=8, learning_rate=1e-3, random_state=0, **options):
    """Train a copy of a model on labels; return it and its losses."""
    model = copy.deepcopy(model)
    losses = train_pairwise(
        model,
        texts,
        LabelSimilarity(y),
        ClassBatches(y, batch_size=batch_size, steps=steps, random_state=random_state),
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
    targets = EmbeddingSimilarity(np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32))
    batches = ShuffledBatches(2000, batch_size=8, steps=1, random_state=0)
    model = copy.deepcopy(tiny_model)
    tracemalloc.start()
    try:
        train_pairwise(model, texts, targets, batches, Schedule(1, 8, 1e-3), description="training", device="cpu")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * 2**20
