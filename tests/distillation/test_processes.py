"""Several processes distil as one."""

import json

import numpy as np
import pytest

from tests.distillation.processes_script import POOL, SHARD_ROWS
from tests.jobs import job_server
from tests.training.test_processes import free_port, job_of

pytestmark = pytest.mark.slow  # two processes of torch take turns on few cores


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_folder):
    """The folder of two distillations: ``alone`` in one process, ``together`` in two."""
    folder = tmp_path_factory.mktemp("processes")
    serve = job_server("tests.distillation.processes_script")
    for name in ("alone", "together"):
        (folder / name / "log").mkdir(parents=True)
        places = {key: str(folder / name / key) for key in ("targets", "checkpoints", "log")}
        if name == "alone":
            serve({"model": str(tiny_folder), "out": str(folder / name / "0.npz"), **places}, expected=0)
            continue
        port = free_port()
        jobs = [job_of(rank, port, tiny_folder, folder / name, **places) for rank in (0, 1)]
        serve(*jobs, expected=0)
    return folder


def noted(log, kind):
    """Return what a process noted of a kind."""
    return [row[kind] for row in map(json.loads, log.read_text().splitlines()) if kind in row] if log.is_file() else []


def test_two_processes_give_the_student_of_one(runs):
    """Prevents a student of half of the pairs, heads that differ by process, and steps of half or double size."""
    expected, *together = (dict(np.load(runs / name)) for name in ("alone/0.npz", "together/0.npz", "together/1.npz"))
    for found in together:
        for name in ("losses", "vectors", "probabilities"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5, rtol=0, err_msg=name)
    assert expected["losses"][-1] < 0.9 * expected["losses"][0]
    (curve, report), *others = (json.loads(str(found["figures"])) for found in (expected, *together))
    for other_curve, other_report in others:
        assert [row["step"] for row in other_curve] == [row["step"] for row in curve]
        assert other_report["steps"] == report["steps"]
        assert other_report["cosine_correlation"] == pytest.approx(report["cosine_correlation"], abs=1e-4)


def test_the_teacher_is_asked_once(runs):
    """Prevents each process from asking the teacher about the whole pool: most of the work, as often as there are."""
    asked = [text for rank in "01" for texts in noted(runs / "together" / "log" / rank, "asked") for text in texts]
    alone = [text for texts in noted(runs / "alone" / "log" / "alone", "asked") for text in texts]
    assert sorted(asked) == sorted(alone)
    assert set(alone) == set(POOL)
    shards = sorted(path.name for path in (runs / "together" / "targets").glob("*/shards/*.json"))
    assert len(shards) > len(POOL) // SHARD_ROWS


def test_one_process_writes(runs):
    """Prevents two processes from writing one file of a checkpoint, a curve or a set of targets."""
    logs = [noted(runs / "together" / "log" / rank, "written") for rank in "01"]
    assert not set(logs[0]) & set(logs[1])
    assert any("checkpoints" in name for name in logs[0])
    assert not any("checkpoints" in name for name in logs[1])
