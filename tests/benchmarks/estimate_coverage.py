"""Whether the interval of an estimated score holds: how often it contains the accuracy on the test split.

``python -m tests.benchmarks.estimate_coverage [--set S]... [--method M]... [--size N]... [--quick] [--minutes M]
[--summary]``

A draw is a few-shot sample of a train split: so many texts of each class. Its labels alone give the estimate, by
``estimate_score`` with its defaults; a classifier trained on all of them is scored on the test split. A cell of 20
draws is a file, so that what a kill leaves is not run again.

The labels are balanced by design, and the estimate is for their balance: it is held against the mean recall on the
test texts (``truth``). In Emotion and TREC the classes are not balanced. There a second estimate is given 1,000
unlabelled texts of the train split; both are held against the recalls weighted as the classes occur among these
(``world_truth``). The test has an error of its own: ``covered_beside_test_noise`` is the share of draws in which the
interval holds if it is widened by that.

Train and test splits need not be alike, and no estimate from train texts knows by how much: ``rest_truth`` is the mean
recall on up to 3,000 train texts that were not drawn, which are.

The recipe was chosen on texts of train splits (seeds 100 to 199); test splits give these figures once, from seeds that
nothing was looked at with (200 on). The whole test split is scored: of 1,000 texts of 77 classes one would not know
the truth to much less than the interval's own width.
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from fewshot import (
    KNNClassifier,
    LinearProbeClassifier,
    NaiveBayesClassifier,
    load_encoder,
    sample_few_shot,
    training_slices,
)
from fewshot.data.texts import TextData
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.evaluation.estimates.estimate import Estimate, estimate_score
from fewshot.evaluation.metrics import scores_per_label
from fewshot.evaluation.tables import markdown_table
from tests.benchmarks.common import ROOT, cell, finish, load_split, machine
from tests.benchmarks.few_labels_plan import SETS as EMBEDDED_SETS

SETS = ("ag_news", "emotion", "trec", "banking77")
SIZES = (8, 16, 32)
UNBALANCED = ("emotion", "trec")
BLOCK = 20
FIRST_SEED = 200
METHODS = ("naive-bayes", "knn", "linear-probe")
DRAWS, DRAWS_OF_PROBES = 200, 40
"""A linear probe takes a hundred times as long as the others: it has fewer draws, of the small tasks alone."""

N_POOL, N_REST = 1000, 3000
Z = statistics.NormalDist().inv_cdf(0.95)


def n_draws(method: str, name: str, size: int) -> int:
    """Return how many draws a cell has."""
    if method != "linear-probe":
        return DRAWS
    return DRAWS_OF_PROBES if name != "banking77" and size < SIZES[-1] else 0


def folder(quick: bool) -> Any:
    """Return the folder of cells."""
    return ROOT / "runs" / "benchmarks" / ("estimate_coverage_quick" if quick else "estimate_coverage")


@cache
def encoder() -> Encoder:
    """Return the encoder of all; vectors that the benchmark ``few_labels`` made are used where they are there."""
    return CachedEncoder(
        load_encoder("bundled"), EmbeddingCache(ROOT / "runs" / "benchmarks" / "estimate_coverage" / "vectors")
    )


def makers(method: str, seed: int) -> Callable[[], Any]:
    """Return what makes fresh classifiers of a method."""
    return {
        "naive-bayes": NaiveBayesClassifier,
        "knn": lambda: KNNClassifier(encoder()),
        "linear-probe": lambda: LinearProbeClassifier(encoder(), random_state=seed),
    }[method]


@cache
def texts_of(name: str, embedded: bool) -> tuple[TextData, TextData, TextData]:
    """Return texts to draw labels from, test texts and a pool.

    Methods with an encoder draw from the texts that the benchmark ``few_labels`` draws, whose vectors are there.
    """
    train, test = load_split(name, "train"), load_split(name, "test")
    every = once(train, set(test.texts))
    order = np.random.default_rng(0).permutation(len(every))[: N_POOL if name in UNBALANCED else 0]
    labeled = once(train.select(few_labels_rows(name, train)), set(test.texts)) if embedded else every
    return labeled, test, every.select(order)


def once(data: TextData, left_out: set[str]) -> TextData:
    """Return each text once, save those that are left out."""
    first = {text: row for row, text in reversed(list(enumerate(data.texts)))}
    return data.select(sorted(row for text, row in first.items() if text.strip() and text not in left_out))


def few_labels_rows(name: str, train: TextData) -> list[int]:
    """Return the rows of the largest slices of the benchmark ``few_labels``."""
    task = EMBEDDED_SETS[name]
    slices = [training_slices(train.labels, task.sizes[-1:], random_state=seed) for seed in range(task.seeds)]
    return sorted({int(row) for slice_ in slices for rows in slice_.values() for row in rows})


def run_block(name: str, method: str, size: int, seeds: Sequence[int]) -> dict[str, Any]:
    """Return what some draws come to."""
    start = time.perf_counter()
    return {
        "draws": [run_draw(name, method, size, seed) for seed in seeds],
        "seconds": time.perf_counter() - start,
        "load": os.getloadavg()[0],
    }


def run_draw(name: str, method: str, size: int, seed: int) -> dict[str, Any]:
    """Estimate from the labels of one draw, and score on the test split what all of them train."""
    train, test, pool = texts_of(name, method != "naive-bayes")
    drawn = train.select(sample_few_shot(train.labels, size, random_state=seed, allow_fewer=True))
    make = makers(method, seed)
    fitted = make().fit(drawn.texts, drawn.labels)
    recall, n, judged = recalls_of(fitted, test)
    labels = {"": drawn.labels, "world_": pool.labels or test.labels}
    found: dict[str, Any] = {"n": len(drawn)} | of_estimate(estimate_score(make, drawn.texts, drawn.labels), "")
    for prefix, some in labels.items():
        found |= truth_of(recall, n, np.array([some.count(label) for label in judged]) / len(some), prefix)
    recall, n, judged = recalls_of(fitted, rest_of(train, drawn, seed))
    found |= truth_of(recall, n, np.array([drawn.labels.count(label) for label in judged]) / len(drawn), "rest_")
    if len(pool):
        told = estimate_score(make, drawn.texts, drawn.labels, pool=pool.texts)
        found |= of_estimate(told, "pool_") | {"pool_told": told.class_shares is not None}
    return found


def rest_of(train: TextData, drawn: TextData, seed: int) -> TextData:
    """Return some texts of the train split that were not drawn."""
    known = set(drawn.texts)
    rows = [row for row, text in enumerate(train.texts) if text not in known]
    return train.select(sorted(np.random.default_rng(seed).permutation(rows)[:N_REST]))


def recalls_of(fitted: Any, data: TextData) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """Return recall, number of texts and name of every class that has texts."""
    scores = scores_per_label(data.labels, list(fitted.predict(data.texts)), multi_label=False)
    judged = {label: of for label, of in scores.items() if of["n"]}
    recall, n = (np.array([of[key] for of in judged.values()], dtype=float) for key in ("recall", "n"))
    return recall, n, list(judged)


def of_estimate(estimate: Estimate, prefix: str) -> dict[str, float]:
    """Return the figures of an estimate."""
    return {prefix + name: getattr(estimate, name) for name in ("value", "low", "high")}


def truth_of(recall: np.ndarray, n: np.ndarray, balance: np.ndarray, prefix: str) -> dict[str, float]:
    """Return accuracy in a balance of the classes, and its standard error on the test texts."""
    balance = balance / balance.sum()  # classes without a test text are in no figure
    variance = (balance**2 * recall * (1 - recall) / n).sum()
    return {f"{prefix}truth": float(balance @ recall), f"{prefix}test_error": float(np.sqrt(variance))}


def summary_of(draws: Sequence[dict[str, Any]], estimate: str = "", truth: str = "") -> dict[str, float]:
    """Return how often the interval holds, how far off the estimate is and how wide the interval."""
    value, low, high = (np.array([draw[estimate + name] for draw in draws]) for name in ("value", "low", "high"))
    true, noise = (np.array([draw[truth + name] for draw in draws]) for name in ("truth", "test_error"))
    below, above = (np.sqrt(side**2 + (Z * noise) ** 2) for side in (value - low, high - value))
    return {
        "n_draws": len(draws),
        "covered": float(((low <= true) & (true <= high)).mean()),
        "covered_beside_test_noise": float(((value - below <= true) & (true <= value + above)).mean()),
        "true_above": float((true > high).mean()),
        "true_below": float((true < low).mean()),
        "truth": float(true.mean()),
        "bias": float((value - true).mean()),
        "root_mean_square_error": float(np.sqrt(((value - true) ** 2).mean())),
        "half_width": float((high - low).mean() / 2),
        "test_error": float(noise.mean()),
    }


def summarize(cells: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return one row a cell, and all of them together."""
    rows = []
    for name, draws in cells.items():
        method, of, size = name.split("/")
        row = {
            "method": method,
            "set": of,
            "size": int(size),
            **summary_of(draws),
            "beside_rest": summary_of(draws, "", "rest_"),
        }
        if of in UNBALANCED:
            row["without_pool"] = summary_of(draws, "", "world_")
            row["with_pool"] = summary_of(draws, "pool_", "world_")
            row["pool_told"] = float(np.mean([draw["pool_told"] for draw in draws]))
        rows.append(row)
    every = [draw for draws in cells.values() for draw in draws]
    sets = {}
    for method in METHODS:
        for of in SETS:
            some = [draw for name, draws in cells.items() if name.startswith(f"{method}/{of}/") for draw in draws]
            if some:
                sets[f"{method}/{of}"] = of_all(some)
    return {"rows": rows, "sets": sets, "all": of_all(every) if every else {}}


def of_all(draws: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the summary of draws of many cells."""
    return {**summary_of(draws), "beside_rest": summary_of(draws, "", "rest_")}


def table_coverage(result: Mapping[str, Any]) -> str:
    """Return how often intervals held, one row a data set and method and one for all."""
    named = {**{name.replace("/", ", "): of for name, of in result["sets"].items()}, "all": result["all"]}
    rows = [
        {
            "method, data": name,
            "draws": of["n_draws"],
            "held": f"{100 * of['covered']:.0f} %",
            "held on train texts not drawn": f"{100 * of['beside_rest']['covered']:.0f} %",
            "half width, points": f"{100 * of['half_width']:.1f}",
            "estimate minus score, points": f"{100 * of['bias']:+.1f}",
        }
        for name, of in named.items()
    ]
    return markdown_table(rows)


def main() -> None:
    """Run what is asked for and not there yet, then write and print the summary of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=SETS, help="only this set; may be given again")
    parser.add_argument("--method", action="append", choices=METHODS, help="only this; may be given again")
    parser.add_argument("--size", action="append", type=int, choices=SIZES, help="only this; may be given again")
    parser.add_argument("--quick", action="store_true", help="whether all runs: one set, one size, two draws")
    parser.add_argument("--minutes", type=float, help="begin no block of draws after so many minutes")
    parser.add_argument("--summary", action="store_true", help="run nothing, sum up the blocks that are there")
    given = parser.parse_args()
    sets, sizes = (("trec",), (8,)) if given.quick else (SETS, SIZES)
    block = 2 if given.quick else BLOCK
    begun = time.perf_counter()
    cells: dict[str, list[dict[str, Any]]] = {}
    missing = []
    # Block by block: a run that is cut short has some draws of every cell.
    for first in range(0, block if given.quick else DRAWS, block):
        for method, size, name in itertools.product(METHODS, sizes, sets):
            if first >= n_draws(method, name, size):
                continue
            asked = all(
                not some or one in some for one, some in ((name, given.set), (method, given.method), (size, given.size))
            )
            late = given.minutes is not None and time.perf_counter() - begun > 60 * given.minutes
            seeds = range(FIRST_SEED + first, FIRST_SEED + first + block)
            key = f"{method}-{name}-{size}-{seeds[0]}"
            if (folder(given.quick) / f"{key}.json").is_file() or (asked and not late and not given.summary):
                found = cell(folder(given.quick), key, partial(run_block, name, method, size, seeds))
                cells.setdefault(f"{method}/{name}/{size}", []).extend(found["draws"])
                print(key, {k: round(v, 3) for k, v in summary_of(found["draws"]).items()}, flush=True)
            else:
                missing.append(key)
    name = "estimate_coverage_quick" if given.quick else "estimate_coverage"
    finish(name, {**summarize(cells), "missing": missing, "machine": machine()})


if __name__ == "__main__":
    main()
