"""Seconds of training beside SetFit's own trainer, taking turns in one run, with the same threads."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from fewshot import SetFitClassifier, load_encoder
from fewshot.data.texts import TextData
from tests.benchmarks.teacher_plan import MANY_CLASSES, Cells, Options, Part, Tasks, geometric_mean, goal, labeled_rows
from tests.benchmarks.teacher_setfit import RECIPES, time_reference

ROUNDS = 1
STEPS = 50
SEED = 0
OURS: dict[str, dict[str, Any]] = {"ours-training": {"folds": 0, "templates": None}, "ours-fit": {}}
"""By the name of the contender: the training alone, and all of fit."""

WANTED = {
    ("setfit-default", "ours-training"): 10.0,
    ("setfit-20", "ours-training"): 3.0,
    ("setfit-default", "ours-fit"): 5.0,
    ("setfit-20", "ours-fit"): 2.0,
}
WANTED_MANY_CLASSES = 150.0


def cases(options: Options) -> list[tuple[str, int]]:
    """Return the sets and sizes over which the means go."""
    return [(name, n) for name in options.sets for n in options.sizes]


def time_ours(labeled: TextData, settings: dict[str, Any]) -> float:
    """Return the seconds of one fit; the clock starts with the model open, as it does for the reference."""
    encoder = load_encoder("bundled")
    start = time.perf_counter()
    SetFitClassifier(encoder, random_state=SEED, **settings).fit(labeled.texts, labeled.labels)
    return time.perf_counter() - start


def run_case(name: str, n: int, options: Options) -> dict[str, Any]:
    """Time all contenders on one slice, in rounds; every second round goes backwards."""
    labeled = labeled_rows(name, n, SEED)
    steps = 3 if options.quick else STEPS
    contenders: dict[str, Callable[[], Any]] = {
        **{key: partial(time_ours, labeled, settings) for key, settings in OURS.items()},
        **{key: partial(time_reference, labeled, SEED, recipe, steps) for key, recipe in RECIPES.items()},
    }
    _warm_up(labeled)
    measured: dict[str, list[Any]] = {key: [] for key in contenders}
    load = os.getloadavg()
    for turn in range(1 if options.quick else ROUNDS):
        for key in list(contenders)[:: -1 if turn % 2 else 1]:
            measured[key].append(contenders[key]())
            print(f"{name} {n} {key}: {measured[key][-1]}", flush=True)
    return {
        "n_texts": len(labeled),
        "threads": torch.get_num_threads(),
        "load_before": load[0],
        "measured": measured,
        "seconds": {key: float(np.median([_seconds(value) for value in values])) for key, values in measured.items()},
    }


def _warm_up(labeled: TextData) -> None:
    """Train both sides for a moment: what a process does once shall not count against whoever comes first."""
    time_ours(labeled, {"folds": 0, "templates": None, "steps": 1})
    time_reference(labeled, SEED, {"num_iterations": 1}, 1)


def _seconds(value: Any) -> float:
    return value["seconds"] if isinstance(value, dict) else value


def time_tasks(options: Options) -> Tasks:
    """Return a cell a slice."""
    extra = [] if options.quick else [(MANY_CLASSES, 8)]
    return {f"time-{name}-{n}": partial(run_case, name, n, options) for name, n in [*cases(options), *extra]}


def time_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return seconds and ratios by slice, their geometric means over the five sets, and what is wanted of them."""
    found = {name: _of_case(cells[name]) for name in time_tasks(options) if name in cells}
    names = [f"time-{name}-{n}" for name, n in cases(options)]
    whole = all(name in found for name in names)
    means, goals = {}, []
    for (reference, ours), wanted in WANTED.items():
        key = f"{reference} / {ours}"
        means[key] = geometric_mean([found[name]["times"][key] for name in names if name in found])
        goals.append(goal(f"geometric mean of {key}", wanted, means[key] if whole else None))
    many = found.get(f"time-{MANY_CLASSES}-8")
    key = "setfit-default / ours-training"
    goals.append(goal(f"{MANY_CLASSES} at 8, {key}", WANTED_MANY_CLASSES, many["times"][key] if many else None))
    return {
        "slices": found,
        "geometric_means": means,
        "slices_in_means": sum(n in found for n in names),
        "goals": goals,
    }


def _of_case(cell: dict[str, Any]) -> dict[str, Any]:
    seconds = cell["seconds"]
    times = {f"{reference} / {ours}": seconds[reference] / seconds[ours] for reference, ours in WANTED}
    steps = {key: cell["measured"][key][0]["full_steps"] for key in RECIPES}
    kept = {name: cell[name] for name in ("n_texts", "threads", "load_before")}
    return {**kept, "seconds": seconds, "reference_steps": steps, "times": times}


TIME = Part(time_tasks, time_summary)
