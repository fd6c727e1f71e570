"""Accuracy beside SetFit's own trainer, and how far confidences can be believed."""

import time
from functools import partial
from typing import Any

import numpy as np

from fewshot import LinearProbeClassifier, SetFitClassifier
from fewshot.data.texts import TextData
from fewshot.evaluation.calibration import expected_calibration_error
from tests.benchmarks.teacher_plan import (
    MANY_CLASSES,
    Cells,
    Options,
    Part,
    Tasks,
    difference,
    goal,
    held_out_rows,
    labeled_rows,
    of_report,
    stats,
    values_of,
)
from tests.benchmarks.teacher_setfit import make_reference

MODELS = ("ours", "probe", "setfit")
SEEDS = {8: 5, 16: 3}
CALIBRATION = {MANY_CLASSES: 0.05, "emotion": 0.08}
"""Sets whose expected calibration error is reported, with the largest that is wanted."""

PUBLISHED = {"ag_news": 0.831, "emotion": 0.391, "sst5": 0.298, "cr": 0.716}
"""SetFit with the same encoder at 8 texts a class, by its authors: mean of 10 samples, huggingface/setfit
``final_results`` (commit 0f8e322ce7c6). Their CR has another test split, their AG News a larger train split."""


def cell_name(model: str, name: str, n: int, seed: int) -> str:
    """Return the name of an accuracy cell."""
    return f"accuracy-{model}-{name}-{n}-{seed}"


def names_of(model: str, name: str, n: int, options: Options) -> list[str]:
    """Return the names of the cells of all seeds."""
    return [cell_name(model, name, n, seed) for seed in options.seeds(SEEDS[n])]


def run_reference(name: str, n: int, seed: int, options: Options) -> dict[str, Any]:
    """Train SetFit with its defaults to the end, and score it."""
    limit = {} if options.reference_steps is None else {"max_steps": options.reference_steps}
    reference = make_reference(labeled_rows(name, n, seed), seed, **limit)
    start = time.perf_counter()
    reference.trainer.train()
    seconds = time.perf_counter() - start
    steps = reference.trainer.st_trainer.state.global_step
    return {"accuracy": reference.accuracy(held_out_rows(name, options.n_test)), "seconds": seconds, "steps": steps}


def run_ours(name: str, n: int, seed: int, options: Options) -> dict[str, Any]:
    """Fit the classifier with its defaults, and score it."""
    return _fit_and_score(SetFitClassifier("bundled", random_state=seed), name, n, seed, options)


def run_probe(name: str, n: int, seed: int, options: Options) -> dict[str, Any]:
    """Fit a tuned head on the frozen encoder, and score it."""
    return _fit_and_score(LinearProbeClassifier("bundled", random_state=seed), name, n, seed, options)


def _fit_and_score(classifier: Any, name: str, n: int, seed: int, options: Options) -> dict[str, Any]:
    labeled, test = labeled_rows(name, n, seed), held_out_rows(name, options.n_test)
    start = time.perf_counter()
    classifier.fit(labeled.texts, labeled.labels)
    seconds = time.perf_counter() - start
    return {**score(classifier, test), "seconds": seconds, **of_report(classifier)}


def score(classifier: Any, test: TextData) -> dict[str, float]:
    """Return accuracy and expected calibration error on test texts of known classes."""
    probabilities = classifier.predict_proba(test.texts)
    position = {label: i for i, label in enumerate(classifier.classes_)}
    y = np.array([position[label] for label in test.labels])
    accuracy = float((probabilities.argmax(axis=1) == y).mean())
    return {"accuracy": accuracy, "ece": float(expected_calibration_error(y, probabilities))}


RUNNERS = {"ours": run_ours, "probe": run_probe, "setfit": run_reference}


def models_at(n: int, options: Options) -> tuple[str, ...]:
    """Return the contenders at so many texts a class: SetFit at 16 only where all is wanted."""
    return MODELS if n == 8 or options.full else MODELS[:-1]


def accuracy_tasks(options: Options) -> Tasks:
    """Return the cells of the accuracy part, seed by seed, so that what is finished early covers all sets."""
    return {
        cell_name(model, name, n, seed): partial(RUNNERS[model], name, n, seed, options)
        for n in options.sizes
        for model in models_at(n, options)
        for seed in options.seeds(SEEDS[n])
        for name in options.sets
    }


def accuracy_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return accuracies by texts a class and set, the means over sets, and what is wanted of them."""
    sizes = {str(n): _at_size(cells, n, options) for n in options.sizes}
    return {**sizes, "published_at_8": PUBLISHED, "goals": _accuracy_goals(sizes["8"], options)}


def _at_size(cells: Cells, n: int, options: Options) -> dict[str, Any]:
    sets = {name: _of_set(cells, name, n, options) for name in options.sets}
    return {"sets": sets, "mean_over_sets": _mean_over_sets(cells, n, options)}


def _of_set(cells: Cells, name: str, n: int, options: Options) -> dict[str, Any]:
    found = {model: values_of(cells, names_of(model, name, n, options), "accuracy") for model in MODELS}
    chosen = [cells[key].get("chosen") for key in found["ours"]]
    rows: dict[str, Any] = {model: stats(list(values.values())) for model, values in found.items()}
    return {
        **rows,
        "difference": difference(*_paired(cells, name, n, options)),
        "ours_chosen": chosen,
    }


def _paired(cells: Cells, name: str, n: int, options: Options) -> tuple[list[float], list[float]]:
    """Return accuracies of ours and the reference's, of the seeds that both have."""
    ours, theirs = (values_of(cells, names_of(model, name, n, options), "accuracy") for model in ("ours", "setfit"))
    pairs = zip(names_of("ours", name, n, options), names_of("setfit", name, n, options), strict=True)
    both = [(ours[a], theirs[b]) for a, b in pairs if a in ours and b in theirs]
    return [a for a, _ in both], [b for _, b in both]


def _mean_over_sets(cells: Cells, n: int, options: Options) -> dict[str, Any]:
    """Return the mean over all sets a seed, of the seeds that have all of them."""
    by_model: dict[str, dict[int, float]] = {}
    for model in MODELS:
        by_model[model] = {}
        for seed in options.seeds(SEEDS[n]):
            values = values_of(cells, [cell_name(model, name, n, seed) for name in options.sets], "accuracy")
            if len(values) == len(options.sets):
                by_model[model][seed] = float(np.mean(list(values.values())))
    common = [seed for seed in by_model["ours"] if seed in by_model["setfit"]]
    return {
        **{model: stats(list(values.values())) for model, values in by_model.items()},
        "difference": difference([by_model["ours"][s] for s in common], [by_model["setfit"][s] for s in common]),
        "seeds_compared": common,
    }


def _accuracy_goals(figures: dict[str, Any], options: Options) -> list[dict[str, Any]]:
    mean = figures["mean_over_sets"]["difference"]
    goals = [goal("mean over sets at 8, ahead of SetFit", 0.02, None if mean is None else mean["mean"])]
    for name in options.sets:
        ahead = figures["sets"][name]["difference"]
        if ahead and ahead["se"] is not None:
            goals.append(
                goal(f"{name} at 8, ahead of SetFit (≥ minus one standard error)", -ahead["se"], ahead["mean"])
            )
    ours = {name: figures["sets"][name]["ours"] for name in PUBLISHED if name in options.sets}
    whole = len(ours) == len(PUBLISHED) and all(ours.values())
    gap = float(np.mean([ours[name]["mean"] - PUBLISHED[name] for name in ours])) if whole else None
    return [*goals, goal("mean over four sets at 8, ahead of the published figures", 0.03, gap)]


def calibration_tasks(options: Options) -> Tasks:
    """Return the cells of the calibration part; those of sets of the accuracy part are the same cells."""
    return {
        cell_name("ours", name, 16, seed): partial(run_ours, name, 16, seed, options)
        for seed in options.seeds(SEEDS[16])
        for name in _wanted_errors(options)
    }


def calibration_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return expected calibration errors at 16 texts a class, with the accuracies beside them."""
    sets, goals = {}, []
    for name, wanted in _wanted_errors(options).items():
        names = names_of("ours", name, 16, options)
        errors, accuracies = (stats(list(values_of(cells, names, key).values())) for key in ("ece", "accuracy"))
        sets[name] = {"ece": errors, "accuracy": accuracies}
        measured = errors["mean"] if errors else None
        goals.append(goal(f"{name} at 16, expected calibration error", wanted, measured, at_most=True))
    return {"per_class": 16, "sets": sets, "goals": goals}


def _wanted_errors(options: Options) -> dict[str, float]:
    return {options.sets[0]: 1.0} if options.quick else CALIBRATION


ACCURACY = Part(accuracy_tasks, accuracy_summary)
CALIBRATED = Part(calibration_tasks, calibration_summary)
