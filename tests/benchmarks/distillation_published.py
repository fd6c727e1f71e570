"""Beside SetFit's published distillation curve: how much of the gap to the teacher is closed.

Their teacher is paraphrase-mpnet-base-v2, their student paraphrase-MiniLM-L3-v2, neither of which is at hand here: ours
are the bundled MiniLM of six layers and three of its layers. Levels differ, so shares of the gap stand beside each
other, not accuracies. *Before* differs, too: theirs is the baseline of the same script, an untrained MiniLM of three
layers (no sentence encoder) fine-tuned on the teacher's probabilities of the same texts; ours is the undistilled
student with a head on the teacher's probabilities. The script's teacher is one seed's.
"""

from typing import Any

from tests.benchmarks.distillation_accuracy import our_tasks, values_over
from tests.benchmarks.distillation_plan import Case, Cells, Options, Part, Tasks
from tests.benchmarks.teacher_plan import goal, stats

SIZES = (8, 16, 32, 64, 100, 200, 1000)
FIRST_SIZES = (8, 64, 200, 1000)
SETS = ("ag_news", "emotion", "sst5")
SEEDS = range(3)
LEAST_GAP = 0.01
"""Of a smaller gap no share is told."""

TEACHERS = {"ag_news": 0.8507, "emotion": 0.6480, "sst5": 0.4765}
STUDENTS = {
    "ag_news": (0.8172, 0.8186, 0.8235, 0.8325, 0.8355, 0.8384, 0.8465),
    "emotion": (0.4570, 0.4694, 0.4897, 0.5205, 0.5497, 0.5881, 0.6427),
    "sst5": (0.3082, 0.3072, 0.3147, 0.3223, 0.3312, 0.3467, 0.3838),
}
BASELINES = {
    "ag_news": (0.5692, 0.6269, 0.6227, 0.6998, 0.7437, 0.8055, 0.8342),
    "emotion": (0.2059, 0.2156, 0.2127, 0.2286, 0.2501, 0.3588, 0.6448),
    "sst5": (0.2195, 0.2398, 0.2293, 0.2440, 0.2455, 0.3145, 0.3754),
}
"""By pool size; huggingface/setfit, ``final_results/distillation`` (commit 0f8e322ce7c6): means of 10 pools."""


def published_tasks(options: Options) -> Tasks:
    """Return the cells of our student; some are the accuracy part's."""
    tasks: Tasks = {}
    for case in _cases(options):
        tier = 5 if case.size in FIRST_SIZES else 9
        tasks |= our_tasks(case, ["layers_3"], options, tier=tier)
    return tasks


def _cases(options: Options) -> list[Case]:
    if options.quick:
        return [Case(name, 8, 0) for name in options.sets]
    return [Case(name, size, seed) for seed in SEEDS for name in SETS for size in SIZES]


def published_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return our and their accuracies and shares of the gap by set and pool size."""
    sets: dict[str, Any] = {}
    for case in _cases(options):
        if case.seed == 0:
            sets.setdefault(case.name, {})[str(case.size)] = {
                "ours": _ours(cells, case),
                "published": _theirs(case.name, case.size),
            }
    return {"sets": sets, "goals": _goals(sets)}


def _ours(cells: Cells, case: Case) -> dict[str, Any] | None:
    cases = [Case(case.name, case.size, seed) for seed in SEEDS]
    found = {key: stats(values_over(cells, "layers_3", cases, key)) for key in ("teacher", "accuracy")}
    before = stats(values_over(cells, "layers_3_before", cases))
    if before is None or found["teacher"] is None or found["accuracy"] is None:
        return None
    means = {"teacher": found["teacher"]["mean"], "before": before["mean"], "student": found["accuracy"]["mean"]}
    return {**means, "seeds": len(before["values"]), "share": _share(**means)}


def _theirs(name: str, size: int) -> dict[str, Any] | None:
    if name not in TEACHERS:
        return None
    at = SIZES.index(size)
    means = {"teacher": TEACHERS[name], "before": BASELINES[name][at], "student": STUDENTS[name][at]}
    return {**means, "share": _share(**means)}


def _share(teacher: float, before: float, student: float) -> float | None:
    return (student - before) / (teacher - before) if teacher - before >= LEAST_GAP else None


def _goals(sets: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is wanted of points behind the teacher, which need no *before*, and of the shares."""
    goals = []
    for name, sizes in sets.items():
        for size, row in sizes.items():
            ours, theirs = row["ours"], row["published"]
            if theirs is None or int(size) not in FIRST_SIZES:
                continue
            behind = None if ours is None else ours["teacher"] - ours["student"]
            figure = f"layers:3 behind its teacher at {int(size):,}, {name}; wanted: as published"
            goals.append(goal(figure, theirs["teacher"] - theirs["student"], behind, at_most=True))
            if theirs["share"] is not None and ours is not None and ours["share"] is not None:
                figure = f"share of the gap closed at {int(size):,}, {name}; wanted: as published"
                goals.append(goal(figure, theirs["share"], ours["share"]))
    return goals


PUBLISHED = Part(published_tasks, published_summary)
