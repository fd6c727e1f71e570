"""Work in processes of their own, to be killed or run beside others.

A script is a module with a function ``main(job)``, and where that imports on its way, ``LIBRARIES``. One server of each
test process serves them all: it reads a script's name and a JSON list of jobs a line, forks one process a job, and
answers with their exit codes, minus the signal of those that were killed. So libraries load once; the server computes
nothing itself. A test runs jobs through :func:`job_server`.
"""

import atexit
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]


def die():
    """End this process at once, as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def serve() -> None:
    """Run jobs from standard input; a job's ``environment`` is its process's."""
    for line in sys.stdin:
        name, jobs = json.loads(line)
        script = importlib.import_module(name)
        for library in getattr(script, "LIBRARIES", ()):
            importlib.import_module(library)
        children = [_fork(script.main, job) for job in jobs]
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)  # noqa: T201


def _fork(main: Callable[[dict], None], job: dict) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(2, 1)  # what a job prints is no answer of the server's
        os.environ.update(job.get("environment", {}))
        main(job)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


@functools.cache
def _server() -> tuple[subprocess.Popen, Path]:
    """Begin this process's server; return it and the file of what it and its children say on standard error."""
    place = tempfile.TemporaryDirectory(prefix="fewshot-jobs-")
    errors = Path(place.name) / "errors.txt"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.jobs"]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with errors.open("w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr, text=True, **streams)

    @atexit.register
    def end():
        process.stdin.close()
        process.wait()
        process.stdout.close()
        place.cleanup()

    return process, errors


def job_server(module: str) -> Callable[..., list[int]]:
    """Return a function that runs jobs of a module at once and returns their exit codes.

    With ``expected=code`` it fails unless all have that one, and shows what they wrote to standard error.
    """

    def run(*jobs: dict[str, Any], expected: int | None = None) -> list[int]:
        process, errors = _server()
        told = errors.stat().st_size
        process.stdin.write(json.dumps([module, jobs]) + "\n")
        process.stdin.flush()
        codes = json.loads(process.stdout.readline() or "null")
        said = errors.read_bytes()[told:].decode("utf-8", "replace")[-3000:]
        assert codes, said
        assert expected is None or set(codes) == {expected}, said
        return codes

    return run


def array_runner(script, folder, usual):
    """Return a function that runs a script's jobs at once and gives the arrays that each wrote to its ``out``."""
    serve = job_server(script)

    def run(*jobs, expected=0):
        outs = [folder / f"{len(list(folder.iterdir()))}-{i}.npz" for i in range(len(jobs))]
        listed = [{**usual, "out": str(out), **job} for job, out in zip(jobs, outs, strict=True)]
        serve(*listed, expected=expected)
        return [dict(np.load(out)) for out in outs if out.is_file()]

    return run


if __name__ == "__main__":
    serve()
