"""``fewshot`` in a process of its own; see ``tests.jobs``. A job says ``arguments``, and ``folder``, where it runs."""

import os
import sys

from fewshot.cli.main import main as fewshot

LIBRARIES = ("fewshot.classifiers.setfit", "fewshot.classifiers.trainings", "fewshot.recipes.teaching")


def main(job):
    """Run the command as the shell would; its exit code is the job's."""
    os.chdir(job["folder"])
    sys.argv = ["fewshot", *job["arguments"]]
    try:
        fewshot()
    except SystemExit as stop:
        if stop.code:
            raise
