"""Every method of few labels, side by side: no label to 64 a class, on six sets.

``python -m tests.benchmarks.few_labels [--set S]... [--method M]... [--quick] [--minutes M] [--summary] [--list]``

Cells are kept as files, so that what a kill leaves is not run again, and their scores beside the results, so that
another machine goes on from there. The encoder of all is the bundled MiniLM, the model of inference the small one of
``../shared/models``. Slices of a seed nest, 2,000 unlabelled texts of the train
split stand beside them, test splits are cut to 1,000 rows. GoEmotions has its eight most frequent labels and is judged
by micro F1, the others by accuracy. Every method runs with its defaults, which were chosen on texts of train splits;
the test splits give these figures once. What the class names of a set mean in words (``label_descriptions.json``) was
written before any figure was seen.

Two parts have scripts of their own: :mod:`tests.benchmarks.few_labels_nli`, :mod:`tests.benchmarks.few_labels_knn`.
"""

import argparse
import os
import time
import traceback
from collections.abc import Collection

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from fewshot.core.artifacts import read_json
from tests.benchmarks.common import cell, finish, machine, pack_cells, unpack_cells
from tests.benchmarks.few_labels_methods import CONTENDERS, tasks
from tests.benchmarks.few_labels_plan import SETS, Cells, Options, Task
from tests.benchmarks.few_labels_tables import summarize

SHOWN = ("accuracy", "micro_f1", "macro_f1", "seconds", "chosen")


def run_tasks(wanted: dict[str, Task], options: Options, minutes: float | None) -> None:
    """Compute the cells that are not there yet; begin none after so many minutes. A cell that fails is passed over."""
    start = time.perf_counter()
    for name, task in wanted.items():
        if (options.folder / f"{name}.json").is_file():
            continue
        if minutes is not None and time.perf_counter() - start > 60 * minutes:
            print(f"{minutes:g} minutes are over", flush=True)
            return
        begun = time.perf_counter()
        try:
            found = cell(options.folder, name, task.compute)
        except Exception:  # the others' results stand
            traceback.print_exc()
            continue
        shown = {key: found[key] for key in SHOWN if key in found}
        print(f"{name} ({time.perf_counter() - begun:.0f} s): {shown}", flush=True)


def finished(names: Collection[str], options: Options) -> Cells:
    """Return the cells that are there, by name."""
    files = {name: options.folder / f"{name}.json" for name in names}
    return {name: read_json(path) for name, path in files.items() if path.is_file()}


def main() -> None:
    """Run what is asked for and not there yet, then write and print the summary of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=list(SETS), help="only this set; may be given again")
    parser.add_argument("--method", action="append", choices=list(CONTENDERS), help="only this; may be given again")
    parser.add_argument("--quick", action="store_true", help="whether all runs: one set, one seed, few steps")
    parser.add_argument("--minutes", type=float, help="begin no cell after so many minutes")
    parser.add_argument("--rounds", type=int, help="cells of the first rounds alone; 0: the cheap ones")
    parser.add_argument("--summary", action="store_true", help="run nothing, sum up the cells that are there")
    parser.add_argument("--list", action="store_true", help="run nothing, print the cells that are missing, in order")
    given = parser.parse_args()
    options = Options(quick=given.quick)
    everything = tasks(options)
    unpack_cells(options.name, options.folder)
    wanted = {
        name: task
        for name, task in everything.items()
        if (given.rounds is None or task.rank[0] <= given.rounds)
        and (given.set is None or any(f"-{one}-" in name for one in given.set))
        and (given.method is None or any(name.startswith(f"{one}-{of}-") for one in given.method for of in SETS))
    }
    if given.list:
        print(*(name for name in wanted if not (options.folder / f"{name}.json").is_file()), sep="\n")
        return
    if not given.summary:
        run_tasks(wanted, options, given.minutes)
    cells = finished(everything, options)
    missing = [name for name in everything if name not in cells]
    pack_cells(options.name, cells)
    finish(options.name, {**summarize(cells, options), "missing": missing, "machine": machine()})


if __name__ == "__main__":
    main()
