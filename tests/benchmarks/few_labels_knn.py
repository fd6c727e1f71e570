"""Look-up among a million vectors: queries a second and recall of the approximate index, against comparing all.

``python -m tests.benchmarks.few_labels_knn [--quick]``

The vectors are those of real texts (train splits of short-text sets, by ``bundled``), each taken several times with
noise. The queries are other texts of the same sets, without noise. Both sides get batches of queries, on two threads;
comparing all is FAISS's flat index on a part of the queries. The sides take turns, and each figure is the median of its
rounds. The settings of the index were chosen on the tuning queries, whose scores are in the results too; the figures
come from others. ``hnsw`` is FAISS's graph on a part of the rows: what it would take instead.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fewshot import load_encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.heads import cells
from fewshot.heads.index import VectorIndex
from fewshot.heads.vectors import unit_rows
from tests.benchmarks.common import finish, load_split, machine
from tests.benchmarks.teacher_plan import goal

SETS = ("banking77", "clinc150", "cr", "emotion", "go_emotions", "sst2", "sst5", "trec")
THREADS = 2
K = 10
NOISE = 0.25
"""Length of the noise that is added to a vector of length 1."""

QUERIES = 2_000
TEXTS_AT_ONCE = 2_000
ROUNDS = 5
GRAPH_ROWS = 50_000
WANTED = {"queries": 2_000.0, "recall": 0.95, "speedup": 20.0, "gigabytes": 6.0}


def read_vectors(n_texts: int) -> np.ndarray:
    """Return the vectors of ``n_texts`` different texts, in random order."""
    texts = list(dict.fromkeys(text for name in SETS for text in load_split(name, "train").texts))
    chosen = np.random.default_rng(0).permutation(len(texts))[:n_texts]
    encoder = CachedEncoder(load_encoder("bundled", device="cpu"), EmbeddingCache())
    for start in range(0, n_texts, TEXTS_AT_ONCE):  # what is embedded stays embedded if the script is stopped
        encoder.encode([texts[row] for row in chosen[start : start + TEXTS_AT_ONCE]])
    return unit_rows(encoder.encode([texts[row] for row in chosen])).astype(np.float32)


def multiply(base: np.ndarray, n: int) -> np.ndarray:
    """Return ``n`` vectors of length 1: those of ``base`` in turn, each time with other noise."""
    rng = np.random.default_rng(1)
    X = np.empty((n, base.shape[1]), dtype=np.float32)
    for start in range(0, n, 50_000):
        rows = np.arange(start, min(n, start + 50_000)) % len(base)
        noise = rng.standard_normal((len(rows), base.shape[1]), dtype=np.float32)
        X[start : start + len(rows)] = unit_rows(base[rows] + NOISE / base.shape[1] ** 0.5 * noise)
    return X


def recall(found: np.ndarray, right: np.ndarray) -> float:
    """Return the share of the true neighbours that were found."""
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), right.tolist(), strict=True)]))


def seconds(call: Callable[[], Any]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def gigabytes() -> float:
    """Return the most memory that this process has had, in units of 10⁹ bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measure(X: np.ndarray, tuning: np.ndarray, queries: np.ndarray, n_exact: int) -> dict[str, Any]:
    """Build the index and time both sides."""
    import faiss

    start = time.perf_counter()
    index = VectorIndex(X, kind="approximate")
    built = {"seconds": time.perf_counter() - start, "cells": len(index.cells.centers), "gigabytes": gigabytes()}
    exact = VectorIndex(X, kind="exact")
    right = exact.search(queries, K)[1]
    few = queries[:n_exact]

    def compare_all() -> None:
        faiss.knn(few, X, K, metric=faiss.METRIC_INNER_PRODUCT)

    rounds = [
        {"exact": n_exact / seconds(compare_all), "index": len(queries) / seconds(lambda: index.search(queries, K))}
        for _ in range(ROUNDS)
    ]
    rates = {side: float(np.median([rates[side] for rates in rounds])) for side in ("exact", "index")}
    return {
        "build": built,
        "rounds": rounds,
        "queries_per_second": rates,
        "speedup": rates["index"] / rates["exact"],
        "recall": recall(index.search(queries, K)[1], right),
        "tuning": tune(index, tuning, exact.search(tuning, K)[1]),
        "gigabytes": gigabytes(),
    }


def tune(index: VectorIndex, tuning: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Return speed and recall on the tuning queries by how many cells are looked into."""
    found = []
    for n_cells in (16, 32, 64, 128, 256):
        index.cells.look_into(n_cells)
        rate = len(tuning) / seconds(lambda: index.search(tuning, K))
        share = recall(index.search(tuning, K)[1], right)
        found.append({"cells": n_cells, "queries_per_second": rate, "recall": share})
    index.cells.look_into(cells.CELLS_TO_LOOK_INTO)
    return found


def measure_graph(X: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """Build a graph of the first rows by one thread, which alone gives the same graph each time, and by all."""
    import faiss

    part = np.ascontiguousarray(X[:GRAPH_ROWS])
    right = VectorIndex(part, kind="exact").search(queries, K)[1]
    found: dict[str, Any] = {"rows": len(part), "build_seconds": {}}
    for threads in (1, THREADS):
        graph = faiss.IndexHNSWFlat(X.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = 80
        faiss.omp_set_num_threads(threads)
        found["build_seconds"][threads] = seconds(lambda graph=graph: graph.add(part))
    for depth in (32, 64, 128):
        graph.hnsw.efSearch = depth
        rate = len(queries) / seconds(lambda: graph.search(queries, K))
        found[f"efSearch {depth}"] = {
            "queries_per_second": rate,
            "recall": recall(graph.search(queries, K)[1], right),
        }
    start = time.perf_counter()
    index = VectorIndex(part, kind="approximate")
    found["cells_build_seconds"] = time.perf_counter() - start
    found["cells_queries_per_second"] = len(queries) / seconds(lambda: index.search(queries, K))
    found["cells_recall"] = recall(index.search(queries, K)[1], right)
    return found


def run(n: int, n_texts: int, n_exact: int) -> dict[str, Any]:
    """Return all figures of one size."""
    import faiss

    faiss.omp_set_num_threads(THREADS)
    base = read_vectors(n_texts + 2 * QUERIES)
    tuning, queries, base = base[:QUERIES], base[QUERIES : 2 * QUERIES], base[2 * QUERIES :]
    X = multiply(base, n)
    found = measure(X, tuning, queries, n_exact)
    rates = found["queries_per_second"]
    goals = [
        goal("queries a second", WANTED["queries"], rates["index"]),
        goal(f"recall@{K}", WANTED["recall"], found["recall"]),
        goal("times as fast as comparing all", WANTED["speedup"], found["speedup"]),
        goal("GB of memory", WANTED["gigabytes"], found["gigabytes"], at_most=True),
    ]
    setting = {"rows": n, "texts": len(base), "dimension": X.shape[1], "noise": NOISE, "threads": THREADS, "k": K}
    chosen = {"cells_to_look_into": cells.CELLS_TO_LOOK_INTO, "candidates": cells.CANDIDATES}
    return {"setting": setting | chosen, **found, "hnsw": measure_graph(X, queries), "goals": goals}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60,000 rows of 2,000 texts, to see whether it runs")
    quick = parser.parse_args().quick
    found = run(60_000, 2_000, 500) if quick else run(1_000_000, 40_000, 500)
    finish("few_labels_knn_quick" if quick else "few_labels_knn", {**found, "quick": quick, "machine": machine()})


if __name__ == "__main__":
    main()
