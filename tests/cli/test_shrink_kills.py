"""A real ``fewshot shrink`` that is killed at random moments and gone on with, and what it leaves in the end."""

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.artifacts import read_json
from tests.cli.kills import hear_ctrl_c

KILLS = 4
RUNGS = ("layers:1", "layers:1+trimmed", "static+int8")
TIMES = rb'("[a-z_]*(?:seconds|minutes|rate)[a-z_0-9]*": )[0-9.e-]+|[0-9.]+ (?:s|seconds|min)\b'


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny_encoder, single, pool):
    """A folder with a model and a pool."""
    folder = tmp_path_factory.mktemp("desk")
    LinearProbeClassifier(tiny_encoder, device="cpu").fit(single.texts, single.labels).save(folder / "model")
    (folder / "pool.csv").write_text("\n".join(["text", *pool]) + "\n")
    return folder


def begin(desk, out):
    """Begin the command, or go on with it, in a process group of its own."""
    command = [sys.executable, "-m", "fewshot", "shrink", "model", "--unlabeled", "pool.csv", "--out", out, "--resume"]
    command += ["--rungs", ",".join(RUNGS), "--steps", "60", "--seconds", "0.02", "--max-loss", "100", "--quiet"]
    environment = os.environ | {"FEWSHOT_CACHE": str(desk / "cache"), "HF_HUB_OFFLINE": "1"}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    hearing = {"preexec_fn": hear_ctrl_c, "start_new_session": True}
    return subprocess.Popen([*command, "--device", "cpu"], cwd=desk, env=environment, **hearing, **streams)


def finish(process):
    """Wait for its end, which must be a good one."""
    errors = process.communicate()[1]
    assert process.returncode == 0, errors.decode()[-2000:]


def wait_for_work(process, desk, out, since):
    """Wait until a rung was begun or finished, or all is done."""
    while process.poll() is None and not works(desk, out, since):
        time.sleep(0.005)


def killed(desk, out, moment):
    """Go on with the command and kill it so many seconds after it has begun a rung; return whether it was killed."""
    since, process = time.time_ns(), begin(desk, out)
    wait_for_work(process, desk, out, since)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    finish(process)
    return False


def works(desk, out, since):
    """Return whether a rung was begun or finished since."""
    records = (desk / f"{out}.path" / "rungs").glob("*.json")
    return any(record.stat().st_mtime_ns > since for record in records)


def states(desk, out):
    """Return which rungs are finished, and which are begun."""
    records = {path.stem: read_json(path)["whole"] for path in (desk / f"{out}.path" / "rungs").glob("*.json")}
    return {name for name, whole in records.items() if whole}, {name for name, whole in records.items() if not whole}


def left(desk, out):
    """Return the bytes of all files that are left, by name, with times blanked, and what was found of the rungs."""
    made = {}
    for top in (desk / out, desk / f"{out}.path" / "rungs"):
        for path in sorted(path for path in top.rglob("*") if path.is_file()):
            content = path.read_bytes()
            if path.suffix in (".json", ".md", ".csv", ".html"):
                content = re.sub(TIMES, rb"\1", content).replace(out.encode(), b"OUT")
            made[f"{top.name.replace(out, 'out')}/{path.relative_to(top)}"] = content
    facts = read_json(desk / f"{out}.path" / "path.json")
    speeds = ("latency_p50_ms", "texts_per_second", "latency_speedup", "made_seconds")
    rows = [{name: value for name, value in row.items() if name not in speeds} for row in facts["rows"]]
    return made | {"rows": rows, "kept": facts["kept"]}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_sigkill_at_any_moment(desk):
    """Prevents a killed run from costing finished rungs, from leaving halves, or from leading to another model."""
    rng, since, process = random.Random(0), time.time_ns(), begin(desk, "undisturbed")
    wait_for_work(process, desk, "undisturbed", since)
    start = time.monotonic()
    finish(process)
    longest = time.monotonic() - start
    wanted = left(desk, "undisturbed")
    kills = within = 0
    for out in map("killed{}".format, itertools.count()):
        for _ in range(3):
            before = states(desk, out)[0]
            if killed(desk, out, rng.uniform(0, longest / 2)):
                whole, torn = states(desk, out)
                assert before <= whole, "finished rungs are kept"
                kills, within = kills + 1, within + bool(torn)
        finish(begin(desk, out))
        found = left(desk, out)
        assert found.keys() == wanted.keys()
        assert [name for name in wanted if wanted[name] != found[name]] == []
        assert not [*(desk / f"{out}.path").rglob("*.part"), *desk.glob(".*.part")]
        if kills >= KILLS and within:
            return
