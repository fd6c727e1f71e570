"""What a model costs in production: CLINC150 with its out-of-scope class, all 150 intents and ``oos``.

``python -m tests.benchmarks.production_models [--quick] [--seeds N]``

A probe on the bundled encoder and a fine-tuned one learn from the whole train split (the latter stops early on the
validation split). From the fine-tuned one a student of three layers is distilled, then all of its tokens that the pool
never uses are dropped, then its graph is rounded to int8; the teacher's own graph is rounded, too. From the probe two
token tables are distilled, on its answers alone. The train texts are the pool. Naive Bayes is the floor. Accuracy: mean
over seeds on the whole test split. Speed, size and memory: ``benchmark_models`` on the models of the first seed, taking
turns in one run; the first model, with which all are compared, is the fine-tuned teacher.

``--quick`` trains on 200 texts of ten intents and ``oos``, for a few steps: it shows that all parts run, no figures.
What a kill leaves under ``runs/benchmarks`` is not trained again.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from fewshot import (
    DistillationTrainer,
    FineTunedClassifier,
    LinearProbeClassifier,
    LogitDistillationTrainer,
    NaiveBayesClassifier,
    load_classifier,
    trim_classifier,
)
from fewshot.compression.onnx_export import export_classifier
from fewshot.data.texts import TextData
from fewshot.recipes.benchmarking import benchmark_models
from fewshot.recipes.rungs import FREQUENT
from tests.benchmarks.common import RESULTS, ROOT, cell, finish, load_split, machine, mean_sd
from tests.benchmarks.production_tables import goals_of_models

DATA = "clinc150"
MODELS = (
    *("fine-tuned", "fine-tuned int8", "layers:3", "layers:3 trimmed", "layers:3 trimmed int8"),
    *("probe", "static", "static:words", "naive-bayes"),
)
"""In the order in which they are made: each after what it is made from."""

TEACHER, SMALL, FASTEST = "fine-tuned", "layers:3 trimmed int8", "static:words"

QUICK_INTENTS, QUICK_TEXTS, QUICK_STEPS = 10, 200, 5


def load_task(quick: bool) -> dict[str, TextData]:
    """Return the splits; quick ones hold 200 texts of ten intents and ``oos``."""
    splits = {name: load_split(DATA, name) for name in ("train", "validation", "test")}
    if not quick:
        return splits
    kept = {*sorted(set(splits["train"].labels) - {"oos"})[:QUICK_INTENTS], "oos"}
    return {name: _part(split, kept) for name, split in splits.items()}


def _part(split: TextData, kept: set[Any]) -> TextData:
    rows = [row for row, label in enumerate(split.labels) if label in kept]
    drawn = np.random.default_rng(0).permutation(rows)[:QUICK_TEXTS]
    return split.select(np.sort(drawn))


def train_model(name: str, task: dict[str, TextData], seed: int, folder: Path, quick: bool) -> Any:
    """Train one model; students find their teachers in ``folder``."""
    train, validation = task["train"], task["validation"]
    steps = {"steps": QUICK_STEPS} if quick else {}
    gold = train.texts, train.labels

    def teacher(kind: str) -> Any:
        return load_classifier(folder / kind)

    makers: dict[str, Callable[[], Any]] = {
        "fine-tuned": lambda: FineTunedClassifier("bundled", random_state=seed, **steps).fit(
            *gold, validation=(validation.texts, validation.labels)
        ),
        "probe": lambda: LinearProbeClassifier("bundled", random_state=seed).fit(*gold),
        "naive-bayes": lambda: NaiveBayesClassifier().fit(*gold),
        "layers:3": lambda: (
            LogitDistillationTrainer(teacher("fine-tuned"), "layers:3", random_state=seed, **steps)
            .fit(train.texts, *gold)
            .student_
        ),
    }
    makers["layers:3 trimmed"] = lambda: trim_classifier(teacher("layers:3"), train.texts, n_frequent=FREQUENT)
    for kind in ("static", "static:words"):
        makers[kind] = lambda kind=kind: (
            DistillationTrainer(teacher("probe"), kind, random_state=seed, **steps).fit(train.texts).student_
        )
    return makers[name]()


def run_seed(seed: int, task: dict[str, TextData], folder: Path, quick: bool) -> dict[str, float]:
    """Train all models of a seed into ``folder``, and return their accuracies on the test split."""
    accuracies = {}
    for name in MODELS:
        if not (folder / name).is_dir():
            if name.endswith(" int8"):
                original = load_classifier(folder / name.removesuffix(" int8"), device="cpu")
                export_classifier(original, folder / name, quantize="int8", texts=task["train"].texts[:1000])
            else:
                train_model(name, task, seed, folder, quick).save(folder / name)
        accuracies[name] = load_classifier(folder / name).score(task["test"].texts, task["test"].labels)
        print(f"seed {seed} {name}: {accuracies[name]:.4f}", flush=True)
    return accuracies


def main() -> None:
    """Train, measure, write ``results/production_models.json``, print it as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 texts and a few steps, no figures")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    name = "production_models_quick" if options.quick else "production_models"
    folder, task = ROOT / "runs" / "benchmarks" / name, load_task(options.quick)
    seeds = range(1 if options.quick else options.seeds)
    accuracies = [
        cell(folder, f"seed-{seed}", lambda seed=seed: run_seed(seed, task, folder / f"models-{seed}", options.quick))
        for seed in seeds
    ]
    measured = benchmark_models(
        {model: folder / "models-0" / model for model in MODELS},
        task["test"],
        out=folder / "out",
        **({"seconds": 2, "rounds": 2, "cold_starts": 1} if options.quick else {"seconds": 30}),
    )
    print(measured.table(), flush=True)
    if not options.quick:
        measured.plot(RESULTS / f"{name}.png")
    accuracy = {model: mean_sd([found[model] for found in accuracies]) for model in MODELS}
    result = {
        "data": {name: len(split) for name, split in task.items()},
        "seeds": list(seeds),
        "accuracy": accuracy,
        "benchmark": measured.facts() | {"sources": {}, "data": measured.data | {"source": f"{DATA}/test"}},
        "headline": measured.headline(),
        "goals": goals_of_models({row["model"]: row for row in measured.rows}, accuracy, TEACHER, SMALL, FASTEST),
        **machine(),
    }
    finish(name, result)


if __name__ == "__main__":
    main()
