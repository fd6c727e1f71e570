"""How long a model takes from nothing to its first answer, and how much memory: measured in processes of their own.

What such a process does stands in :mod:`fewshot.recipes.cold_process`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.errors import FewshotError
from fewshot.core.progress import track
from fewshot.evaluation.speed.timings import Spread

PROGRAM = "fewshot.recipes.cold_process"


class ColdStartError(FewshotError):
    """A process that was to open a model ended without telling how it went."""


def measure_cold_starts(
    folders: Mapping[str, Path], texts: Sequence[str], *, repeats: int, device: str | None = None
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Start a new process for each model, in turn, and have it open the model and predict.

    Parameters
    ----------
    folders : mapping of str to Path
        Name of a model → its folder.
    texts : sequence of str
        The first is predicted first; then all of them, in one call, for the memory.
    repeats : int
        Processes a model. Every second time the models come in the opposite order.
    device : str, optional

    Returns
    -------
    facts : dict of str to dict
        ``cold_start_seconds``, from the start of the process (Python, imports, files, first answer), with its quartiles
        over processes; ``load_seconds``, of opening the model once more in a process that has imported all it needs;
        ``peak_memory_bytes``, the most memory that was resident until all texts were predicted, less that of the bare
        interpreter: libraries, weights, and what a call needs. Files come from the system's cache, as they do from the
        second start on. ``peak_memory_bytes`` is ``None`` where the system does not tell; memory of a GPU is not in it.
    notes : list of str
        On models whose processes failed.
    """
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in folders}
    errors: dict[str, str] = {}
    with track("starting models", total=repeats * len(folders)) as advance:
        for turn in range(repeats):
            for name in list(folders)[:: -1 if turn % 2 else 1]:
                try:
                    if name not in errors:
                        told[name].append(_start(folders[name], texts, device))
                except (OSError, ValueError, ColdStartError) as error:
                    errors[name] = f"the cold start of {name} could not be measured: {error}"
                advance(1)
    return {name: _summary(runs) for name, runs in told.items() if runs}, list(errors.values())


def _summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    peaks = [run["peak_memory_bytes"] for run in runs if run["peak_memory_bytes"] is not None]
    return {
        **Spread.of(run["cold_start_seconds"] for run in runs).named("cold_start_seconds"),
        "load_seconds": Spread.of(run["load_seconds"] for run in runs).median,
        "peak_memory_bytes": round(Spread.of(peaks).median) if peaks else None,
    }


def _start(folder: Path, texts: Sequence[str], device: str | None) -> dict[str, Any]:
    task = {"folder": str(folder.absolute()), "texts": list(texts), "device": device}
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-P", "-m", PROGRAM]
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as pipe:
            pipe.write(json.dumps(task))
        first = process.stdout.readline()
        seconds = time.perf_counter() - start
        last = json.loads([first, *process.stdout][-1] or "{}")
    if "load_seconds" not in last:
        raise ColdStartError(last.get("error", f"its process ended with exit code {process.returncode}"))
    return {"cold_start_seconds": seconds, **last}
