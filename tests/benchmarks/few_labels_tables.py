"""Figures and README tables of the benchmark of few labels, from its cells."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fewshot.evaluation.tables import format_score, markdown_table
from tests.benchmarks.few_labels_methods import CONTENDERS, NOT_MEASURED
from tests.benchmarks.few_labels_plan import SETS, SIZES, Case, Cells, Options
from tests.benchmarks.teacher_plan import goal, standard_error, stats
from tests.benchmarks.teacher_tables import NAMES, table_goals

Result = Mapping[str, Any]

PAIRS = {
    "look-up: k tuned, over k = 1": ("knn", "knn-1"),
    "copies, Naive Bayes": ("naive-bayes+augment", "naive-bayes"),
    "copies, linear probe": ("linear-probe+augment", "linear-probe"),
    "copies, SetFit": ("setfit+augment", "setfit"),
    "adapted encoder, fine-tuned": ("adapt+fine-tune", "fine-tune"),
    "adapted encoder, linear probe": ("adapt+linear-probe", "linear-probe"),
    "UDA over fine-tuning": ("uda", "fine-tune"),
    "self-training over fine-tuning": ("self-training", "fine-tune"),
    "zero-shot by similarity: descriptions over names": ("zero-shot-embedding-described", "zero-shot-embedding"),
    "inference: descriptions over names": ("zero-shot-nli-described", "zero-shot-nli"),
}
"""What each method that extends another one is held against."""

GOALS = ("look-up", "copies, Naive Bayes", "adapted encoder, fine-tuned", "UDA", "self-training", "zero-shot")
WITHOUT_TRAINING = tuple(
    name for name in CONTENDERS if name.startswith(("zero-shot-embedding", "naive-bayes", "knn", "linear-probe"))
)
"""Contenders whose encoder stays as it is, which take seconds; an adapted one was trained."""

TITLES = {name: NAMES.get(name, name) for name in SETS} | {
    "go_emotions_8": "GoEmotions, 8 labels",
    "nlbse24_issues": "NLBSE'24 issues",
    "banking77_8": "Banking77, 8 intents",
}


def summarize(cells: Cells, options: Options) -> dict[str, Any]:
    """Return all scores by set, size and contender, paired differences, and what is wanted of them."""
    scores = {name: _of_set(cells, name, options) for name in options.sets()}
    pairs = {title: _difference(cells, *pair, options) for title, pair in PAIRS.items()}
    goals = [
        goal(f"{title}, mean over sets, points", 0.0, None if pair is None else 100 * pair["mean"])
        for title, pair in pairs.items()
        if title.startswith(GOALS)
    ]
    setting = {"encoder": "bundled", "n_test_at_most": options.n_test, "n_unlabeled": options.n_pool}
    return {
        "setting": setting,
        "sets": scores,
        "means": _means(cells, options),
        "pairs": pairs,
        "goals": goals,
        "not_measured": NOT_MEASURED,
    }


def table_means(result: Result) -> str:
    """Return the mean over sets by method and size, in percent; each column over cells that all its methods have."""
    means = result["means"]
    shown = [size for size in map(str, SIZES) if size in means]
    rows = [
        {"method": name, **{_head(size, means): _percent(means[size]["methods"].get(name)) for size in shown}}
        for name in CONTENDERS
        if any(name in means[size]["methods"] for size in shown)
    ]
    rows += [{"method": name, **dict.fromkeys(rows[0], "not measured")} | {"method": name} for name in NOT_MEASURED]
    return markdown_table(rows)


def table_when(result: Result) -> str:
    """Return what is ahead by labels a class: over all methods, and over those that train no encoder."""
    rows = []
    for size, found in ((str(size), result["means"].get(str(size))) for size in SIZES):
        if found is None:
            continue
        ranked = sorted(found["methods"], key=lambda name: -found["methods"][name])
        quick = next((name for name in ranked if name in WITHOUT_TRAINING), "")
        columns = {"ahead": ranked[0], "next": ranked[1], "ahead of those that train no encoder": quick}
        shown = {column: _placed(name, found) for column, name in columns.items()}
        rows.append({"labels a class": size, **shown, "sets": found["sets"]})
    return markdown_table(rows)


def _placed(name: str, found: Mapping[str, Any]) -> str:
    first = found["first"].get(name, 0)
    return f"`{name}` {_percent(found['methods'][name])}" + (f", first on {first}" if first else "")


def table_sets(result: Result) -> str:
    """Return scores by set, method and size, in percent: mean and standard deviation over seeds."""
    rows = []
    for name, sizes in result["sets"].items():
        for contender in CONTENDERS:
            found = {size: sizes[str(size)].get(contender) for size in SIZES if str(size) in sizes}
            if any(found.values()):
                scores = {str(size): _score(found.get(size)) for size in SIZES}
                rows.append({"data": TITLES[name], "method": contender, **scores})
    return markdown_table(rows)


def table_pairs(result: Result) -> str:
    """Return what methods gain over those they extend, in points."""
    rows = []
    for title, pair in result["pairs"].items():
        if pair is None:
            rows.append({"what": title, "points": "not measured"})
            continue
        error = "" if pair["se"] is None else f" ± {100 * pair['se']:.1f}"
        sets = {TITLES[name]: f"{100 * value:+.1f}" for name, value in pair["sets"].items()}
        rows.append({"what": title, "points": f"{100 * pair['mean']:+.1f}{error}", "cells": pair["n"], **sets})
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return markdown_table([{column: row.get(column, "") for column in columns} for row in rows])


def table_inference(result: Result) -> str:
    """Return the speed of zero-shot classification by inference beside transformers' pipeline."""
    rows = []
    for count, found in result["labels"].items():
        for name, rate in found["texts_per_second"].items():
            same = found["agreement"].get(name)
            rows.append(
                {
                    "labels": int(count),
                    "who": name,
                    "texts/s": f"{rate:.1f}",
                    "times the pipeline": f"{found['ratios'][name]:.1f}",
                    "by processor time": f"{found['cpu_ratios'][name]:.1f}",
                    "same answers %": "" if same is None else f"{100 * same['same']:.1f}",
                }
            )
    return markdown_table(rows)


def table_look_up(result: Result) -> str:
    """Return what was wanted of the index of a million vectors, and what was measured."""
    return table_goals({"parts": {"look-up": result}})


def _of_set(cells: Cells, name: str, options: Options) -> dict[str, Any]:
    by_size = {}
    for size in options.sizes(name):
        found = {contender: stats(_values(cells, contender, name, size, options)) for contender in CONTENDERS}
        by_size[str(size)] = {contender: figures for contender, figures in found.items() if figures}
    return by_size


def _by_seed(cells: Cells, contender: str, name: str, size: int, options: Options) -> dict[int, float]:
    cases = {seed: Case(name, size, seed).cell(contender) for seed in options.seeds(name)}
    return {seed: cells[of][SETS[name].metric] for seed, of in cases.items() if of in cells}


def _values(cells: Cells, contender: str, name: str, size: int, options: Options) -> list[float]:
    return list(_by_seed(cells, contender, name, size, options).values())


def _means(cells: Cells, options: Options) -> dict[str, Any]:
    """Return, by size, the means over the sets and the seeds that all contenders have which were run on all sets."""
    by_size: dict[str, Any] = {}
    for size in SIZES:
        sets = [name for name in options.sets() if size in options.sizes(name) and SETS[name].sizes != (0,)]
        if not size:  # the intents of a subset stand for those of the whole: inference is run on no more
            sets = [name for name in options.sets() if name != "banking77"]
        applying = [
            contender
            for contender, row in CONTENDERS.items()
            if size in row.sizes and all(_by_seed(cells, contender, name, size, options) for name in sets)
        ]
        found: dict[str, list[float]] = {}
        for name in sets if applying else ():
            scores = {contender: _by_seed(cells, contender, name, size, options) for contender in applying}
            common = set.intersection(*map(set, scores.values()))
            if common:
                for contender, of in scores.items():
                    found.setdefault(contender, []).append(float(np.mean([of[seed] for seed in common])))
        if found:
            n_sets = len(next(iter(found.values())))
            best = [max(found, key=lambda of, at=at: found[of][at]) for at in range(n_sets)]
            by_size[str(size)] = {
                "sets": n_sets,
                "methods": {of: float(np.mean(few)) for of, few in found.items()},
                "first": {of: best.count(of) for of in found if of in best},
            }
    return by_size


def _difference(cells: Cells, one: str, other: str, options: Options) -> dict[str, Any] | None:
    """Return the mean over sets of paired differences, all sizes and seeds that both have."""
    by_set: dict[str, list[float]] = {}
    for name in options.sets():
        for size in options.sizes(name):
            ours, theirs = (_by_seed(cells, contender, name, size, options) for contender in (one, other))
            by_set.setdefault(name, []).extend(ours[seed] - theirs[seed] for seed in ours if seed in theirs)
    sets = {name: float(np.mean(values)) for name, values in by_set.items() if values}
    if not sets:
        return None
    means = list(sets.values())
    n = sum(map(len, by_set.values()))
    return {"mean": float(np.mean(means)), "se": standard_error(means), "n": n, "sets": sets}


def _head(size: str, means: Mapping[str, Any]) -> str:
    count = means[size]["sets"]
    return f"{size} ({count} set{'s' if count > 1 else ''})"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _score(values: Mapping[str, Any] | None) -> str:
    return "" if values is None else format_score(values["mean"], values["sd"])
