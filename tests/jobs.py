"""Work in processes of their own, to be killed or run beside others.

A script serves jobs (:func:`serve`): it reads one JSON list of jobs a line, forks one process a job, and answers with
their exit codes, minus the signal of those that were killed. Libraries load once, before the first fork; the parent
computes nothing. A test runs jobs through :func:`job_server`.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def die():
    """End this process at once, as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def serve(main: Callable[[dict], None]) -> None:
    """Run jobs from standard input; a job's ``environment`` is its process's."""
    for line in sys.stdin:
        children = [_fork(main, job) for job in json.loads(line)]
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)  # noqa: T201


def _fork(main: Callable[[dict], None], job: dict) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.environ.update(job.get("environment", {}))
        main(job)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def job_server(module: str, folder: Path) -> Iterator[Callable[..., list[int]]]:
    """Give a function that runs jobs of a module at once and returns their exit codes.

    With ``expected=code`` it fails unless all have that one, and shows what they wrote to standard error.
    """
    errors = folder / "errors.txt"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):

        def run(*jobs: dict[str, Any], expected: int | None = None) -> list[int]:
            process.stdin.write(json.dumps(jobs) + "\n")
            process.stdin.flush()
            codes = json.loads(process.stdout.readline() or "null")
            assert codes, errors.read_text()[-3000:]
            assert expected is None or set(codes) == {expected}, errors.read_text()[-3000:]
            return codes

        yield run
