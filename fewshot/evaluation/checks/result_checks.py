"""Checks of the results of a comparison: whether they tell methods apart, or chance, choice and labels."""

from collections import Counter
from typing import Any

import numpy as np

from fewshot.data.texts import TextData
from fewshot.evaluation.checks.findings import CannotTellError, Check, Evidence, Found, cut, told
from fewshot.evaluation.metrics import score_labels
from fewshot.evaluation.statistics.summary import summarize, with_names

LEAST_METHODS = 3
"""From so many methods on it says something that all of them contradict a label."""

NOTABLE = 0.005
"""Half a point: gains by choosing below it are no matter."""

RESAMPLES = 500


def _below_constant(evidence: Evidence) -> Found | None:
    metric = "micro_f1" if evidence.test.multi_label else "accuracy"
    constant, floor = _best_constant(evidence.test, metric)
    below = [
        {"method": row["name"], "slice": row["slice"], metric: round(100 * row[f"{metric}_mean"], 1)}
        for row in with_names(summarize(evidence.finished()))
        if row[f"{metric}_mean"] < floor
    ]
    if not below:
        return None
    names = ", ".join(dict.fromkeys(str(row["method"]) for row in below))
    text = (
        f"{names}: at some size worse than the answer {constant!r} to every text, which gets {100 * floor:.1f} % "
        f"({metric.replace('_', ' ')}); that is no method to choose there"
    )
    return text, below


def _best_constant(test: TextData, metric: str) -> tuple[str, float]:
    """Return the class that is best given to every text, and its score."""
    counts = Counter(name for label in test.labels for name in (label if test.multi_label else (label,)))
    name = counts.most_common(1)[0][0] if counts else ""
    said = [(name,) if test.multi_label else name] * len(test)
    return str(name), score_labels(test.labels, said, multi_label=test.multi_label)[metric]


def _chosen_on_test(evidence: Evidence) -> Found | None:
    by_method = _right_by_name(evidence)
    if len(by_method) < 2:
        raise CannotTellError("fewer than two methods have finished")
    # A method with two encoders is two to choose from.
    right = np.array(list(by_method.values()))
    weights = np.random.default_rng(evidence.random_state).multinomial(
        right.shape[1], np.full(right.shape[1], 1 / right.shape[1]), size=RESAMPLES
    )
    gain = float((right @ weights.T / right.shape[1]).max(axis=0).mean() - right.mean(axis=1).max())
    if gain < NOTABLE:
        return None
    text = (
        f"the best of {len(by_method)} methods was found on the {len(evidence.test):,} test texts of its score: "
        f"on new texts expect about {100 * gain:.1f} points less than the best score here (bootstrap)"
    )
    scores = [{"method": name, "accuracy": round(100 * float(row.mean()), 1)} for name, row in by_method.items()]
    return text, sorted(scores, key=lambda line: -line["accuracy"])


def _right_by_name(evidence: Evidence) -> dict[str, np.ndarray]:
    """Return, at the largest slice, how often each method is right on each test text, over its seeds."""
    found: dict[str, list[np.ndarray]] = {}
    for row, said in evidence.named_answers():
        right = [_same(one, true) for one, true in zip(said, evidence.test.labels, strict=True)]
        found.setdefault(row["name"], []).append(np.array(right, dtype=float))
    return {name: np.mean(rows, axis=0) for name, rows in found.items()}


def _within_noise(evidence: Evidence) -> Found | None:
    lines, sizes = [], sorted({row["slice"] for row in evidence.finished()})
    summary = with_names(summarize(evidence.finished()))
    if not any(row["n_seeds"] > 1 for row in summary):
        raise CannotTellError("one seed: nothing is known of how much scores change from draw to draw; take --seeds 5")
    for size in sizes:
        first, *rest = sorted((row for row in summary if row["slice"] == size), key=lambda row: -row["macro_f1_mean"])
        if not rest:
            continue
        ahead = first["macro_f1_mean"] - rest[0]["macro_f1_mean"]
        sd = max(first["macro_f1_sd"] or 0.0, rest[0]["macro_f1_sd"] or 0.0)
        if ahead < sd:
            lines.append(
                {
                    "slice": size,
                    "first": first["name"],
                    "second": rest[0]["name"],
                    "ahead by": round(100 * ahead, 1),
                    "sd over seeds": round(100 * sd, 1),
                }
            )
    if not lines:
        return None
    where = ", ".join(str(line["slice"]) for line in lines)
    text = (
        f"at slice {where} the best method is ahead of the next by less than scores vary from draw to draw (macro F1)"
    )
    return text, lines


def _doubtful_labels(evidence: Evidence) -> Found | None:
    answers = evidence.answers
    methods = {row["method"] for row, _ in answers}
    if len(methods) < LEAST_METHODS:
        raise CannotTellError(f"fewer than {LEAST_METHODS} methods have finished")
    lines = []
    for number, true in enumerate(evidence.test.labels):
        said = [answer[number] for _, answer in answers]
        if not _same(said[0], true) and all(_same(one, said[0]) for one in said):
            lines.append(
                {
                    "row": evidence.test.rows[number],
                    "text": cut(evidence.test.texts[number]),
                    "label": told(true),
                    "every method says": told(said[0]),
                }
            )
    if not lines:
        return None
    text = (
        f"{len(lines):,} of {len(evidence.test):,} test texts have a label that all {len(methods)} methods contradict, "
        "with every seed and with one and the same answer: look whether the labels are right"
    )
    return text, lines


def _failures(evidence: Evidence) -> Found | None:
    failed = [row for row in with_names(evidence.rows) if row["status"] == "failed"]
    if not failed:
        return None
    counts = Counter((row["name"], row["error"]) for row in failed)
    lines = [{"method": method, "cells": n, "error": error} for (method, error), n in counts.most_common()]
    return f"{len(failed)} of {len(evidence.rows)} cells failed; the others stand, and means are over those", lines


def _same(one: Any, other: Any) -> bool:
    """Whether two answers are the same; the order of several labels says nothing."""
    if isinstance(other, tuple):
        return set(one) == set(other)
    return bool(one == other)


OF_RESULTS = (
    Check(103, "Is a method worse than one answer for all?", _below_constant),
    Check(105, "How much of the best score is choosing?", _chosen_on_test),
    Check(106, "Is the best ahead by more than chance?", _within_noise),
    Check(107, "Do all methods contradict a label?", _doubtful_labels),
    Check(110, "Did cells fail?", _failures),
)
