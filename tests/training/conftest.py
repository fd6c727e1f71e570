"""Trainings in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("training_script.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def run_trainings(tmp_path_factory):
    """A function that runs jobs of ``training_script.py`` at once; it returns what those that succeed wrote."""
    errors = tmp_path_factory.mktemp("trainings") / "errors.txt"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):

        def run(*jobs, expected=0):
            process.stdin.write(json.dumps(jobs) + "\n")
            process.stdin.flush()
            codes = json.loads(process.stdout.readline() or "null")
            assert codes == [expected] * len(jobs), errors.read_text()[-3000:]
            return [dict(np.load(job["out"])) for job in jobs if Path(job["out"]).is_file()]

        yield run
