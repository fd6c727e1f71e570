"""Cells as tasks of Ray."""

import json
import os
import subprocess
import sys

import pytest

from fewshot import compare_methods
from fewshot.core.errors import MissingExtraError
from fewshot.data.texts import TextData
from fewshot.evaluation.runner.ray_engine import LOCAL, RayEngine, import_ray
from tests.evaluation.runner.openings import Opening
from tests.jobs import ROOT
from tests.recipes.test_workers import left


def test_without_ray_nothing_is_begun(tmp_path, monkeypatch):
    """Prevents an error about a name that is not there where an extra is missing, also as the engine closes."""
    monkeypatch.setitem(sys.modules, "ray", None)
    before = dict(os.environ)
    with pytest.raises(MissingExtraError, match="comparing with the engine ray"):
        import_ray()
    opening = Opening(("ok",), str(tmp_path))
    with pytest.raises(MissingExtraError, match="ray"):
        list(RayEngine(2, opening).run(iter(opening().contests)))
    assert dict(os.environ) == before


@pytest.mark.slow
def test_a_local_ray_leaves_what_one_process_leaves(single, tiny_static, tmp_path):
    """Prevents other figures on a cluster, sockets open to a network, a Ray left running, and one ended that was there.

    A task that dies costs its cell alone; and where there are two CPUs, one is left for others.
    """
    pytest.importorskip("ray")
    pytest.importorskip("psutil")
    tiny_static.save(tmp_path / "tiny")
    given = {"labeled": [single.texts, single.labels], "test": [single.test_texts, single.test_labels]}
    options = {"methods": "naive-bayes,knn,zero-shot-embedding", "slices": [0, 2], "seeds": 2}
    options |= {"device": "cpu", "encoder": str(tmp_path / "tiny")}
    (tmp_path / "desk").mkdir()
    job = given | {"options": options, "out": str(tmp_path / "two"), "desk": str(tmp_path / "desk")}
    command = [sys.executable, "-m", "tests.evaluation.runner.ray_script", json.dumps(job)]
    environment = {name: value for name, value in os.environ.items() if name not in LOCAL}
    environment |= {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    data = [TextData(*pair, False, list(range(len(pair[0])))) for pair in given.values()]
    compare_methods(*data, out=tmp_path / "one", **options)
    assert left(tmp_path / "two") == left(tmp_path / "one")
    assert told["ended"]
    assert told["left"] == []
    assert told["listening"]
    assert set(told["listening"]) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert told["errors"][0] is None
    assert told["errors"][1].startswith("WorkerError: the worker process of this cell died: ")
    assert told["errors"][2:] == [None, "RuntimeError: broken, with a comma"]
    assert (told["workers"], told["there"]) == (1, True)
    threads = json.loads((tmp_path / "desk" / "threads.json").read_text())
    assert {threads["OMP_NUM_THREADS"], threads["RAYON_NUM_THREADS"]} == {"1"}
    assert not list(tmp_path.rglob("*.pkl"))
