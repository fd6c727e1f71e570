"""Checkpoints: what is killed goes on as if nothing had been, and what is torn or foreign is not gone on from."""

import copy
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.training.checkpoints import MANIFEST, CheckpointFolder
from fewshot.training.losses import JointHeadLoss, PairwiseCosineLoss, SupervisedContrastiveLoss
from fewshot.training.samplers import ClassBatches
from fewshot.training.schedule import Schedule
from fewshot.training.targets import LabelSimilarity
from fewshot.training.trainer import train_pairwise


def steps_in(folder):
    """Return the steps of the checkpoints in a folder."""
    return sorted(int(path.name.removeprefix("checkpoint-")) for path in Path(folder).glob("checkpoint-*"))


@pytest.fixture(scope="module")
def whole(tiny_folder, tmp_path_factory, run_trainings):
    """A run without a break and without checkpoints."""
    out = tmp_path_factory.mktemp("whole") / "a.npz"
    return run_trainings({"model": str(tiny_folder), "out": str(out), "joint": True})[0]


@pytest.mark.parametrize(
    ("death", "left"),
    [
        ({"kill_at_step": 6}, [4]),
        ({"kill_before": "optimizer", "kill_in_save": 8}, [4, 8]),
        ({"kill_before": "manifest", "kill_in_save": 8}, [4, 8]),
    ],
)
def test_a_killed_training_goes_on_bit_by_bit(tiny_folder, tmp_path, run_trainings, whole, death, left):
    """Prevents a resume into other weights: a lost optimizer, random state or place in the batches; a torn file."""
    job = {"model": str(tiny_folder), "out": str(tmp_path / "a.npz"), "checkpoints": str(tmp_path / "c"), "joint": True}
    run_trainings({**job, **death}, expected=-signal.SIGKILL)
    assert steps_in(tmp_path / "c") == left
    [resumed] = run_trainings({**job, "resume": True})
    assert resumed.keys() == whole.keys()
    assert len(resumed["losses"]) == 12
    for name, array in whole.items():
        assert array.tobytes() == resumed[name].tobytes(), name
    assert steps_in(tmp_path / "c") == [8, 12]


@pytest.fixture(scope="module")
def y(single):
    """Class numbers of the single-label toy data."""
    return np.unique(single.labels, return_inverse=True)[1]


def train(tiny_model, single, labels, folder, *, stop_at=None, **changes):
    """Train in this process; return weights and losses."""
    torch.manual_seed(123)
    settings = {"steps": 6, "random_state": 0, "texts": single.texts, "loss": PairwiseCosineLoss, "accumulation": 1}
    settings |= changes
    model = copy.deepcopy(tiny_model)
    y = settings.get("y", labels)
    loss = settings["loss"](model, LabelSimilarity(y))
    if settings.get("joint"):
        loss = JointHeadLoss(loss, y, 3)
    if "weights" in settings:
        with torch.no_grad():
            next(model.parameters()).add_(1e-3)
    batches = settings["steps"] * settings["accumulation"]
    losses = train_pairwise(
        model,
        settings["texts"],
        loss,
        ClassBatches(labels, batch_size=8, steps=batches, random_state=settings["random_state"]),
        Schedule(settings["steps"], 8, settings.get("learning_rate", 1e-3), save_every=settings.get("save_every", 2)),
        description="training",
        device="cpu",
        precision=settings.get("precision", "float32"),
        random_state=settings["random_state"],
        checkpoints=folder,
        resume=settings.get("resume", False),
        accumulation=settings["accumulation"],
        watch=None if stop_at is None else lambda step, _: step == stop_at,
    )
    return {name: tensor.numpy().tobytes() for name, tensor in loss.state_dict().items()}, losses


@pytest.mark.parametrize("changes", [{}, {"accumulation": 2}, {"precision": "bfloat16"}, {"joint": True}])
def test_a_stopped_training_goes_on_bit_by_bit(tiny_model, single, y, tmp_path, changes):
    """Prevents the same in one process, with micro-batches, in bfloat16 and with a head."""
    expected = train(tiny_model, single, y, None, **changes)
    train(tiny_model, single, y, tmp_path, stop_at=5, **changes)
    assert train(tiny_model, single, y, tmp_path, resume=True, **changes) == expected


def test_a_finished_training_is_not_repeated(tiny_model, single, y, tmp_path):
    """Prevents steps beyond the last, and losses that are lost, when what broke came after the training."""
    expected = train(tiny_model, single, y, tmp_path)
    assert train(tiny_model, single, y, tmp_path, resume=True) == expected


def test_how_often_to_save_changes_nothing(tiny_model, single, y, tmp_path):
    """Prevents saving from drawing random numbers, and a changed ``save_every`` from making a run a foreign one."""
    expected = train(tiny_model, single, y, None)
    assert train(tiny_model, single, y, tmp_path, save_every=1) == expected
    assert train(tiny_model, single, y, tmp_path, save_every=3, resume=True) == expected


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "add", "manifest"])
def test_a_damaged_checkpoint_is_passed_over(tiny_model, single, y, tmp_path, damage):
    """Prevents one wrong byte on a disk from becoming other weights; the checkpoint before it is taken."""
    expected = train(tiny_model, single, y, tmp_path)
    newest = tmp_path / "checkpoint-6"
    file = newest / ("trainer_state.json" if damage == "remove" else "optimizer.pt")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "manifest":
        (newest / MANIFEST).write_text("{")
    elif damage == "add":
        (newest / "optimizer.bin").write_bytes(b"")
    elif damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content if damage == "flip" else content[:-1])
    run = CheckpointFolder(tmp_path, json.loads((tmp_path / "checkpoint-4" / MANIFEST).read_text())["identity"])
    assert run.newest().name == "checkpoint-4"
    assert train(tiny_model, single, y, tmp_path, resume=True) == expected


CHANGES = {
    "texts": {"texts": None},
    "labels": {"y": np.arange(15) % 2},
    "loss": {"loss": SupervisedContrastiveLoss},
    "seed": {"random_state": 1},
    "weights": {"weights": True},
    "learning rate": {"learning_rate": 2e-3},
    "head": {"joint": True},
    "accumulation": {"accumulation": 2},
    "precision": {"precision": "bfloat16"},
}


@pytest.fixture(scope="module")
def finished(tiny_model, single, y, tmp_path_factory):
    """A folder with checkpoints of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    train(tiny_model, single, y, folder)
    return folder


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_is_refused(tiny_model, single, y, finished, change):
    """Prevents a run from going on with the optimizer and losses of other data or settings."""
    changes = dict(CHANGES[change])
    if change == "texts":
        changes["texts"] = [*single.texts[:-1], "another"]
    before = sorted(finished.rglob("*"))
    with pytest.raises(InputError, match="belong to other texts, targets, settings or initial weights; resume with"):
        train(tiny_model, single, y, finished, resume=True, **changes)
    assert sorted(finished.rglob("*")) == before


def test_starting_afresh_clears_the_folder_of_checkpoints_only(tiny_model, single, y, tmp_path):
    """Prevents a later resume from an older run's checkpoint, and the loss of what the user keeps in the folder."""
    (tmp_path / "checkpoint-50").mkdir()
    (tmp_path / "checkpoint-notes").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    train(tiny_model, single, y, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint-4",
        "checkpoint-6",
        "checkpoint-notes",
        "notes.txt",
    }


def test_an_empty_folder_starts_afresh(tiny_model, single, y, tmp_path):
    """Prevents ``resume=True`` from failing where the first save was never reached, or only a torn one is left."""
    expected = train(tiny_model, single, y, None)
    assert train(tiny_model, single, y, tmp_path / "new", resume=True) == expected
    (tmp_path / "torn" / "checkpoint-4").mkdir(parents=True)
    assert train(tiny_model, single, y, tmp_path / "torn", resume=True) == expected


def test_no_text_and_no_pickled_object_is_written(tiny_model, single, y, finished):
    """Prevents training texts in a model card, and files that run code when they are opened."""
    files = [path for path in finished.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {
        MANIFEST,
        "model.safetensors",
        "optimizer.pt",
        "rng_state.pth",
        "scheduler.pt",
        "trainer_state.json",
    }
    assert not any(text.encode() in path.read_bytes() for path in files for text in single.texts)
    for name in ("optimizer.pt", "scheduler.pt"):
        torch.load(finished / "checkpoint-6" / name, weights_only=True)


def test_resume_needs_a_folder(tiny_model, single, y):
    """Prevents a resume that starts afresh in silence."""
    with pytest.raises(InputError, match="resume=True needs checkpoints"):
        train(tiny_model, single, y, None, resume=True)
