"""Forecasts of learning curves, held against what more labels brought.

``python -m tests.benchmarks.forecast [--part test|train] [--quick] [--summary]``

Naive Bayes, look-up and linear probe (on the bundled MiniLM) on six sets: from slices of 2, 4, 8 and 16 texts a class
the score at 64 (Banking77: 32) is forecast, and held against each draw of that size, against "same as now" (the mean at
16) and against a straight line through the means in log n. A forecast reads the draws of a group of five seeds (beside:
of three) and is judged on what these draws score when they are continued, and on draws of other seeds. Class by class
it is judged whether those that were said to gain most did.

Curves are kept as files, so that what a kill leaves is not run again. All settings were chosen on curves of the part
``train``; those of ``test`` give the published figures once.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from fewshot.core.artifacts import read_json
from fewshot.evaluation.forecasts.curve_forecast import Forecast
from fewshot.evaluation.forecasts.forecast import forecast_classes, forecast_scores
from fewshot.evaluation.tables import markdown_table
from tests.benchmarks.common import cell, finish, machine
from tests.benchmarks.few_labels_plan import SETS
from tests.benchmarks.few_labels_tables import TITLES
from tests.benchmarks.forecast_plan import MORE, Options, draw_curve
from tests.benchmarks.teacher_plan import goal

LARGEST_SEEN = 16
INTERVAL = 0.8
GROUP = 5
WANTED = {"inside": 0.75, "points": 2.0}

Curves = dict[tuple[str, str, int], dict[str, Any]]
"""By method, set and seed."""


def draw_all(options: Options) -> Curves:
    """Return all curves; those that are not there yet are computed."""
    curves = {}
    for name in options.sets:
        for seed in options.seeds(name):
            for method in options.methods:
                start = time.perf_counter()
                compute = partial(draw_curve, method, name, seed, options)
                found = cell(options.folder, f"{method}-{name}-{seed}", compute)
                curves[method, name, seed] = found
                if (seconds := time.perf_counter() - start) > 1:
                    print(f"{method}-{name}-{seed} ({seconds:.0f} s)", flush=True)
    return curves


def kept(options: Options) -> Curves:
    """Return the curves that are there."""
    keys = [(method, name, seed) for name in options.sets for seed in options.seeds(name) for method in options.methods]
    files = {key: options.folder / f"{key[0]}-{key[1]}-{key[2]}.json" for key in keys}
    return {key: read_json(path) for key, path in files.items() if path.is_file()}


def result_rows(curves: Curves, method: str, name: str, seeds: Sequence[int], metric: str) -> list[dict[str, Any]]:
    """Return rows as a comparison writes them, of the slices that a forecast may see."""
    of = {"method": method, "status": "ok"}
    return [
        {**of, "slice": int(size), "n_train": point["n_train"], "seed": seed, metric: point[metric]}
        for seed in seeds
        for size, point in curves[method, name, seed]["points"].items()
        if int(size) <= LARGEST_SEEN
    ]


def judge(
    curves: Curves, method: str, name: str, seeds: Sequence[int], others: Sequence[int], metric: str, size: str
) -> dict[str, Any]:
    """Return one forecast beside what came, and beside what the two simple guesses say."""
    rows = result_rows(curves, method, name, seeds, metric)
    n_train = curves[method, name, seeds[0]]["points"][size]["n_train"]
    [forecast] = forecast_scores(rows, metric=metric, at=[n_train], interval=INTERVAL)
    means = [(slice_.n_train, slice_.mean) for slice_ in forecast.seen]
    sizes, scores = np.array(means).T
    line = np.polyval(np.polyfit(np.log(sizes), scores, 1), np.log(n_train))

    def at_size(which: Sequence[int]) -> list[float]:
        return [curves[method, name, seed]["points"][size][metric] for seed in which]

    [prediction] = forecast.predictions or [None]
    said = None if prediction is None else {end: getattr(prediction, end) for end in ("score", "low", "high")}
    return {
        "method": method,
        "set": name,
        "seeds": list(seeds),
        "n_train": n_train,
        "forecast": said,
        "refusal": forecast.refusal,
        "same": float(scores[-1]),
        "line": float(np.clip(line, 0, 1)),
        "came": at_size(seeds),
        "came_elsewhere": at_size(others),
    }


def judge_all(
    curves: Curves, options: Options, *, group: int, metric: str | None = None, times: int = 4
) -> list[dict[str, Any]]:
    """Return all forecasts of groups of so many seeds, each beside what came at ``times`` the largest slice seen."""
    judged = []
    for name in options.sets:
        known = list(options.seeds(name))
        sizes = [size for size in options.sizes(name) if LARGEST_SEEN < size <= times * LARGEST_SEEN]
        for method in options.methods if sizes else ():
            for first in range(0, len(known) - group + 1, group):
                seeds = known[first : first + group]
                if any((method, name, seed) not in curves for seed in known):
                    continue
                others = [seed for seed in known if seed not in seeds]
                of = metric or ({**SETS, **MORE}[name].metric)
                judged.append(judge(curves, method, name, seeds, others, of, str(sizes[-1])))
    return judged


def figures(judged: Sequence[Mapping[str, Any]], came: str = "came") -> dict[str, Any]:
    """Return how often scores fell into the interval, and how far from them the forecasts and simple guesses were."""
    told = [one for one in judged if one["forecast"] and one[came]]
    counted: dict[str, Any] = {
        "forecasts": len(told),
        "refused": sum(one["forecast"] is None for one in judged),
        "draws": sum(len(one[came]) for one in told),
    }
    if not told:
        return counted
    inside = [one["forecast"]["low"] <= score <= one["forecast"]["high"] for one in told for score in one[came]]
    guesses: dict[str, Callable[[Mapping[str, Any]], float]] = {
        "forecast": lambda one: one["forecast"]["score"],
        "same": lambda one: one["same"],
        "line": lambda one: one["line"],
    }
    errors = {
        name: [100 * abs(guess(one) - score) for one in told for score in one[came]] for name, guess in guesses.items()
    }
    return counted | {
        "inside": float(np.mean(inside)),
        "width_points": float(np.mean([100 * (one["forecast"]["high"] - one["forecast"]["low"]) for one in told])),
        "median_error_points": {name: float(np.median(few)) for name, few in errors.items()},
        "mean_error_points": {name: float(np.mean(few)) for name, few in errors.items()},
        "bias_points": float(
            np.mean([100 * (one["forecast"]["score"] - score) for one in told for score in one[came]])
        ),
    }


def judge_classes(curves: Curves, options: Options) -> dict[str, Any]:
    """Return whether classes gained by four times the labels as they were ranked, and how their intervals held."""
    inside, first, all_gains, correlations, refused, n = list[bool](), list[float](), list[float](), list[float](), 0, 0
    for name in options.sets:
        known = list(options.seeds(name))
        for method in options.methods:
            for start in range(0, len(known) - GROUP + 1, GROUP):
                seeds = known[start : start + GROUP]
                if any((method, name, seed) not in curves for seed in seeds):
                    continue
                forecasts, came, now = class_curves(curves, method, name, seeds, str(options.sizes(name)[-1]))
                told = [forecast for forecast in forecasts if forecast.refusal is None]
                n, refused = n + len(forecasts), refused + len(forecasts) - len(told)
                for forecast in told:
                    [said] = forecast.predictions
                    inside += [said.low <= score <= said.high for score in came[forecast.name]]
                gains = {of: 100 * float(np.mean(came[of]) - now[of]) for of in came}
                if len(told) > 2:
                    first.append(gains[told[0].name])
                    all_gains.append(float(np.mean([gains[forecast.name] for forecast in told])))
                    ranks = [np.argsort(np.argsort([-gains[forecast.name] for forecast in told])), range(len(told))]
                    correlations.append(float(np.corrcoef(ranks)[0, 1]))
    return {
        "classes": n,
        "refused": refused,
        "inside": float(np.mean(inside)) if inside else None,
        "gain_of_first_points": float(np.mean(first)) if first else None,
        "gain_of_all_points": float(np.mean(all_gains)) if all_gains else None,
        "rank_correlation": float(np.mean(correlations)) if correlations else None,
    }


def class_curves(
    curves: Curves, method: str, name: str, seeds: Sequence[int], size: str
) -> tuple[list[Forecast], dict[str, list[float]], dict[str, float]]:
    """Return the forecasts of all classes, what their F1 came to by draw, and what it is now."""
    of = [curves[method, name, seed] for seed in seeds]
    seen = [step for step in of[0]["points"] if int(step) <= LARGEST_SEEN and step != size]
    f1 = np.array([[curve["points"][step]["f1_by_class"] for step in seen] for curve in of])
    sizes = [of[0]["points"][step]["n_train"] for step in seen]
    at = [of[0]["points"][size]["n_train"]]
    came = np.array([curve["points"][size]["f1_by_class"] for curve in of])
    classes = of[0]["classes"]
    forecasts = forecast_classes(f1, sizes, classes, at=at, interval=INTERVAL)
    now = dict(zip(classes, f1[:, -1].mean(axis=0).tolist(), strict=True))
    return forecasts, dict(zip(classes, came.T.tolist(), strict=True)), now


def summarize(curves: Curves, options: Options) -> dict[str, Any]:
    """Return all figures, and what was wanted of them."""
    judged = judge_all(curves, options, group=GROUP)
    main = figures(judged)
    of_three = judge_all(curves, options, group=3)
    errors = main.get("median_error_points", {})
    means = main.get("mean_error_points", {})
    goals = [
        goal("share of draws inside the 80 % interval", WANTED["inside"], main.get("inside")),
        goal("median error, points", WANTED["points"], errors.get("forecast"), at_most=True),
        *(
            goal(f"{kind} error less than that of {words}, points", 0.0, found[guess] - found["forecast"])
            for kind, found in (("median", errors), ("mean", means))
            if found
            for guess, words in (("same", "'same as now'"), ("line", "a line in log n"))
        ),
    ]
    by_set = {name: figures([one for one in judged if one["set"] == name]) for name in options.sets}
    by_method = {method: figures([one for one in judged if one["method"] == method]) for method in options.methods}
    return {
        "setting": {"interval": INTERVAL, "seeds": GROUP, "largest_seen": LARGEST_SEEN, "n_test": options.n_test},
        "four_times": main,
        "goals": goals,
        "by_set": by_set,
        "by_method": by_method,
        "four_times_other_draws": figures(judged, "came_elsewhere"),
        "four_times_three_seeds": figures(of_three),
        "four_times_macro_f1": figures(judge_all(curves, options, group=GROUP, metric="macro_f1")),
        "twice": figures(judge_all(curves, options, group=GROUP, times=2)),
        "classes": judge_classes(curves, options),
        "forecasts": judged,
    }


def table_forecasts(result: Mapping[str, Any]) -> str:
    """Return by set how often the score fell into the interval, and the median errors in points."""
    rows = []
    for name, found in {**result["by_set"], "all": result["four_times"]}.items():
        row = {"data": TITLES.get(name, name), "forecasts": found["forecasts"], "refused": found["refused"]}
        if found["forecasts"]:
            errors = {key: f"{value:.1f}" for key, value in found["median_error_points"].items()}
            row |= {
                "inside 80 % interval": f"{100 * found['inside']:.0f} %",
                "median error": errors["forecast"],
                "'same as now'": errors["same"],
                "line in log n": errors["line"],
            }
        rows.append(row)
    return markdown_table(rows)


def main() -> None:
    """Draw the curves that are not there yet, then forecast, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["test", "train"], default="test", help="texts of which split are scored")
    parser.add_argument("--quick", action="store_true", help="whether all runs: one set, one method, few seeds")
    parser.add_argument("--summary", action="store_true", help="draw nothing, judge by the curves that are there")
    given = parser.parse_args()
    options = Options(quick=given.quick, part=given.part)
    curves = kept(options) if given.summary else draw_all(options)
    result = summarize(curves, options)
    print(table_forecasts(result))
    finish(options.name, {**result, "machine": machine()})


if __name__ == "__main__":
    main()
