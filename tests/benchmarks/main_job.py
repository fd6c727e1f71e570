"""The main job on AG News: 16 labels a class, 2,000 unlabelled texts, the full test set, five seeds.

Accuracy of the teacher and of two students before and after distillation; texts per second and size of each; and, on
test texts, the correlation of student and teacher cosines. Speed: float32, one thread, the models alternating in one
run. *Before*: the student as cut from the teacher, with a linear probe on the same 64 labels.

Settings were chosen on texts of the train split; the test split gives these figures once.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np
import torch

from fewshot import (
    DistillationTrainer,
    LinearProbeClassifier,
    SetFitClassifier,
    build_student,
    load_classifier,
    sample_few_shot,
)
from fewshot.core.artifacts import folder_bytes
from fewshot.data.texts import TextData
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.evaluation.benchmark import measure_throughput
from fewshot.evaluation.metrics import cosine_correlation
from tests.benchmarks.common import ROOT, cell, finish, load_split, machine, mean_sd

STUDENTS = ("layers:3", "static")
PER_CLASS, N_POOL, N_CORRELATION = 16, 2000, 2000


def run_seed(seed: int, train: TextData, test: TextData) -> dict[str, Any]:
    """Return the figures of one seed."""
    rows = sample_few_shot(train.labels, PER_CLASS, random_state=seed)
    labeled = train.select(rows)
    others = np.setdiff1d(np.arange(len(train)), rows)
    pool = train.select(np.random.default_rng(seed).choice(others, N_POOL, replace=False)).texts
    teacher = SetFitClassifier("bundled", random_state=seed).fit(labeled.texts, labeled.labels)
    models: dict[str, Any] = {"teacher": teacher}
    figures: dict[str, Any] = {}
    for student in STUDENTS:
        bare = build_student(teacher.encoder_, student)
        before = LinearProbeClassifier(bare, random_state=seed).fit(labeled.texts, labeled.labels)
        trainer = DistillationTrainer(teacher, student, random_state=seed)
        models[f"{student} before"] = before
        models[f"{student} distilled"] = trainer.fit(pool, labeled.texts, labeled.labels).student_
    some = np.random.default_rng(seed).choice(len(test), min(N_CORRELATION, len(test)), replace=False)
    held_out = [test.texts[i] for i in some]
    reference = teacher.encoder_.encode(held_out)
    for name, model in models.items():
        figures[name] = {"accuracy": model.score(test.texts, test.labels)}
        if name != "teacher":
            figures[name]["cosine_correlation"] = cosine_correlation(reference, model.encoder_.encode(held_out))
        print(f"seed {seed} {name}: {figures[name]}", flush=True)
    measured = _speed_and_size({name: models[name] for name in models if "before" not in name}, held_out[:1000])
    for name, values in measured.items():
        figures[name].update(values)
    return figures


def _speed_and_size(models: dict[str, Any], texts: list[str]) -> dict[str, dict[str, float]]:
    """Save and reopen each model, and measure it in float32 on one thread, taking turns."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            opened, sizes = {}, {}
            for number, (name, model) in enumerate(models.items()):
                path = Path(folder) / str(number)
                model.save(path)
                sizes[name] = folder_bytes(path) / 1e6
                opened[name] = load_classifier(path)
                if isinstance(opened[name].encoder_, SentenceEncoder):
                    opened[name].encoder_.precision = "float32"
            speeds = measure_throughput({name: model.predict for name, model in opened.items()}, texts, rounds=3)
    finally:
        torch.set_num_threads(threads)
    return {name: {"size_mb": sizes[name], "texts_per_second": speeds[name]} for name in models}


def main() -> None:
    """Run the seeds that have no result yet, then print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, 1,000 test texts")
    quick = parser.parse_args().quick
    train, test = load_split("ag_news", "train"), load_split("ag_news", "test")
    if quick:
        test = test.select(range(1000))
    seeds = range(2 if quick else 5)
    name = "main_job_quick" if quick else "main_job"
    folder = ROOT / "runs" / "benchmarks" / name
    per_seed = [cell(folder, f"seed-{seed}", lambda seed=seed: run_seed(seed, train, test)) for seed in seeds]
    rows = {
        model: {measure: mean_sd([figures[model][measure] for figures in per_seed]) for measure in values}
        for model, values in per_seed[0].items()
    }
    for student in STUDENTS:
        ratios = [
            figures[f"{student} distilled"]["texts_per_second"] / figures["teacher"]["texts_per_second"]
            for figures in per_seed
        ]
        rows[f"{student} distilled"]["times_teacher_speed"] = mean_sd(ratios)
        gaps = [figures["teacher"]["accuracy"] - figures[f"{student} distilled"]["accuracy"] for figures in per_seed]
        rows[f"{student} distilled"]["accuracy_behind_teacher"] = mean_sd(gaps)
    setting = {"data": "AG News", "per_class": PER_CLASS, "pool": N_POOL, "test": len(test), "seeds": list(seeds)}
    finish(name, {"setting": setting | {"threads_for_speed": 1}, "machine": machine(), "models": rows})


if __name__ == "__main__":
    main()
