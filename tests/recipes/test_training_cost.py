"""Costs are orders of magnitude, and those that were measured."""

import json
from pathlib import Path
from statistics import geometric_mean

import pytest

from fewshot.recipes.training_cost import Workload, in_words, training_seconds

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
WORDS = {"cr": 19, "trec": 10, "sst5": 19, "emotion": 19, "ag_news": 40, "banking77": 12, "go_emotions_8": 13}
"""Mean words a text, about."""

SLICES = json.loads((RESULTS / "teacher.json").read_text("utf-8"))["parts"]["time"]["slices"]
SETS = json.loads((RESULTS / "distillation.json").read_text("utf-8"))["parts"]["accuracy"]["sets"]
LABELED = {"trec": 96, "sst5": 80, "emotion": 96, "ag_news": 64, "banking77": 616}
METHODS = {"layers_3": "distilled:layers:3", "static": "distilled:static", "static_conv": "distilled:static:conv"}
DISTILLED = [
    (name, int(n), student, figures["mean"])
    for name, pools in SETS.items()
    for n, pool in pools.items()
    for student, figures in pool.get("seconds_after_the_teacher", {}).items()
    if student in METHODS
]

FEW_LABELS = json.loads((RESULTS / "cells" / "few_labels.json").read_text("utf-8"))
BESIDE_SETFIT = ("setfit+augment", "fine-tune", "adapt+fine-tune", "uda", "self-training")


@pytest.mark.parametrize("key", SLICES)
def test_setfit_takes_about_as_long_as_measured(key):
    """An advice that says seconds where it takes an hour is not followed twice."""
    measured = SLICES[key]["seconds"]["ours-fit"]
    told = training_seconds("setfit", Workload(SLICES[key]["n_texts"], 0, WORDS[key.split("-")[1]]))
    assert measured / 2.5 < told < measured * 2.5


@pytest.mark.parametrize(("name", "n_pool", "student", "measured"), DISTILLED)
def test_distillation_takes_about_as_long_as_measured(name, n_pool, student, measured):
    """The same; the teacher's answers, which the benchmark has on disk, come on top."""
    method, words = METHODS[student], WORDS[name]
    n_texts = LABELED[name]
    teacher = training_seconds("setfit", Workload(n_texts, 0, words))
    told = training_seconds(method, Workload(n_texts, n_pool, words)) - teacher - n_pool * words / 3_000
    assert measured / 2.5 < told < measured * 2.5


def measured_of(method, name, size):
    """Return the seconds and the number of labelled texts of a method's first cell that was timed."""
    cells = [FEW_LABELS.get(f"{method}-{name}-{size}-{seed}", {}) for seed in range(5)]
    return next((cell["seconds"], cell["n_train"]) for cell in cells if "seconds" in cell)


def beyond_told(method, name, size):
    """Return how many times SetFit's seconds a method took, over how many it is told to take."""
    (seconds, n_texts), (of_setfit, _) = measured_of(method, name, size), measured_of("setfit", name, size)
    work = Workload(n_texts, 2_000, WORDS[name])
    return seconds / of_setfit / (training_seconds(method, work) / training_seconds("setfit", work))


@pytest.mark.parametrize("method", BESIDE_SETFIT)
def test_methods_take_about_as_many_times_setfit_as_measured(method):
    """Who is told nothing, or minutes of a training of hours, starts it at the wrong time of day."""
    sets = ("ag_news", "emotion", "trec", "banking77", "go_emotions_8")
    ratios = {name: geometric_mean(beyond_told(method, name, size) for size in (8, 16)) for name in sets}
    assert all(1 / 2.5 < ratio < 2.5 for ratio in ratios.values()), ratios
    assert 1 / 1.5 < geometric_mean(ratios.values()) < 1.5, ratios


def test_more_texts_never_take_less():
    """A sign error would advise the largest job as the cheapest."""
    for method in ("naive-bayes", "knn", "linear-probe", "setfit", *METHODS.values(), *BESIDE_SETFIT):
        times = [training_seconds(method, Workload(n, n, 20)) for n in (1, 10, 100, 1_000, 10_000)]
        assert times == sorted(times)


def test_orders_of_magnitude():
    """Every time has a name, and a cost that was not measured is not made up."""
    named = [in_words(seconds) for seconds in (1, 60, 300, 2_000, 10_000, 1e9)]
    assert named == ["seconds", "about a minute", "minutes", "tens of minutes", "hours", "a day or more"]
    assert in_words(training_seconds("zero-shot-nli", Workload(10, 10, 10))) == "not measured"
