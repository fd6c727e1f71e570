"""Several processes train as one."""

import itertools
import socket

import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.training.processes import BatchShare

BATCHES = [[3, 1, 4, 1, 5], [9, 2]]


@pytest.mark.parametrize("count", [1, 2])
def test_shares_make_the_batch(count):
    """Prevents a text that no process embeds or two do, and pairs in another order than targets."""
    shares = [BatchShare(BATCHES, rank=rank, count=count) for rank in range(count)]
    assert all(len(share) == 2 for share in shares)
    assert [list(itertools.chain(*parts)) for parts in zip(*shares, strict=True)] == BATCHES


def test_a_batch_too_small_for_the_processes():
    """Prevents a process without texts, which would crash in the tokenizer, or leave the others waiting."""
    with pytest.raises(InputError, match="a batch of 2 texts cannot be shared by 3 processes"):
        list(BatchShare(BATCHES, rank=0, count=3))


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def job_of(rank, port, tiny_folder, folder, **job):
    """Return one of two jobs as ``torchrun`` would start them."""
    environment = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    paths = {"model": str(tiny_folder), "out": str(folder / f"{rank}.npz")}
    return {"environment": environment, "dropout": False, "joint": True, **paths, **job}


def test_two_processes_train_as_one(run_trainings, tiny_folder, tmp_path):
    """Prevents pairs of each process's own share alone, gradients of half or double size, and a head that drifts."""
    alone = {"model": str(tiny_folder), "out": str(tmp_path / "alone.npz"), "dropout": False, "joint": True}
    [expected] = run_trainings({**alone, "momentum": 0.0})
    port = free_port()
    run_trainings(*(job_of(rank, port, tiny_folder, tmp_path, momentum=0.0) for rank in (0, 1)))
    together = dict(np.load(tmp_path / "0.npz"))
    assert together.keys() == expected.keys()
    np.testing.assert_allclose(together["losses"], expected["losses"], atol=1e-6)
    for name, array in expected.items():
        np.testing.assert_allclose(together[name], array, atol=1e-6, rtol=0, err_msg=name)
    assert not np.allclose(expected["coef"], 0)


def test_the_first_process_alone_saves_and_all_resume(run_trainings, tiny_folder, tmp_path):
    """Prevents two processes from writing one file, and a random state that one of them lacks after a resume."""
    job = {"checkpoints": str(tmp_path / "c"), "dropout": True}
    port = free_port()
    run_trainings(*(job_of(rank, port, tiny_folder, tmp_path, **job) for rank in (0, 1)))
    expected = dict(np.load(tmp_path / "0.npz"))
    files = {path.name for path in (tmp_path / "c" / "checkpoint-8").iterdir()}
    assert {"rng_state_0.pth", "rng_state_1.pth", "manifest.json", "optimizer.pt"} <= files
    (tmp_path / "c" / "checkpoint-12" / "manifest.json").unlink()
    port = free_port()
    run_trainings(*(job_of(rank, port, tiny_folder, tmp_path, resume=True, **job) for rank in (0, 1)))
    resumed = dict(np.load(tmp_path / "0.npz"))
    for name, array in expected.items():
        assert array.tobytes() == resumed[name].tobytes(), name
