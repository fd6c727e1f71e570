"""Seconds of distillation to the accuracy of setfit's trainers, and texts a second of the students."""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder
from fewshot.evaluation.benchmark import measure_throughput
from tests.benchmarks.common import load_split
from tests.benchmarks.distillation_accuracy import paired, score_reference
from tests.benchmarks.distillation_calls import CASED, distill, untrained_model
from tests.benchmarks.distillation_plan import Case, Cells, Options, Part, Task, Tasks
from tests.benchmarks.distillation_setfit import (
    VERSIONS,
    as_setfit_model,
    make_reference,
    train_reference,
)
from tests.benchmarks.distillation_teachers import Lesson, open_lesson
from tests.benchmarks.teacher_plan import goal, stats
from tests.benchmarks.teacher_setfit import extrapolate

TEXTS = 500
REFERENCE_STEPS = 500
"""As in setfit's documentation of distillation, which has 500 texts, too."""

TIMED_STEPS = 30
LADDER = (5, 10, 20, 40, 80)
SEEDS = range(3)
RATED_STUDENTS = ("static", "static:conv", "static:words", "static:bigrams", CASED)
RATED_TEXTS = 20_000
ROUNDS = 5
WANTED = {"static:words / teacher": 400.0, "static / bare tokenizer": 0.85, "static:conv / bare tokenizer": 0.85}


def time_case(seed: int, options: Options) -> Case:
    """Return the case whose seconds are measured."""
    name = "trec" if options.quick else "ag_news"
    return Case(name, 60 if options.quick else TEXTS, seed)


def run_ladder(seed: int, options: Options) -> dict[str, Any]:
    """Distil with growing numbers of steps, each from the start, and take the time of everything.

    No store and no labelled texts: the clock holds the making of the student, the teacher's pass over the pool, the
    training and the head. Both sides learn from the same 500 texts. Setfit's first steps are timed before and after.
    """
    lesson = open_lesson(time_case(seed, options), options)
    _ours(lesson, 1)  # what a process does once shall not count
    reference, rungs = [time_reference(lesson, options)], []
    for steps in LADDER[:2] if options.quick else LADDER:
        start = time.perf_counter()
        student = _ours(lesson, steps)
        seconds = time.perf_counter() - start
        rungs.append({"steps": steps, "seconds": seconds, "accuracy": lesson.score(student)["accuracy"]})
    reference.append(time_reference(lesson, options))
    return {"rungs": rungs, "setfit": reference, "teacher": lesson.teacher_accuracy, "load": os.getloadavg()[0]}


def _ours(lesson: Lesson, steps: int) -> Any:
    seed = lesson.case.seed
    return distill(lesson.teacher, CASED, lesson.drawn.pool, None, store=None, steps=steps, random_state=seed).student_


def time_reference(lesson: Lesson, options: Options) -> dict[str, Any]:
    """Tell from its first steps how long setfit's trainer takes: for all pairs once, its default, and for 500 steps."""
    steps = options.limited(TIMED_STEPS)
    reference = _reference("setfit", lesson, stop=lambda step: step >= steps)
    start = time.perf_counter()
    train_reference(reference)
    stop = time.perf_counter()
    found = extrapolate(start, reference.ends, stop, reference.full_steps)
    return {**found, "documented": found["set_up"] + found["head"] + (REFERENCE_STEPS - 1) * found["step"]}


def run_documented(version: str, seed: int, options: Options) -> dict[str, Any]:
    """Train a reference for 500 steps, and score it; its seconds are not held against those of other cells."""
    lesson = open_lesson(time_case(seed, options), options)
    reference = _reference(version, lesson, max_steps=options.limited(REFERENCE_STEPS))
    seconds = train_reference(reference)
    step = (reference.ends[-1] - reference.ends[0]) / max(1, len(reference.ends) - 1)
    load = os.getloadavg()[0]
    return {**score_reference(reference, lesson), "seconds": seconds, "step": step, "load": load}


def _reference(version: str, lesson: Lesson, **recipe: Any) -> Any:
    teacher = as_setfit_model(lesson.teacher)
    return make_reference(
        version, teacher, untrained_model(lesson.teacher), lesson.drawn.pool, lesson.case.seed, **recipe
    )


def run_rates(options: Options) -> dict[str, Any]:
    """Measure texts a second of teacher, students and the bare tokenizer: float32, one thread, taking turns.

    Students are undistilled: their rate does not depend on what their rows hold. A token table remembers the words that
    it has cut before; ``first_pass`` is that of tables that remember nothing, over the bare tokenizer's.
    """
    case = Case(time_case(0, options).name, options.largest, 0)
    lesson = open_lesson(case, options)
    texts = [*load_split(case.name, "test").texts, *lesson.drawn.pool, *load_split(case.name, "train").texts]
    texts = list(dict.fromkeys(texts))[: 200 if options.quick else RATED_TEXTS]
    models = {"teacher": lesson.teacher} | {kind: _undistilled(lesson, kind) for kind in RATED_STUDENTS}
    for model in models.values():
        if isinstance(model.encoder_, SentenceEncoder):
            model.encoder_.precision = "float32"
    tokenizer = lesson.teacher.encoder_.tokenizer
    candidates: dict[str, Callable[[Sequence[str]], Any]] = {name: model.predict for name, model in models.items()}
    candidates["static, vectors alone"] = models["static"].encoder_.encode
    candidates["bare tokenizer"] = partial(_cut, tokenizer)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            rates = measure_throughput(candidates, texts, rounds=2 if options.quick else ROUNDS)
            first = [_first_pass(models["static"].encoder_, tokenizer, texts) for _ in range(3)]
    finally:
        torch.set_num_threads(threads)
    return {"rates": rates, "first_pass": float(np.median(first)), "n_texts": len(texts), "load": os.getloadavg()[0]}


def _undistilled(lesson: Lesson, kind: str) -> Any:
    options: dict[str, Any] = {"store": lesson.store, "steps": 0, "random_state": 0}
    return distill(lesson.teacher, kind, lesson.drawn.pool, lesson.drawn.labeled, **options).student_


def _cut(tokenizer: Any, texts: Sequence[str]) -> Any:
    """Cut texts into subwords with the tokenizer alone, by its fastest call."""
    return tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)


def _first_pass(encoder: StaticEncoder, tokenizer: Any, texts: Sequence[str]) -> float:
    """Return the rate of a table that has seen no text yet, over that of the bare tokenizer."""
    fresh = encoder.with_rows(encoder.table)
    seconds = []
    for call in (fresh.encode, partial(_cut, tokenizer)):
        start = time.perf_counter()
        call(texts)
        seconds.append(time.perf_counter() - start)
    return seconds[1] / seconds[0]


def speed_tasks(options: Options) -> Tasks:
    """Return the rates, and seconds by seed."""
    tasks: Tasks = {"rates": Task(partial(run_rates, options), (0, 2))}
    for seed in SEEDS[:1] if options.quick else SEEDS:
        tasks[f"ladder-{seed}"] = Task(partial(run_ladder, seed, options), (seed, 5))
        for version in VERSIONS:
            tasks[f"documented-{version}-{seed}"] = Task(partial(run_documented, version, seed, options), (seed, 5))
    return tasks


def speed_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return the seconds to setfit's accuracy, the rates, and what is wanted of them."""
    versions = {version: _to_accuracy(cells, version) for version in VERSIONS}
    rates = cells.get("rates", {})
    ratios = _ratios(rates["rates"]) if rates else {}
    goals = []
    for version, found in versions.items():
        name = "setfit as it comes" if version == "setfit" else "setfit repaired"
        for against, key in (("all its pairs", "share_of_whole"), ("these", "share_of_documented")):
            figure = f"seconds to the accuracy of {name} after {REFERENCE_STEPS} steps on {TEXTS} texts, over {against}"
            goals.append(goal(figure, 0.2, found.get(key), at_most=True))
    goals += [goal(f"texts/s, {key}", wanted, ratios.get(key)) for key, wanted in WANTED.items()]
    goals.append(goal("the same, static on texts whose words it has not cut before", 0.85, rates.get("first_pass")))
    name = options.sets[0]
    cases = [Case(name, options.largest, seed) for seed in options.seeds(name)]
    gap = paired(cells, "teacher", "static_words", cases)
    figure = f"static:words behind the teacher at {options.largest:,}, {name}"
    goals.append(goal(figure, 0.025, gap["mean"] if gap else None, at_most=True))
    return {"to_accuracy": versions, "ladder": _ladder(cells), "rates": rates, "ratios": ratios, "goals": goals}


def _ratios(rates: dict[str, float]) -> dict[str, float]:
    over = (("bare tokenizer", _OVER_TOKENIZER), ("teacher", RATED_STUDENTS))
    return {f"{name} / {base}": rates[name] / rates[base] for base, names in over for name in names if name in rates}


_OVER_TOKENIZER = ("static", "static, vectors alone", "static:conv", "static:words", "static:bigrams")


def _ladder(cells: Cells) -> list[dict[str, Any]]:
    """Return mean seconds and accuracy by number of steps."""
    found = [cells[f"ladder-{seed}"]["rungs"] for seed in SEEDS if f"ladder-{seed}" in cells]
    rows = []
    for rungs in zip(*found, strict=True):
        values = {key: stats([rung[key] for rung in rungs]) for key in ("seconds", "accuracy")}
        rows.append({"steps": rungs[0]["steps"], **values})
    return rows


def _to_accuracy(cells: Cells, version: str) -> dict[str, Any]:
    """Return when ours reaches a reference's accuracy, means over the seeds that have all of it.

    That is the smallest number of steps from which on the mean accuracy is never below the reference's, which was
    trained for 500 steps. Its defaults take more steps; the seconds of both are told from the first of them.
    """
    seeds = [s for s in SEEDS if f"ladder-{s}" in cells and f"documented-{version}-{s}" in cells]
    if not seeds:
        return {}
    accuracies, correlations = (
        [cells[f"documented-{version}-{seed}"][key] for seed in seeds] for key in ("accuracy", "correlation")
    )
    accuracy = float(np.mean(accuracies))
    timed = [found for seed in seeds for found in cells[f"ladder-{seed}"]["setfit"]]
    documented, whole = (float(np.mean([found[key] for found in timed])) for key in ("documented", "seconds"))
    rungs = _ladder({f"ladder-{seed}": cells[f"ladder-{seed}"] for seed in seeds})
    reached = [row for at, row in enumerate(rungs) if all(r["accuracy"]["mean"] >= accuracy for r in rungs[at:])]
    first = reached[0] if reached else None
    seconds = first["seconds"]["mean"] if first else None
    return {
        "seeds": seeds,
        "accuracy": stats(accuracies),
        "correlation": stats(correlations),
        "documented_seconds": documented,
        "whole_seconds": whole,
        "whole_steps": timed[0]["full_steps"],
        "steps": first["steps"] if first else None,
        "seconds": seconds,
        "share_of_whole": None if seconds is None else seconds / whole,
        "share_of_documented": None if seconds is None else seconds / documented,
    }


SPEED = Part(speed_tasks, speed_summary)
