"""Memory that training takes on top of the model and the texts, at 40,000 labelled texts.

Measured in a process of its own, on Linux, whose kernel keeps the high-water mark of resident memory and can be told to
start it anew. ``getrusage`` cannot: there the mark covers the opening of the model and begins at the parent's size.
"""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fewshot import SetFitClassifier, load_encoder
from tests.benchmarks.common import ROOT
from tests.benchmarks.teacher_plan import Cells, Options, Part, Tasks, goal
from tests.benchmarks.teacher_setfit import pair_bytes

N_TEXTS, N_CLASSES, WORDS_PER_TEXT = 40_000, 20, 12
STEPS = 2
FEW_TEXTS = 1000
"""Measured beside, so that what grows with the texts is told from what any training takes."""


class TrainedError(Exception):
    """Ends a fit whose first steps are done: what follows is not what is measured."""


class TrainingOnly(SetFitClassifier):
    """A classifier whose fit ends where the trained encoder would be used for the first time."""

    def _embed(self, texts: Any) -> NoReturn:
        raise TrainedError


def made_up_texts(n: int) -> tuple[list[str], list[str]]:
    """Return texts of random words, half of them from the vocabulary of the text's class."""
    rng = np.random.default_rng(0)
    syllables = np.array([a + b for a in "bdfgklmnprstvz" for b in "aeiou"])
    words = np.array(["".join(part) for part in syllables[rng.integers(len(syllables), size=(2000, 3))]])
    labels = rng.integers(N_CLASSES, size=n)
    picks = rng.integers(len(words), size=(n, WORDS_PER_TEXT))
    half = WORDS_PER_TEXT // 2
    picks[:, :half] = picks[:, :half] % (len(words) // N_CLASSES) + labels[:, None] * (len(words) // N_CLASSES)
    return [" ".join(row) for row in words[picks]], [f"class {label}" for label in labels]


def resident_bytes(field: str) -> int:
    """Return a field of this process's status: ``VmRSS`` now, ``VmHWM`` at most since the mark was reset."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) * 1024


def measure(n: int) -> dict[str, Any]:
    """Return the bytes that the first steps of a training on ``n`` texts take; for a process of its own."""
    texts, labels = made_up_texts(n)
    encoder = load_encoder("bundled")
    encoder.encode(texts[:16])
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # starts the high-water mark anew
    before = resident_bytes("VmRSS")
    classifier = TrainingOnly(encoder, steps=STEPS, folds=0, templates=None)
    try:
        classifier.fit(texts, labels)
    except TrainedError:
        peak = resident_bytes("VmHWM")
    return {
        "n_texts": n,
        "n_classes": N_CLASSES,
        "steps": STEPS,
        "before": before,
        "peak": peak,
        "added": peak - before,
    }


def run_child(n: int) -> dict[str, Any]:
    """Run :func:`measure` in fresh processes, and put beside it what SetFit's list of pairs would take."""
    if not Path("/proc/self/clear_refs").exists():
        raise SystemExit("the memory part needs Linux's /proc")
    many, few = (_measured_apart(number) for number in (n, min(n, FEW_TEXTS)))
    return {**many, "few_texts": few["n_texts"], "added_of_few": few["added"], "setfit_at_least": pair_bytes(n)}


def _measured_apart(n: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.teacher_memory", str(n)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def memory_tasks(options: Options) -> Tasks:
    """Return the one cell."""
    return {"memory": partial(run_child, 2 * FEW_TEXTS if options.quick else N_TEXTS)}


def memory_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return the cell, in megabytes and gigabytes; SetFit's is from its formula, nothing of it was run."""
    if "memory" not in cells:
        return {"goals": []}
    cell = cells["memory"]
    pairs = cell["setfit_at_least"]
    return {
        "n_texts": cell["n_texts"],
        "n_classes": cell["n_classes"],
        "before_mb": cell["before"] / 1e6,
        "added_mb": cell["added"] / 1e6,
        "few_texts": cell["few_texts"],
        "added_of_few_mb": cell["added_of_few"] / 1e6,
        "setfit_index_arrays_gb": pairs["index_arrays"] / 1e9,
        "setfit_pairs_gb": pairs["pairs"] / 1e9,
        "goals": [goal("GB added by the first steps at 40,000 texts", 1.0, cell["added"] / 1e9, at_most=True)],
    }


MEMORY = Part(memory_tasks, memory_summary)

if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
