"""Exported classifiers: equality with PyTorch, and what int8 costs and gains.

A linear probe on all-MiniLM-L6-v2, float32, one thread a side. Equality: probabilities and labels of the float32 graph
against PyTorch on the full test set of Banking77. Accuracy: float32 and int8 on three sets, five draws of labels each.
Speed: PyTorch, float32 graph and int8 graph taking turns in one run, from texts to labels. Cold start: a new process
that imports, opens the model and labels one text.

Three more rows where int8 costs something: scales found beforehand (int8-static), a head refitted to int8 vectors, and
students of three layers distilled from the probe on the train texts, with and without rounding (QAT), each against its
own int8 export. They take train texts without labels. What is lost after training through the rounding is held against
the noise of a test set of that size.

Batch size and what to quantize were chosen on train texts of Banking77; the test sets give these figures once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np
import torch

from fewshot import DistillationTrainer, FakeQuantization, LinearProbeClassifier, load_encoder, sample_few_shot
from fewshot.classifiers.exported import ExportedClassifier
from fewshot.compression.onnx_export import export_classifier
from fewshot.compression.torch_quantize import quantize_torch
from fewshot.core.artifacts import folder_bytes
from fewshot.data.texts import TextData
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.evaluation.benchmark import measure_latency, measure_throughput
from tests.benchmarks.common import ROOT, cell, finish, load_split, machine, mean_sd
from tests.benchmarks.teacher_plan import goal

SETS = {"banking77": 8, "clinc150": 8, "ag_news": 16}
"""Labels a class."""

EQUAL_ON = "banking77"
"""On its whole test set the float32 graph is held against PyTorch; speed is measured on its texts."""

SEEDS, ROUNDS, QUICK_TEXTS = 5, 5, 300
POOL, LOOKED_AT, STUDENT_STEPS, QUICK_STEPS = 2000, 500, 150, 20
EXPORTS: dict[str, dict[str, Any]] = {
    "int8": {},
    "int8-refit": {"refit_head": True},
    "int8-static": {"quantize": "int8-static"},
    "int8-static-refit": {"quantize": "int8-static", "refit_head": True},
}
START = """
import sys, time
start = time.perf_counter()
from fewshot import load_classifier
load_classifier(sys.argv[1], device="cpu").predict(["I lost my card"])
print(time.perf_counter() - start)
"""


def in_scope(data: TextData) -> TextData:
    """Leave out texts of no class."""
    return data.select([row for row, label in enumerate(data.labels) if label != "oos"])


def shuffled(data: TextData, n: int) -> TextData:
    """Draw so many texts."""
    return data.select(np.random.default_rng(0).permutation(len(data))[:n])


def probe_of(name: str, seed: int, train: TextData, encoder: Any) -> tuple[Any, TextData]:
    """Return a probe, and the labelled texts that it was fitted on."""
    labeled = train.select(sample_few_shot(train.labels, SETS[name], random_state=seed))
    return LinearProbeClassifier(encoder, random_state=seed).fit(labeled.texts, labeled.labels), labeled


def run_cell(name: str, seed: int, train: TextData, test: TextData, encoder: Any) -> dict[str, Any]:
    """Return the figures of one draw of labels; of the first set those of the graph in float32, too."""
    probe, labeled = probe_of(name, seed, train, encoder)
    with tempfile.TemporaryDirectory() as place:
        models, reports = exports_of(
            probe, labeled, Path(place), ("float32", "int8") if name == EQUAL_ON else ("int8",)
        )
        figures = {"reports": reports, **_accuracy(models, test)}
    print(name, seed, json.dumps(figures), flush=True)
    return figures


def run_speed(train: TextData, test: TextData, encoder: Any) -> dict[str, Any]:
    """Return speed, size and cold start of the first draw of the first set."""
    probe, labeled = probe_of(EQUAL_ON, 0, train, encoder)
    with tempfile.TemporaryDirectory() as place:
        models, _ = exports_of(probe, labeled, Path(place), ("float32", "int8"))
        probe.save(Path(place) / "pytorch")
        folders = {kind: Path(place) / kind for kind in models}
        figures = _speed(models, test.texts) | _size(folders) | _cold_start(folders)
    print("speed", json.dumps(figures), flush=True)
    return figures


def exports_of(
    probe: Any, labeled: TextData, place: Path, kinds: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the probe and its exports by what they are, and what was told of the exports."""
    how: dict[str, dict[str, Any]] = {"float32": {"texts": labeled.texts[:200]}, "int8": {"quantize": "int8"}}
    reports = {
        kind: export_classifier(probe, place / kind, **{"texts": labeled.texts} | how[kind]).report for kind in kinds
    }
    opened = {kind: ExportedClassifier.load(place / kind, threads=1) for kind in kinds}
    return {"pytorch": probe, **opened}, reports


def run_ways(name: str, train: TextData, test: TextData, encoder: Any, *, steps: int) -> dict[str, Any]:
    """Return accuracies of students in float32 and int8, and shares of equal labels; of one set the probe's, too."""
    probe, _ = probe_of(name, 0, train, encoder)
    pool = shuffled(train, POOL).texts
    usual = {"steps": steps, "device": "cpu", "random_state": 0}
    students = {
        "student": DistillationTrainer(probe, "layers:3", **usual).fit(pool).student_,
        "student-qat": DistillationTrainer(probe, "layers:3", quantization=FakeQuantization(), **usual)
        .fit(pool)
        .student_,
    }
    judged = pool[:LOOKED_AT]
    rows = {name: _int8_row(student, judged, test, {"int8": EXPORTS["int8"]}) for name, student in students.items()}
    if name == EQUAL_ON:
        rows["probe"] = _int8_row(probe, judged, test, EXPORTS)
        rows["probe"]["pytorch-int8"] = _held_against(probe, quantize_torch(probe), test)
    print(name, "ways", json.dumps(rows), flush=True)
    return rows


def _int8_row(model: Any, pool: list[str], test: TextData, ways: dict[str, dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for name, options in ways.items():
            made = export_classifier(model, Path(place) / name, texts=pool, **{"quantize": "int8", **options})
            told = {key: made.report[key] for key in ("refit", "calibration") if key in made.report}
            row[name] = _held_against(model, made.classifier, test) | told
    return row


def _held_against(model: Any, reduced: Any, test: TextData) -> dict[str, float]:
    before, after = (np.asarray(one.predict(test.texts)) for one in (model, reduced))
    labels = np.asarray(test.labels)
    was, is_ = before == labels, after == labels
    return {
        **{"n_test": len(test), "float32": float(was.mean()), "int8": float(is_.mean())},
        **{"lost": int((was & ~is_).sum()), "gained": int((is_ & ~was).sum())},
        **{"accuracy_loss": float(was.mean() - is_.mean()), "same_labels": float(np.mean(before == after))},
    }


def _accuracy(models: dict[str, Any], test: TextData) -> dict[str, Any]:
    probabilities = {kind: model.predict_proba(test.texts) for kind, model in models.items()}
    predicted = {kind: models[kind].labels_from(values) for kind, values in probabilities.items()}
    right = {kind: float(np.mean(labels == np.asarray(test.labels))) for kind, labels in predicted.items()}
    equal = {}
    if "float32" in models:
        difference = np.abs(probabilities["pytorch"] - probabilities["float32"]).max()
        same = np.mean(predicted["pytorch"] == predicted["float32"])
        equal = {"float32_difference": float(difference), "float32_same_labels": float(same)}
    return {
        "n_test": len(test),
        "accuracy": right,
        "accuracy_loss": right["pytorch"] - right["int8"],
        "int8_same_labels": float(np.mean(predicted["pytorch"] == predicted["int8"])),
        **equal,
    }


def _speed(models: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """Measure each model for one text and for many, taking turns, one thread each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        calls = {kind: model.predict for kind, model in models.items()}
        turns = [
            {kind: measure_latency(call, texts, n_calls=60)["p50_ms"] for kind, call in calls.items()}
            for _ in range(ROUNDS)
        ]
        speeds = measure_throughput(calls, texts[:1000], rounds=ROUNDS)
    finally:
        torch.set_num_threads(threads)
    latency = {kind: float(np.median([turn[kind] for turn in turns])) for kind in calls}
    return {
        "latency_ms": latency,
        "latency_ratio": float(np.median([turn["pytorch"] / turn["int8"] for turn in turns])),
        "latency_ratio_float32": float(np.median([turn["pytorch"] / turn["float32"] for turn in turns])),
        "texts_per_second": speeds,
        "throughput_ratio": speeds["int8"] / speeds["pytorch"],
        "throughput_ratio_float32": speeds["float32"] / speeds["pytorch"],
    }


def _size(folders: dict[str, Path]) -> dict[str, Any]:
    graphs = {kind: (folders[kind] / "model.onnx").stat().st_size for kind in ("float32", "int8")}
    return {
        "graph_bytes": graphs,
        "folder_bytes": {kind: folder_bytes(folder) for kind, folder in folders.items()},
        "size_ratio": graphs["int8"] / graphs["float32"],
    }


def _cold_start(folders: dict[str, Path]) -> dict[str, Any]:
    """Start each model in a process of its own, in turns."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    seconds: dict[str, list[float]] = {"int8": [], "pytorch": []}
    for _ in range(ROUNDS):
        for kind, values in seconds.items():
            command = [sys.executable, "-c", START, str(folders[kind])]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            values.append(float(done.stdout.splitlines()[-1]))
    medians = {kind: float(np.median(values)) for kind, values in seconds.items()}
    return {"cold_start": medians, "cold_start_seconds": medians["int8"]}


def main() -> None:
    """Run the cells that have no result yet, then write and print the means of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one draw of labels, 300 test texts of each set")
    parser.add_argument("--minutes", type=float, help="begin no draw after so many minutes; speed is measured still")
    given = parser.parse_args()
    torch.set_num_threads(1)
    name = "production_onnx_quick" if given.quick else "production_onnx"
    folder, encoder = ROOT / "runs" / "benchmarks" / name, load_encoder("bundled", device="cpu", precision="float32")
    train, test = (in_scope(load_split(EQUAL_ON, part)) for part in ("train", "test"))
    speed = cell(folder, "speed", lambda: run_speed(train, test, encoder))
    cells, ways = run_draws(folder, encoder, quick=given.quick, minutes=given.minutes)
    finish(name, {"setting": _setting(given.quick), "machine": machine(), **_summary(cells, ways, speed)})


def run_draws(
    folder: Path, encoder: Any, *, quick: bool, minutes: float | None
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, dict[str, Any]]]:
    """Return the draws and the ways of each set, those that are there and those that there was time for."""
    cached = CachedEncoder(encoder, EmbeddingCache())  # PyTorch's vectors are the same for every draw
    steps, start = QUICK_STEPS if quick else STUDENT_STEPS, time.perf_counter()
    cells: dict[str, list[dict[str, Any]]] = {}
    ways: dict[str, dict[str, Any]] = {}
    for data in SETS:
        train, test = in_scope(load_split(data, "train")), in_scope(load_split(data, "test"))
        test = shuffled(test, QUICK_TEXTS if quick else len(test))
        todo = {f"{data}-ways": partial(run_ways, data, train, test, cached, steps=steps)}
        todo |= {
            f"{data}-{seed}": partial(run_cell, data, seed, train, test, cached)
            for seed in range(1 if quick else SEEDS)
        }
        for key, compute in todo.items():
            late = minutes is not None and time.perf_counter() - start > 60 * minutes
            if late and not (folder / f"{key}.json").is_file():
                continue
            found = cell(folder, key, compute)
            if key == f"{data}-ways":
                ways[data] = found
            else:
                cells.setdefault(data, []).append(found)
    return cells, ways


def _setting(quick: bool) -> dict[str, Any]:
    return {"encoder": "all-MiniLM-L6-v2", "labels_per_class": SETS, "threads": 1, "quick": quick, "rounds": ROUNDS}


def noise(row: dict[str, Any]) -> float:
    """Return how many points of accuracy two models differ by, at most, in 95 % of tests if neither is better.

    Of the texts that one of them alone has right, half would be either's: McNemar 1947, "Note on the sampling error of
    the difference between correlated proportions or percentages", Psychometrika 12(2).
    """
    return 196 * float(np.sqrt(row["lost"] + row["gained"])) / row["n_test"]


def beyond_noise(row: dict[str, Any]) -> float:
    """Return by how many points a loss is beyond its noise; below 0, none was shown."""
    return 100 * float(row["accuracy_loss"]) - noise(row)


def _summary(
    cells: dict[str, list[dict[str, Any]]], ways: dict[str, dict[str, Any]], speed: dict[str, Any]
) -> dict[str, Any]:
    equal = cells[EQUAL_ON]
    sets = {
        data: {
            "n_test": rows[0]["n_test"],
            **{kind: mean_sd([row["accuracy"][kind] for row in rows]) for kind in rows[0]["accuracy"]},
            "accuracy_loss": mean_sd([row["accuracy_loss"] for row in rows]),
            "int8_same_labels": mean_sd([row["int8_same_labels"] for row in rows]),
            "ways": ways.get(data),
        }
        for data, rows in cells.items()
    }
    trained = max((one["student-qat"]["int8"] for one in ways.values()), key=beyond_noise)
    lost = max(row["accuracy_loss"]["mean"] for row in sets.values())
    goals = [
        goal(
            "float32 graph: largest difference from PyTorch",
            1e-4,
            max(row["float32_difference"] for row in equal),
            at_most=True,
        ),
        goal("float32 graph: share of the same labels", 1.0, min(row["float32_same_labels"] for row in equal)),
        goal("int8: times PyTorch's latency of one text", 6.0, speed["latency_ratio"]),
        goal("int8: times PyTorch's texts/s", 2.0, speed["throughput_ratio"]),
        goal(f"int8: points of accuracy lost, worst of {len(sets)} sets", 0.5, 100 * lost, at_most=True),
        goal(
            f"int8 after training through its rounding: points lost, worst of {len(ways)} sets, within noise",
            noise(trained),
            100 * trained["accuracy_loss"],
            at_most=True,
        ),
        goal("int8: share of the size", 0.26, speed["size_ratio"], at_most=True),
        goal("int8: cold start, s", 1.0, speed["cold_start_seconds"], at_most=True),
    ]
    return {"goals": goals, "sets": sets, "speed": speed, "reports": equal[0]["reports"]}


if __name__ == "__main__":
    main()
