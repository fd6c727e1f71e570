"""Students beside their teacher and setfit's distillation trainer: accuracy, similarity, speed, memory, no labels.

``python -m tests.benchmarks.distillation [--part NAME]... [--quick] [--minutes M] [--tier T] [--summary] [--list]``

Parts are made of cells, each kept as a file and all of them beside the results, so that neither what a kill leaves nor
what another machine has done is run again; teachers and what they say of texts are kept on one machine. Cells of all
parts that are asked for are run in one order: seed 0 of everything first, and what tells most for its time before what
costs most. The summary is made of all cells that are there and says which are missing.

The teacher is ``SetFitClassifier("bundled")`` on 16 texts a class (8 for Banking77). Pools are drawn from the train
split without labelled rows and test texts, and nest. Students learn from the labelled texts and the pool. *Before* is
the undistilled student with a head on the teacher's answers. Test splits of at most 2,000 rows.

- ``correlation``: of student's and teacher's cosines on test texts, at the largest pool.
- ``accuracy``: by pool size, beside setfit's ``DistillationTrainer`` as it comes and with its targets repaired, at
  equal passes of texts through the student and at equal seconds.
- ``published``: the share of the gap to the teacher that is closed, beside SetFit's published curve.
- ``speed``: seconds to the accuracy of setfit's trainers on 500 texts; texts a second of the students.
- ``memory``: a million texts.
- ``nli``: a zero-shot teacher and no labels.

Settings were chosen on texts of train splits; the test splits give these figures once.
"""

import argparse
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from tests.benchmarks.common import cell, finish, machine, pack_cells, unpack_cells
from tests.benchmarks.distillation_accuracy import ACCURACY, CORRELATION, read_cells
from tests.benchmarks.distillation_memory import MEMORY
from tests.benchmarks.distillation_nli import NLI
from tests.benchmarks.distillation_plan import DEFAULT_PER_CLASS, PER_CLASS, Cells, Options, Part, Task
from tests.benchmarks.distillation_published import PUBLISHED
from tests.benchmarks.distillation_speed import SPEED

PARTS: dict[str, Part] = {
    "correlation": CORRELATION,
    "accuracy": ACCURACY,
    "speed": SPEED,
    "memory": MEMORY,
    "nli": NLI,
    "published": PUBLISHED,
}
SHOWN = ("accuracy", "correlation", "teacher", "seconds", "steps", "rates", "added")


def tasks_of(names: Sequence[str], options: Options, tier: int | None = None) -> dict[str, Task]:
    """Return the cells of some parts in the order in which they are run; a cell of two parts has its earlier place."""
    tasks: dict[str, Task] = {}
    for part in names:
        for name, task in PARTS[part].tasks(options).items():
            if name not in tasks or task.rank < tasks[name].rank:
                tasks[name] = task
    wanted = {name: task for name, task in tasks.items() if tier is None or task.rank[1] <= tier}
    return dict(sorted(wanted.items(), key=lambda item: item[1].rank))


def run_tasks(tasks: dict[str, Task], options: Options, minutes: float | None) -> None:
    """Compute the cells that are not there yet; begin none after so many minutes."""
    start = time.perf_counter()
    for name, task in tasks.items():
        if (options.folder / f"{name}.json").is_file():
            continue
        if minutes is not None and time.perf_counter() - start > 60 * minutes:
            print(f"{minutes:g} minutes are over", flush=True)
            return
        begun = time.perf_counter()
        found = cell(options.folder, name, task.compute)
        shown = {key: found[key] for key in SHOWN if key in found}
        print(f"{name} ({time.perf_counter() - begun:.0f} s): {shown}", flush=True)


def summarize(cells: Cells, options: Options) -> dict[str, Any]:
    """Return the figures of every part from the cells there are, each with the names of those that are missing."""
    summaries = {}
    for name, part in PARTS.items():
        missing = [task for task in part.tasks(options) if task not in cells]
        summaries[name] = {**part.summary(cells, options), "missing": missing}
    return summaries


def setting(options: Options) -> dict[str, Any]:
    """Return what all parts share."""
    return {
        "teacher": "SetFitClassifier('bundled')",
        "per_class": {name: PER_CLASS.get(name, DEFAULT_PER_CLASS) for name in options.sets},
        "pools": {name: list(options.sizes(name)) for name in options.sets},
        "seeds": {name: len(options.seeds(name)) for name in options.sets},
        "n_test_at_most": options.n_test,
        "threads_of_training": torch.get_num_threads(),
        "precision": "ours as the package chooses, setfit's float32; throughput of all in float32",
        "setfit": version("setfit"),
    }


def _for_elsewhere(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out the count without which our training is run anew beside a reference that is to take as long."""
    return {key: value for key, value in found.items() if key != "texts_passed"}


def main() -> None:
    """Run what is asked for and not there yet, then write and print the summary of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this part; may be given again")
    parser.add_argument("--quick", action="store_true", help="whether all runs: one small set, one seed, few steps")
    parser.add_argument("--minutes", type=float, help="begin no cell after so many minutes")
    parser.add_argument(
        "--tier", type=int, help="of each seed the cells that tell most for their time: 0 to this, 9: all"
    )
    parser.add_argument("--summary", action="store_true", help="run nothing, sum up the cells that are there")
    parser.add_argument("--list", action="store_true", help="run nothing, print the cells that are missing, in order")
    given = parser.parse_args()
    options = Options(quick=given.quick)
    tasks = tasks_of(given.part or list(PARTS), options, given.tier)
    unpack_cells(options.name, options.folder)
    if given.list:
        print(*(name for name in tasks if not (options.folder / f"{name}.json").is_file()), sep="\n")
        return
    if not given.summary:
        run_tasks(tasks, options, given.minutes)
    cells = read_cells(options)
    summaries = summarize(cells, options)
    pack_cells(options.name, {name: _for_elsewhere(found) for name, found in cells.items()}, whole=True)
    finish(options.name, {"setting": setting(options), "machine": machine(), "parts": summaries})


if __name__ == "__main__":
    main()
