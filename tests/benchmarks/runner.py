"""What the runner of comparisons costs, what workers gain, and that kills lose nothing.

``python -m tests.benchmarks.runner [--part overhead|workers|kills]... [--quick]``

- ``overhead``: a thousand cells that learn nothing, of one label and of several, each on disk before the next counts.
  Between them the same bytes are written, synced and renamed bare, so that a crowded disk is told from a slow runner.
- ``workers``: cells that keep a core busy, with one process and with two, taking turns. Beside it stands what two bare
  processes gain on the same loop: on cores that others use, nobody gains twofold.
- ``kills``: ``fewshot compare`` is killed (SIGKILL) at random moments and gone on with until it is finished; all files
  are held against those of an undisturbed run, byte by byte, times aside.

Parts that are not run keep the figures of the last run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from fewshot.core.artifacts import read_json
from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.joblib_engine import JoblibEngine
from fewshot.evaluation.runner.store import ResultStore
from tests.benchmarks.common import RESULTS, ROOT, finish, machine, mean_sd
from tests.benchmarks.runner_cells import Cells, burn
from tests.cli.kills import Command, kill_at_random, write_inputs

WANTED = {"overhead_ms": 5.0, "speedup": 1.8, "differences": 0}
BLOCK = 50
"""After so many cells as many files are written bare."""


def overhead(folder: Path, quick: bool) -> dict[str, Any]:
    """Return milliseconds a cell of one label and of several, and of the bare file operations among them."""
    n = 200 if quick else 1000
    return {kind: overhead_of(folder / kind, Cells(n, kind == "multi")) for kind in ("single", "multi")}


def overhead_of(folder: Path, cells: Cells) -> dict[str, Any]:
    """Return milliseconds a cell; the time of bare writing in between is taken out."""
    contests, test, _ = cells()
    store, bare = ResultStore(folder), 0.0
    seen = 0

    def write_bare(cell: Any, row: Any) -> None:
        nonlocal bare, seen
        seen += 1
        if seen % BLOCK == 0:
            content = (folder / "cells" / f"{cell.key}.json").read_bytes()
            start = time.perf_counter()
            for i in range(BLOCK):
                write_synced(folder / f"bare-{i}", content)
            bare += time.perf_counter() - start

    start, busy = time.perf_counter(), time.process_time()
    run_comparison(contests, test, store, on_result=write_bare)
    whole, busy = time.perf_counter() - start, time.process_time() - busy
    each = 1000 / cells.n
    return {
        "cells": cells.n,
        "ms": (whole - bare) * each,
        "bare_files_ms": bare * each,
        "ms_beside_files": (whole - 2 * bare) * each,
        "processor_ms": busy * each,
        "reached": (whole - bare) * each <= WANTED["overhead_ms"],
    }


def write_synced(path: Path, content: bytes) -> None:
    """Write a file beside its place, sync it and rename it, and do nothing else."""
    part = path.with_suffix(".part")
    with part.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(part, path)


def workers(folder: Path, quick: bool) -> dict[str, Any]:
    """Return how much faster two workers are than one process, and two bare processes than one."""
    n_cells, rounds, seconds = (8, 1, 0.2) if quick else (60, 3, 0.5)
    cells = Cells(n_cells, hashes=hashes_in(seconds))
    ratios, bare = [], []
    for i in range(rounds):
        one, two = (timed(partial(compare, cells, folder / f"{i}-{n}", n)) for n in (1, 2))
        ratios.append(one / two)
        bare.append(2 * bare_processes(cells.hashes, 1) / bare_processes(cells.hashes, 2))
    speedup = mean_sd(ratios)
    return {
        "cells": n_cells,
        "seconds_a_cell": seconds,
        "speedup": speedup,
        "bare_processes": mean_sd(bare),
        "load": os.getloadavg()[0],
        "reached": speedup["mean"] >= WANTED["speedup"],
    }


def compare(cells: Cells, folder: Path, n: int) -> None:
    """Run all cells; workers are begun and ended within."""
    contests, test, _ = cells()
    run_comparison(contests, test, ResultStore(folder), engine=JoblibEngine(n, cells) if n > 1 else None)


def bare_processes(hashes: int, n: int) -> float:
    """Return the seconds in which so many processes hash, each as much as ten cells."""
    code = f"import time, hashlib; from tests.benchmarks.runner_cells import burn; input(); burn({10 * hashes})"
    command = [sys.executable, "-c", code]
    begun = [subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, text=True) for _ in range(n)]
    time.sleep(3)  # imports are no part of it

    def wait() -> None:
        for process in begun:
            process.stdin.write("\n")
            process.stdin.flush()
        for process in begun:
            assert process.wait() == 0

    return timed(wait)


def hashes_in(seconds: float) -> int:
    """Return how often this machine hashes in so long."""
    return int(100_000 * seconds / min(timed(lambda: burn(100_000)) for _ in range(5)))


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def kills(folder: Path, quick: bool) -> dict[str, Any]:
    """Return how many kills there were, and which files differed in the end."""
    write_inputs(folder)
    done = kill_at_random(Command(folder, seeds=20 if quick else 60), 20 if quick else 100)
    return done | {"reached": len(done["differences"]) == WANTED["differences"]}


PARTS = {"overhead": overhead, "workers": workers, "kills": kills}


def main() -> None:
    """Run the parts that are asked for, and write and print all that is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given again")
    parser.add_argument("--quick", action="store_true", help="fewer cells and kills, to see whether all runs")
    given = parser.parse_args()
    name = "runner_quick" if given.quick else "runner"
    result: dict[str, Any] = {"wanted": WANTED}
    if (RESULTS / f"{name}.json").is_file():
        result = read_json(RESULTS / f"{name}.json") | result
    scratch = ROOT / "runs" / "benchmarks"
    scratch.mkdir(parents=True, exist_ok=True)
    for part in given.part or PARTS:
        with tempfile.TemporaryDirectory(dir=scratch, prefix=f"{part}-") as folder:
            result[part] = PARTS[part](Path(folder), given.quick) | {"machine": machine()}
        print(part, result[part], flush=True)
    finish(name, result)


if __name__ == "__main__":
    main()
