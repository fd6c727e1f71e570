"""Training on a device that computes beside the processor; the CPU passes for one, so both ways must be the same."""

import copy
import threading

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.training import pairwise_trainer, running
from fewshot.training.losses import PairwiseCosineLoss
from fewshot.training.pairwise_trainer import PairwiseTrainer
from fewshot.training.samplers import ClassBatches
from fewshot.training.schedule import Schedule
from fewshot.training.step_losses import StepLosses
from fewshot.training.targets import LabelSimilarity
from fewshot.training.trainer import train_pairwise

STEPS = 10


@pytest.fixture
def apart(monkeypatch):
    """Let the CPU pass for a device of its own; losses are read every four steps."""
    monkeypatch.setattr(running, "computes_apart", lambda device: True)
    monkeypatch.setattr(running, "STEPS_UNREAD", 4)
    monkeypatch.setattr(pairwise_trainer, "computes_apart", lambda device: True)


@pytest.fixture
def asked(monkeypatch):
    """Steps at which the device was asked for losses, with the number of losses that it gave."""
    found, read = [], PairwiseTrainer.read_losses

    def noted(self):
        before = len(self.state.log_history)
        read(self)
        if added := len(self.state.log_history) - before:
            found.append((self.state.global_step, added))

    monkeypatch.setattr(PairwiseTrainer, "read_losses", noted)
    return found


def train(model, toy, **options):
    """Train a copy of a model; return its weights and the losses."""
    model, accumulation = copy.deepcopy(model), options.get("accumulation", 1)
    y = np.unique(toy.labels, return_inverse=True)[1]
    losses = train_pairwise(
        model,
        toy.texts,
        PairwiseCosineLoss(model, LabelSimilarity(y)),
        ClassBatches(y, batch_size=8, steps=STEPS * accumulation, random_state=0),
        Schedule(STEPS, 8, 1e-3, save_every=5),
        description="training",
        device="cpu",
        precision="float32",
        **options,
    )
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}, losses


@pytest.mark.parametrize("options", [{}, {"accumulation": 2}, {"watch": lambda step, _: step == 7}])
def test_both_ways_train_the_same(tiny_model, single, request, asked, options):
    """Prevents lost, doubled or averaged losses, and batches that come in another order or twice."""
    expected = train(tiny_model, single, **options)
    assert all(added == 1 for _, added in asked)
    asked.clear()
    request.getfixturevalue("apart")
    assert train(tiny_model, single, **options) == expected
    if not options.get("watch"):
        assert asked == [(4, 4), (8, 4), (10, 2)]


def test_a_resumed_training_ends_in_the_same(tiny_model, single, apart, tmp_path):
    """Prevents losses that were not read when a checkpoint was written, and batches that were made ahead of it."""
    expected = train(tiny_model, single)
    train(tiny_model, single, checkpoints=tmp_path)
    (tmp_path / "checkpoint-10" / "manifest.json").unlink()
    assert train(tiny_model, single, checkpoints=tmp_path, resume=True) == expected


class Broken:
    """Targets that are no numbers from the second step on."""

    fingerprint = "broken"

    def __init__(self):
        self.calls = 0

    def __call__(self, rows):
        self.calls += 1
        n = len(rows)
        return torch.full((n, n), float("nan") if self.calls > 1 else 0.5), torch.ones(n, n)


@pytest.mark.parametrize("end", ["a checkpoint", "a look", "the next reading", "the end"])
def test_a_diverged_training_is_found_before_anything_is_kept(tiny_model, apart, monkeypatch, tmp_path, end):
    """Prevents weights of NaN from being saved, looked at or returned because losses are read later."""
    model, looks = copy.deepcopy(tiny_model), []
    if end != "the next reading":
        monkeypatch.setattr(running, "STEPS_UNREAD", 50)
    options = {"checkpoints": tmp_path} if end == "a checkpoint" else {}
    options |= {"watch": lambda step, _: looks.append(step), "watch_every": 3} if end == "a look" else {}
    with pytest.raises(InputError, match="training diverged: the loss of step 2 is nan; lower the learning rate"):
        train_pairwise(
            model,
            ["a", "b", "c", "d"],
            PairwiseCosineLoss(model, Broken()),
            ClassBatches(np.array([0, 0, 1, 1]), batch_size=4, steps=6, random_state=0),
            Schedule(6, 4, 1e-3, save_every=5),
            description="training",
            device="cpu",
            **options,
        )
    assert looks == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ends", ["by a look", "by an error"])
def test_no_thread_is_left(tiny_model, single, apart, ends):
    """Prevents threads that hold texts and models after a training that ended early."""

    def watch(step, model):
        if ends == "by an error":
            raise KeyError(step)
        return True

    before = threading.active_count()
    if ends == "by an error":
        with pytest.raises(KeyError):
            train(tiny_model, single, watch=watch)
    else:
        assert len(train(tiny_model, single, watch=watch)[1]) == 1
    assert threading.active_count() == before


def test_batches_are_made_by_the_bare_tokenizer_in_a_thread(tiny_model, single, apart, monkeypatch):
    """Prevents the device from waiting for the tokenizer, and the model's own tokenizer from being used by two."""
    made = []

    def noted(self, rows, collate=PairwiseTrainer._collate):
        made.append((threading.current_thread().name, self._tokens is not None))
        return collate(self, rows)

    monkeypatch.setattr(PairwiseTrainer, "_collate", noted)
    train(tiny_model, single)
    assert set(made) == {("fewshot-ahead", True)}
    monkeypatch.setattr(pairwise_trainer.BareTokens, "of", lambda model: None)
    made.clear()
    train(tiny_model, single)
    assert set(made) == {("MainThread", False)}


def test_the_bar_shows_the_loss_of_the_last_step_read(tiny_model, single, apart, monkeypatch):
    """Prevents the mean of many steps from standing where the loss of a step is announced."""
    shown = []
    monkeypatch.setattr("fewshot.training.callbacks.remark", lambda loss: shown.append(loss))
    losses = train(tiny_model, single)[1]
    assert shown == [f"loss {losses[step - 1]:.4f}" for step in (4, 8)]


def test_losses_of_micro_batches_are_one():
    """Prevents a step's loss from being that of its last micro-batch, and a step from being read twice."""
    losses = StepLosses()
    for step, value in ((3, 0.25), (3, 0.5), (4, 1.0)):
        losses.add(step, torch.tensor(value))
    assert losses.read() == [(3, 0.75), (4, 1.0)]
    losses.add(5, torch.tensor(float("inf")))
    with pytest.raises(InputError, match="the loss of step 5 is inf"):
        losses.read()
    assert losses.read() == []
