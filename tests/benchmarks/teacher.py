"""The teacher beside SetFit's own trainer: accuracy, time, calibration, scope, memory; and a public competition.

``python -m tests.benchmarks.teacher [--part NAME]... [--quick] [--full] [--summary]``

Parts are made of cells, each kept as a file, so that what a kill leaves is not run again; the summary is made of all
cells that are there, of whichever parts, and says which are missing. The encoder is the bundled MiniLM for both sides.
The reference is setfit's ``Trainer`` as it comes: its defaults, and the paper's 20 iterations where time is measured.

- ``accuracy``: five sets, 8 texts a class, five seeds, against SetFit trained to its end and a probe on the frozen
  encoder; 16 a class, three seeds. Test splits of at most 2,000 rows.
- ``time``: the same slices and Banking77, both sides taking turns. SetFit's first 50 steps are measured, with its whole
  list of pairs and its whole schedule, and the rest is added at their pace.
- ``nlbse``: issue reports of five projects, 300 to learn from and 300 to score each.
- ``calibration``: expected calibration error at 16 texts a class.
- ``scope``: CLINC150, out-of-scope queries told from the others.
- ``memory``: what the first steps add to the model and 40,000 texts.

Settings were chosen on texts of train splits; the test splits give these figures once.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from fewshot.core.artifacts import read_json
from tests.benchmarks.common import ROOT, cell, finish, machine
from tests.benchmarks.teacher_accuracy import ACCURACY, CALIBRATED
from tests.benchmarks.teacher_memory import MEMORY
from tests.benchmarks.teacher_plan import Cells, Options, Part
from tests.benchmarks.teacher_tables import table_accuracy, table_goals, table_time
from tests.benchmarks.teacher_tasks import NLBSE, SCOPE
from tests.benchmarks.teacher_time import TIME

__all__ = ["PARTS", "main", "summarize", "table_accuracy", "table_goals", "table_time"]

PARTS: dict[str, Part] = {
    "time": TIME,
    "accuracy": ACCURACY,
    "calibration": CALIBRATED,
    "scope": SCOPE,
    "nlbse": NLBSE,
    "memory": MEMORY,
}


def folder_of(options: Options) -> Path:
    """Return the folder of cells."""
    return ROOT / "runs" / "benchmarks" / options.name


def run_parts(names: Sequence[str], options: Options) -> None:
    """Compute the cells of some parts that are not there yet."""
    for part in names:
        for name, compute in PARTS[part].tasks(options).items():
            found = cell(folder_of(options), name, compute)
            shown = ("accuracy", "ece", "f1", "auroc", "seconds", "added", "chosen")
            print(name, {key: found[key] for key in shown if key in found}, flush=True)


def finished_cells(options: Options) -> Cells:
    """Return all cells that are there, by name."""
    return {path.stem: read_json(path) for path in sorted(folder_of(options).glob("*.json"))}


def summarize(cells: Cells, options: Options) -> dict[str, Any]:
    """Return the figures of every part from the cells there are, each with the names of those that are missing."""
    summaries = {}
    for name, part in PARTS.items():
        missing = [task for task in part.tasks(options) if task not in cells]
        summaries[name] = {**part.summary(cells, options), "missing": missing}
    return summaries


def main() -> None:
    """Run what is asked for and not there yet, then write and print the summary of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this part; may be given again")
    parser.add_argument("--quick", action="store_true", help="whether all runs: one small set, one seed, few steps")
    parser.add_argument("--full", action="store_true", help="SetFit at 16 texts a class, more seeds of nlbse")
    parser.add_argument("--summary", action="store_true", help="run nothing, sum up the cells that are there")
    given = parser.parse_args()
    options = Options(quick=given.quick, full=given.full)
    if not given.summary:
        run_parts(given.part or list(PARTS), options)
    finish(options.name, {"machine": machine(), "parts": summarize(finished_cells(options), options)})


if __name__ == "__main__":
    main()
