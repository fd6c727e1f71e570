"""What every training shares."""

import dataclasses
import gc
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState

from fewshot.training import running
from fewshot.training.schedule import Schedule


@pytest.fixture
def clean_state():
    """Leave accelerate's state, which is one for the whole process, as if nothing had been trained."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def arguments(folder, device):
    """Return the trainer's arguments."""
    options = {"half": False, "random_state": 0, "accumulation": 1, "saving": False}
    return running._arguments(folder, Schedule(2, 4, 1e-3), device=device, **options)


def test_a_card_by_number(tmp_path, clean_state, monkeypatch):
    """Prevents a student for the second card from training on the first, beside its teacher."""
    args = arguments(tmp_path, "cpu")
    assert args.device == PartialState().device == torch.device("cpu")
    second = torch.device("cuda:1")  # there need be none to ask where a tensor would go
    running._place(args, second)
    assert args.device == args.distributed_state.device == PartialState().device == second
    assert Accelerator().device == second


def test_losses_are_read_each_step_on_a_cpu(tmp_path, clean_state, monkeypatch):
    """Prevents a CPU, where reading costs nothing, from noticing a divergence fifty steps late."""
    assert arguments(tmp_path, "cpu").logging_steps == 1
    monkeypatch.setattr(running, "computes_apart", lambda device: True)
    assert arguments(tmp_path, "cpu").logging_steps == running.STEPS_UNREAD


def test_a_training_does_not_walk_through_all_that_is_there(tmp_path, clean_state, monkeypatch):
    """Prevents a third of a second for the garbage collector before each training on a handful of texts."""
    seen = []

    class Trainer:
        """Looks at the collector while it trains."""

        checkpoints = loss = None
        state = SimpleNamespace(log_history=[])

        def train(self, resume_from_checkpoint):
            seen.append(gc.get_freeze_count())
            if broken:
                raise KeyboardInterrupt

        def stop_reading_ahead(self):
            pass

        def release(self):
            pass

    monkeypatch.setattr(running, "_take_off_autocast", lambda loss: None)
    run = running.Run(arguments(tmp_path, "cpu"), [], Schedule(2, 4, 1e-3), "cpu", saving=False, resume=False)
    broken = False
    run.train(Trainer(), torch.nn.Linear(1, 1))
    assert gc.get_freeze_count() == 0
    broken = True
    with pytest.raises(KeyboardInterrupt):
        run.train(Trainer(), torch.nn.Linear(1, 1))
    assert gc.get_freeze_count() == 0
    assert min(seen) > 10_000


def test_a_processor_trains_with_its_own_kernels(monkeypatch):
    """Prevents kernels that are never used, and a card that is given the processor's."""
    run = running.Run(None, [], Schedule(1, 4, 1e-3), "cpu", saving=False, resume=False)
    calls = []
    monkeypatch.setattr(
        "fewshot.training.processor_kernels._kept",
        lambda shape, p: calls.append(shape) or torch.ones(shape, dtype=torch.bool),
    )
    x = torch.ones(100, 100)
    with run._eased():
        torch.nn.functional.dropout(x)
    assert len(calls) == 1
    with dataclasses.replace(run, device="cuda:0")._eased():
        torch.nn.functional.dropout(x)
    assert len(calls) == 1
