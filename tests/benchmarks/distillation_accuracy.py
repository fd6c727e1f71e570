"""Accuracy and similarity of students beside their teacher and setfit's trainers, by pool size."""

import os
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fewshot.core.artifacts import read_json
from fewshot.distillation.student_training import default_schedule
from fewshot.distillation.transfer_set import make_transfer_set
from tests.benchmarks.common import cell
from tests.benchmarks.distillation_calls import CASED, answers_on, count_passes, distill, untrained_model
from tests.benchmarks.distillation_plan import END_SETS, MAIN_SETS, Case, Cells, Options, Part, Task, Tasks
from tests.benchmarks.distillation_setfit import (
    TEXTS_A_STEP,
    VERSIONS,
    KnownTeacher,
    make_reference,
    pace,
    stopwatch,
    train_reference,
)
from tests.benchmarks.distillation_teachers import Lesson, open_lesson
from tests.benchmarks.teacher_plan import difference, goal, stats

STUDENTS = {
    "static": "static",
    "static_conv": "static:conv",
    "layers_3": CASED,
    "layers_3_match": CASED,
    "static_words": "static:words",
    "static_bigrams": "static:bigrams",
}
"""Students by the contender's name; a table comes first, since it has the teacher's tokens summed on the way."""

MATCHED = {"loss": {"cosine": 1.0, "match": 1.0}}
"""Settings of ``layers_3_match``: the teacher's vectors themselves beside their cosines, and more steps."""

MATCHED_STEPS = 4
"""Times the default number."""

AT_LARGEST_ALONE = ("static_bigrams", "layers_3_match")

REFERENCES = tuple(f"{version}_{budget}" for version in VERSIONS for budget in ("passes", "seconds"))
OUR_RATE = "repaired_rate"
"""The repaired reference at our learning rate: what is left of the difference is not that."""

OUR_LEARNING_RATE = 4e-4
MIDDLE = 1000
TIERS = {"static": 0, "static_conv": 0, "layers_3": 1, "static_words": 2, "layers_3_match": 4, "static_bigrams": 8}
REFERENCE_TIERS = {"passes": 3, "seconds": 6, "rate": 7}
LARGE_REFERENCE_TIER = 7
WANTED_CORRELATION = {"layers_3": 0.95, "layers_3_match": 0.95, "static": 0.90, "static_conv": 0.90}


def run_ours(contender: str, case: Case, options: Options) -> dict[str, Any]:
    """Train a student and score it, and the undistilled student with a head on the teacher's answers, ``before``.

    The clock of the training starts with the student made and the teacher asked, as it does for the references;
    making it is in the seconds of ``before``, and the teacher's pass where no earlier cell has asked it.
    """
    lesson = open_lesson(case, options)
    drawn, start = lesson.drawn, time.perf_counter()
    settings: dict[str, Any] = {"store": lesson.store, "random_state": case.seed}
    undistilled = distill(lesson.teacher, STUDENTS[contender], drawn.pool, drawn.labeled, steps=0, **settings).student_
    made, before = time.perf_counter() - start, lesson.score(undistilled)
    passes = count_passes(undistilled.encoder_)
    student, steps = undistilled.encoder_, options.steps
    if contender == "layers_3_match":
        settings |= MATCHED
        student = CASED  # by its name it is known to be a part of the teacher
        n_texts = len(
            make_transfer_set(lesson.teacher.label_space_, drawn.pool, drawn.labeled.texts, drawn.labeled.labels).train
        )
        steps = MATCHED_STEPS * default_schedule(n_texts, table=False).steps if steps is None else steps
    start = time.perf_counter()
    trainer = distill(lesson.teacher, student, drawn.pool, drawn.labeled, steps=steps, **settings)
    seconds = time.perf_counter() - start
    return {
        **lesson.score(trainer.student_),
        "seconds": seconds,
        "steps": trainer.report_["steps"],
        "texts_passed": sum(passes) or None,
        "load": os.getloadavg()[0],
        "before": {**before, "seconds": made},
    }


def run_reference(version: str, budget: str, case: Case, options: Options) -> dict[str, Any]:
    """Train a reference for as many texts passed, or as many seconds, as ours took, and score it.

    In either case its schedule is that of the steps it takes, so that its learning rate runs down. For ``"seconds"``
    these are as many as fit at the pace of its first steps, and the clock stops it where they were too many.
    """
    ours = _to_be_matched(case, options)
    lesson = open_lesson(case, options)
    texts, targets = answers_on(lesson.teacher, lesson.drawn.pool, lesson.drawn.labeled, lesson.store)
    known = KnownTeacher(texts, targets)
    recipe: dict[str, Any] = {}
    steps, stop = max(1, round(ours["texts_passed"] / TEXTS_A_STEP)), None
    if budget == "seconds":
        a_step = pace(version, known, lesson.teacher, texts, case.seed, options.limited(10))
        steps = max(1, int(ours["seconds"] / a_step))
        stop = stopwatch(ours["seconds"])
    if budget == "rate":
        recipe["body_learning_rate"] = OUR_LEARNING_RATE
    reference = make_reference(
        version,
        known,
        untrained_model(lesson.teacher),
        texts,
        case.seed,
        stop=stop,
        max_steps=options.limited(steps),
        **recipe,
    )
    seconds = train_reference(reference)
    return {**score_reference(reference, lesson), "seconds": seconds, "steps": len(reference.ends), "planned": steps}


def _to_be_matched(case: Case, options: Options) -> dict[str, Any]:
    """Return our cell with the texts that it passed, which some that come with the repository do not tell."""
    name, compute = case.cell("layers_3"), partial(run_ours, "layers_3", case, options)
    found = cell(options.folder, name, compute)
    if found.get("texts_passed") is None:
        (options.folder / f"{name}.json").unlink()
        found = cell(options.folder, name, compute)
    return found


def score_reference(reference: Any, lesson: Lesson) -> dict[str, Any]:
    """Return accuracy and correlation of a trained reference on the test texts."""
    numbers, vectors = reference.answers(lesson.drawn.test.texts)
    return lesson.figures([lesson.teacher.classes_[number] for number in numbers], vectors)


def accuracy_tasks(options: Options) -> Tasks:
    """Return the cells of the grid, and those at 1,000 texts of the sets that have the ends alone."""
    tasks: Tasks = {}
    for case in options.cases():
        is_shown = case.size == options.largest or options.quick  # pairs of tokens cost as much, and add little
        tasks |= our_tasks(case, [name for name in STUDENTS if name not in AT_LARGEST_ALONE or is_shown], options)
        tasks |= _reference_tasks(case, options)
    if not options.quick:
        for case in _middle_cases(options):
            tasks |= our_tasks(case, ["layers_3"], options, tier=4)
    return tasks


def _middle_cases(options: Options) -> list[Case]:
    return [Case(name, MIDDLE, seed) for name in END_SETS for seed in options.seeds(name)]


def our_tasks(case: Case, contenders: Sequence[str], options: Options, tier: int | None = None) -> Tasks:
    """Return the cells of our students of a case."""
    return {
        case.cell(name): Task(
            partial(run_ours, name, case, options), (case.seed, TIERS[name] if tier is None else tier)
        )
        for name in contenders
    }


def _reference_tasks(case: Case, options: Options) -> Tasks:
    wanted = [name.split("_") for name in REFERENCES]
    if case.name in MAIN_SETS and case.size == MIDDLE:
        wanted.append(OUR_RATE.split("_"))
    return {
        case.cell(f"{version}_{budget}"): Task(
            partial(run_reference, version, budget, case, options),
            (case.seed, LARGE_REFERENCE_TIER if case.size > MIDDLE else REFERENCE_TIERS[budget]),
        )
        for version, budget in wanted
    }


def value_of(cells: Cells, contender: str, case: Case, key: str = "accuracy") -> float | None:
    """Return one value of a cell, ``None`` where it is not there; ``NAME_before`` is the undistilled student's."""
    found = cells.get(case.cell(contender.removesuffix("_before")), {})
    if contender == "teacher":
        row = next((cells[case.cell(name)] for name in STUDENTS if case.cell(name) in cells), {})
        return row.get("teacher") if key == "accuracy" else None
    value: float | None = (found.get("before", {}) if contender.endswith("_before") else found).get(key)
    return value


CONTENDERS = ("teacher", *(f"{name}{end}" for name in STUDENTS for end in ("_before", "")), *REFERENCES, OUR_RATE)


def accuracy_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return accuracies and their distances by set and pool size, and what is wanted of them."""
    sets: dict[str, Any] = {}
    for name in options.sets:
        sizes = dict.fromkeys([*options.sizes(name), *([] if options.quick else [MIDDLE])])
        sets[name] = {str(size): _at(cells, name, size, options) for size in sorted(sizes)}
    return {"sets": sets, "goals": _accuracy_goals(cells, options)}


def _at(cells: Cells, name: str, size: int, options: Options) -> dict[str, Any]:
    cases = [Case(name, size, seed) for seed in options.seeds(name)]
    rows = {contender: stats(values_over(cells, contender, cases)) for contender in CONTENDERS}
    behind = {c: paired(cells, "teacher", c, cases) for c in CONTENDERS[1:]}
    ahead = {reference: paired(cells, "layers_3", reference, cases) for reference in (*REFERENCES, OUR_RATE)}
    seconds = {
        c: stats(values_over(cells, c, cases, "seconds")) for c in ("layers_3", "static", "static_conv", *REFERENCES)
    }
    return {
        "accuracy": {key: value for key, value in rows.items() if value},
        "behind_teacher": {key: value for key, value in behind.items() if value},
        "layers_3_ahead": {key: value for key, value in ahead.items() if value},
        "seconds_after_the_teacher": {key: value for key, value in seconds.items() if value},
    }


def values_over(cells: Cells, contender: str, cases: Sequence[Case], key: str = "accuracy") -> list[float]:
    """Return the values of the cases that have one."""
    found = [value_of(cells, contender, case, key) for case in cases]
    return [value for value in found if value is not None]


def paired(cells: Cells, first: str, second: str, cases: Sequence[Case]) -> dict[str, Any] | None:
    """Return the differences in accuracy between two contenders, of the cases that both have.

    A student is held against the teacher that it had itself: one that another version fitted is a little another.
    """
    pairs = [(_rival(cells, first, second, case), value_of(cells, second, case)) for case in cases]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    return difference([a for a, _ in both], [b for _, b in both])


def _rival(cells: Cells, first: str, second: str, case: Case) -> float | None:
    if first != "teacher":
        return value_of(cells, first, case)
    own: float | None = cells.get(case.cell(second.removesuffix("_before")), {}).get("teacher")
    return own


def mean_over_sets(
    cells: Cells, first: str, second: str, size: int, options: Options
) -> tuple[float | None, list[str]]:
    """Return the mean over sets of one contender's lead, and which sets have cells of both."""
    leads = {}
    for name in options.sets:
        found = paired(cells, first, second, [Case(name, size, seed) for seed in options.seeds(name)])
        if found is not None:
            leads[name] = found["mean"]
    return (float(np.mean(list(leads.values()))) if leads else None), list(leads)


def _accuracy_goals(cells: Cells, options: Options) -> list[dict[str, Any]]:
    goals = []
    sizes = options.sizes(options.sets[0])
    middle = sizes[-1] if options.quick else MIDDLE
    gap, sets = mean_over_sets(cells, "teacher", "layers_3", middle, options)
    goals.append(goal(_over(f"layers:3 behind the teacher at {middle:,}", sets), 0.01, gap, at_most=True))
    for reference in REFERENCES:
        version, budget = reference.split("_")
        for size in sizes:
            lead, sets = mean_over_sets(cells, "layers_3", reference, size, options)
            shown = "setfit as it comes" if version == "setfit" else "setfit repaired"
            goals.append(goal(_over(f"layers:3 ahead of {shown}, equal {budget}, at {size:,}", sets), 0.0, lead))
    for name in ("ag_news", "trec"):
        cases = [Case(name, options.largest, seed) for seed in options.seeds(name)] if name in options.sets else []
        for contender in ("static", "static_conv"):
            found = paired(cells, "teacher", contender, cases)
            measured, shown = found["mean"] if found else None, STUDENTS[contender]
            goals.append(
                goal(f"{shown} behind the teacher at {options.largest:,}, {name}", 0.02, measured, at_most=True)
            )
    return goals


def _over(figure: str, sets: Sequence[str]) -> str:
    return f"{figure}, mean over {', '.join(sets)}" if sets else figure


def correlation_tasks(options: Options) -> Tasks:
    """Return the cells of the largest pool, which the accuracy part has, too."""
    tasks: Tasks = {}
    for case in options.cases(options.largest):
        tasks |= our_tasks(case, list(WANTED_CORRELATION), options)
    return tasks


def correlation_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return the correlation of student's and teacher's cosines on test texts, by set and pool size."""
    sets: dict[str, Any] = {}
    for name in options.sets:
        for size in options.sizes(name):
            cases = [Case(name, size, seed) for seed in options.seeds(name)]
            rows = {c: stats(values_over(cells, c, cases, "correlation")) for c in CONTENDERS}
            sets.setdefault(name, {})[str(size)] = {c: value for c, value in rows.items() if value}
    goals = []
    for contender, wanted in WANTED_CORRELATION.items():
        by_set = {name: sets[name][str(options.largest)].get(contender) for name in options.sets}
        found = {name: value["mean"] for name, value in by_set.items() if value}
        measured = float(np.mean(list(found.values()))) if found else None
        shown = (
            "layers:3, cosine=1,match=1, 4 times the steps," if contender == "layers_3_match" else STUDENTS[contender]
        )
        figure = f"correlation of cosines, {shown} at {options.largest:,}"
        goals.append(goal(_over(figure, list(found)), wanted, measured))
    return {"sets": sets, "goals": goals}


def read_cells(options: Options) -> Cells:
    """Return all cells that are there, by name."""
    return {path.stem: read_json(path) for path in sorted(options.folder.glob("*.json"))}


ACCURACY = Part(accuracy_tasks, accuracy_summary)
CORRELATION = Part(correlation_tasks, correlation_summary)
