"""Trainings in processes of their own."""

from pathlib import Path

import numpy as np
import pytest

from tests.jobs import job_server


@pytest.fixture(scope="session")
def run_trainings(tmp_path_factory):
    """A function that runs jobs of ``training_script.py`` at once; it returns what those that succeed wrote."""
    with job_server("tests.training.training_script", tmp_path_factory.mktemp("trainings")) as serve:

        def run(*jobs, expected=0):
            serve(*jobs, expected=expected)
            return [dict(np.load(job["out"])) for job in jobs if Path(job["out"]).is_file()]

        yield run
