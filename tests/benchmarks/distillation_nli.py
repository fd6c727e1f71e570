"""Students without any label: taught by a model of inference that knows class names, or by similarity to these."""

import os
import time
from functools import partial
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from fewshot import load_encoder
from fewshot.data.texts import TextData
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.evaluation.benchmark import measure_throughput
from tests.benchmarks.common import ROOT
from tests.benchmarks.distillation_calls import distill, name_teacher, nli_teacher, store_in
from tests.benchmarks.distillation_plan import Case, Cells, Options, Part, Task, Tasks, draw
from tests.benchmarks.distillation_teachers import accuracy_of
from tests.benchmarks.teacher_plan import at_most, goal, stats

FOLDER = ROOT.parent / "shared" / "models" / "nli-minilm"
TEMPLATES = {
    "ag_news": "This text is about {}.",
    "emotion": "The person feels {}.",
    "trec": "This question asks about {}.",
}
SETS = ("ag_news", "emotion")
SEEDS = range(3)
POOL, TEST = 2000, 1000
LEAST_ABOVE_MAJORITY = 0.10


def run_zero_shot(kind: str, name: str, seed: int, options: Options) -> dict[str, Any]:
    """Score a zero-shot teacher and the token table that it teaches on unlabelled texts alone.

    The teacher's answers are kept, so that a second seed asks it about its own pool alone.
    """
    case = Case(name, 60 if options.quick else POOL, seed)
    drawn = draw(case, options)
    test = at_most(drawn.test, 20 if options.quick else TEST)
    teacher, encoder = _teacher(kind, name, test)
    store, start = store_in(options.folder / "targets"), time.perf_counter()
    on_test = store.targets(teacher, test.texts).probabilities
    asked = time.perf_counter()
    trainer = distill(
        teacher, "static", drawn.pool, None, store=store, steps=options.steps, random_state=seed, encoder=encoder
    )
    student, space = trainer.student_, teacher.label_space_
    return {
        "teacher": accuracy_of([space.classes[column] for column in on_test.argmax(axis=1)], test.labels),
        "accuracy": student.score(test.texts, test.labels),
        "majority": max(test.labels.count(label) for label in set(test.labels)) / len(test),
        "seconds": time.perf_counter() - asked,
        "test_seconds": asked - start,
        "rates": _rates(teacher, student, test, options),
        "pool": len(drawn.pool),
        "n_test": len(test),
        "load": os.getloadavg()[0],
    }


def _teacher(kind: str, name: str, test: TextData) -> tuple[Any, str | None]:
    """Return a zero-shot teacher, and the encoder that lends it vectors where it has none."""
    classes = sorted(set(test.labels))
    if kind == "names":
        return name_teacher(load_encoder("bundled"), classes, TEMPLATES[name]), None
    if not FOLDER.is_dir():
        raise SystemExit("the nli part needs ../shared/models/nli-minilm beside the repository")
    return nli_teacher(FOLDER, classes, TEMPLATES[name]), "bundled"


def _rates(teacher: Any, student: Any, test: TextData, options: Options) -> dict[str, float]:
    """Measure texts a second of both in float32, on one thread, taking turns."""
    if isinstance(getattr(teacher, "__dict__", {}).get("encoder_"), SentenceEncoder):
        teacher.encoder_.precision = "float32"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            candidates = {"teacher": teacher.predict_proba, "student": student.predict_proba}
            return measure_throughput(candidates, test.texts, rounds=1 if options.quick else 3, max_seconds=5.0)
    finally:
        torch.set_num_threads(threads)


def _names(options: Options, kind: str, name: str) -> list[str]:
    return [f"{kind}-{name}-{seed}" for seed in (SEEDS[:1] if options.quick else SEEDS)]


def _sets(options: Options) -> tuple[str, ...]:
    return options.sets if options.quick else SETS


def nli_tasks(options: Options) -> Tasks:
    """Return a cell a kind of teacher, set and seed."""
    return {
        cell: Task(partial(run_zero_shot, kind, name, seed, options), (seed, 4))
        for kind in ("names", "nli")
        for name in _sets(options)
        for seed, cell in enumerate(_names(options, kind, name))
    }


def nli_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return teachers and students by set and kind, and what is wanted where the teacher knows something."""
    rows: dict[str, Any] = {}
    goals = []
    for kind in ("nli", "names"):
        for name in _sets(options):
            found = [cells[cell] for cell in _names(options, kind, name) if cell in cells]
            if not found:
                continue
            row = {key: stats([cell[key] for cell in found]) for key in ("teacher", "accuracy", "majority", "seconds")}
            row["times_teacher_speed"] = stats([cell["rates"]["student"] / cell["rates"]["teacher"] for cell in found])
            rows.setdefault(name, {})[kind] = row
            if kind == "nli":
                goals += _goals(name, row)
    return {"pool": POOL, "sets": rows, "goals": goals}


def _goals(name: str, row: dict[str, Any]) -> list[dict[str, Any]]:
    mean = {key: value["mean"] for key, value in row.items()}
    above = mean["teacher"] - mean["majority"]
    counts = np.isclose(above, LEAST_ABOVE_MAJORITY) or above > LEAST_ABOVE_MAJORITY
    shown = f"teacher {100 * above:.1f} points above the majority class"
    if not counts:  # it stands in the table, but is no teacher that anything is wanted of
        return []
    behind, times = mean["teacher"] - mean["accuracy"], mean["times_teacher_speed"]
    return [
        goal(f"static behind its zero-shot NLI teacher, {name} ({shown})", 0.02, behind, at_most=True),
        goal(f"times the speed of its NLI teacher, {name}", 50.0, times),
    ]


NLI = Part(nli_tasks, nli_summary)
