"""What pruning costs and brings: parts and single weights of ``bundled``, and the tokens that a pool never uses.

``python -m tests.benchmarks.production_pruning [--quick] [--minutes M] [--summary]``

The task is Banking77. The teacher is a linear probe on ``bundled``, fitted on 5,000 texts of the train split; students
learn from the same texts and labels; settings are chosen on 1,000 other texts of the train split, and the test split
gives its figures once a seed. Cells are kept as files, so that what a kill leaves is not run again.

- ``structured``: half of the encoder's operations are cut, in each of several ways; the way with the best validation
  accuracy is trained with every seed. ``before`` is what is cut, undistilled, with a head.
- ``unstructured``: a student of all layers, 50 and 80 % of whose weights become zeros by magnitude and by movement.
- ``speed``: texts a second of teacher and students, one thread, float32, taking turns.
- ``vocabulary``: tokens of 5,000 texts of AG News alone; vectors of 500 other texts of its train split.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from fewshot import DistillationTrainer, LinearProbeClassifier, load_encoder
from fewshot.compression.prune import prune_encoder
from fewshot.compression.sparse_storage import stored_sizes
from fewshot.compression.vocabulary import trim_vocabulary, unknown_share
from fewshot.core.artifacts import folder_bytes, read_json
from fewshot.encoders.transformer_shape import count_flops, shape_of
from fewshot.evaluation.benchmark import measure_throughput
from fewshot.training.sparsity import MagnitudePruning, MovementPruning
from fewshot.training.weight_masks import sparsity_of
from tests.benchmarks.common import ROOT, cell, finish, load_split, machine, mean_sd
from tests.benchmarks.production_tables import goals_of_pruning

SHARE = 0.5
LAYERS = (3, 4, 5)
"""Ways to save half of the operations; fewer units stay where more layers do."""

SPARSITIES = (0.5, 0.8)
PRUNINGS: dict[str, Callable[..., Any]] = {"magnitude": MagnitudePruning, "movement": MovementPruning}
TOKENS = 16
"""Length by which operations are counted; texts of Banking77 have about so many."""

GOALS = {"throughput_ratio": 1.7, "points_lost": 1.0}


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much is run.

    Parameters
    ----------
    quick : bool
        One seed, few texts and steps: whether all runs, not what comes of it.
    """

    quick: bool

    @property
    def name(self) -> str:
        """Name of the folder of cells and of the result file."""
        return "production_pruning_quick" if self.quick else "production_pruning"

    @property
    def folder(self) -> Path:
        """Folder of cells."""
        return ROOT / "runs" / "benchmarks" / self.name

    @property
    def seeds(self) -> range:
        """Seeds of every accuracy."""
        return range(1 if self.quick else 5)

    @property
    def layers(self) -> tuple[int, ...]:
        """Ways to cut."""
        return LAYERS[:2] if self.quick else LAYERS

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Texts to learn from, to choose by, and to judge by at most."""
        return (400, 100, 100) if self.quick else (5000, 1000, 3080)

    @property
    def training(self) -> dict[str, Any]:
        """Options of a student's training."""
        return {"steps": 4, "batch_size": 16} if self.quick else {"steps": 600}


@cache
def draw(extent: Extent) -> dict[str, tuple[list[str], list[Any]]]:
    """Return texts and labels to learn from, to choose by and to judge by."""
    n_train, n_validation, n_test = extent.sizes
    train, test = load_split("banking77", "train"), load_split("banking77", "test")
    rows = np.random.default_rng(0).permutation(len(train.texts))
    spans = {"train": rows[:n_train], "validation": rows[n_train : n_train + n_validation]}
    drawn = {name: _rows(train, span) for name, span in spans.items()}
    return {**drawn, "test": _rows(test, np.random.default_rng(0).permutation(len(test.texts))[:n_test])}


def _rows(data: Any, rows: np.ndarray) -> tuple[list[str], list[Any]]:
    return [data.texts[row] for row in rows], [data.labels[row] for row in rows]


@cache
def teacher(extent: Extent) -> LinearProbeClassifier:
    """Return the teacher, in float32, as all is measured."""
    encoder = load_encoder("bundled", device="cpu", precision="float32")
    return LinearProbeClassifier(encoder=encoder, random_state=0).fit(*draw(extent)["train"])


def distil(extent: Extent, student: Any, seed: int, **options: Any) -> Any:
    """Return the trainer of a student that learnt from the train texts."""
    texts, labels = draw(extent)["train"]
    trainer = DistillationTrainer(
        teacher(extent), student, device="cpu", random_state=seed, **{**extent.training, **options}
    )
    return trainer.fit(texts, texts, labels)


def cut(extent: Extent, layers: int, seed: int) -> Any:
    """Return the encoder of which half of the operations are gone."""
    return prune_encoder(
        teacher(extent).encoder_, draw(extent)["train"][0], share=SHARE, layers=layers, random_state=seed
    )


def accuracy(extent: Extent, model: Any, part: str) -> float:
    """Return the accuracy of a classifier on a part of the data."""
    return float(model.score(*draw(extent)[part]))


def run_choice(extent: Extent, layers: int) -> dict[str, Any]:
    """Distil one way to cut, and judge it on validation texts."""
    small = cut(extent, layers, 0)
    student = distil(extent, small, 0).student_
    inside, whole = (one.model for one in (small, teacher(extent).encoder_))
    return {
        "accuracy": accuracy(extent, student, "validation"),
        "teacher": accuracy(extent, teacher(extent), "validation"),
        "shape": dataclasses.asdict(shape_of(inside[0].auto_model)),
        "flops_share": count_flops(inside, TOKENS) / count_flops(whole, TOKENS),
        "throughput_ratio": throughput(extent, {"student": student}, "validation")["student"],
    }


def chosen(extent: Extent) -> int:
    """Return the number of layers with the best validation accuracy among those fast enough, if any is."""
    found = {layers: read_json(extent.folder / f"choice-{layers}.json") for layers in extent.layers}
    fast = {n: row for n, row in found.items() if row["throughput_ratio"] >= GOALS["throughput_ratio"]} or found
    return max(fast, key=lambda layers: fast[layers]["accuracy"])


def run_structured(extent: Extent, seed: int) -> dict[str, Any]:
    """Distil the chosen cut with one seed, and judge it on the test texts."""
    layers = chosen(extent)
    small = cut(extent, layers, seed)
    before = distil(extent, small, seed, steps=0).student_
    student = distil(extent, small, seed).student_
    return {
        "layers": layers,
        "before": accuracy(extent, before, "test"),
        "accuracy": accuracy(extent, student, "test"),
        "teacher": accuracy(extent, teacher(extent), "test"),
        "throughput_ratio": throughput(extent, {"student": student}, "test")["student"],
        "bytes": _bytes(student),
        "teacher_bytes": _bytes(teacher(extent)),
    }


def run_unstructured(extent: Extent, kind: str, sparsity: float, seed: int) -> dict[str, Any]:
    """Distil a student of all layers whose weights become zeros, and judge it on the test texts."""
    depth = shape_of(teacher(extent).encoder_.model[0].auto_model).layers
    student = distil(extent, f"layers:{depth}", seed, pruning=PRUNINGS[kind](sparsity=sparsity)).student_
    model = student.encoder_.model
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        sizes = stored_sizes(arrays, folder)
    return {
        "sparsity": sparsity_of(model),
        "accuracy": accuracy(extent, student, "test"),
        "teacher": accuracy(extent, teacher(extent), "test"),
        "bytes": sizes,
        "throughput_ratio": throughput(extent, {"student": student}, "test")["student"],
    }


def throughput(extent: Extent, students: dict[str, Any], part: str) -> dict[str, float]:
    """Return texts a second of students over the teacher's: one thread, taking turns."""
    texts = list(dict.fromkeys(draw(extent)[part][0]))[: 100 if extent.quick else 1000]
    candidates = {name: model.predict for name, model in ({"teacher": teacher(extent)} | students).items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            rates = measure_throughput(candidates, texts, rounds=2 if extent.quick else 5)
    finally:
        torch.set_num_threads(threads)
    return {name: rates[name] / rates["teacher"] for name in students}


def _bytes(model: Any) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        return folder_bytes(Path(folder) / "model")


def run_vocabulary(extent: Extent) -> dict[str, Any]:
    """Trim ``bundled`` to the tokens of news, and compare the vectors of other news."""
    n_pool, n_new = (300, 50) if extent.quick else (5000, 500)
    data = load_split("ag_news", "train")
    rows = np.random.default_rng(0).permutation(len(data.texts))
    pool, new = ([data.texts[row] for row in part] for part in (rows[:n_pool], rows[n_pool : n_pool + n_new]))
    whole = teacher(extent).encoder_
    small = trim_vocabulary(whole, pool)
    ours, theirs = (one.encode(new) for one in (small, whole))
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    probe = pool[:200]
    with tempfile.TemporaryDirectory() as folder:
        for name, one in (("whole", whole), ("small", small)):
            one.save(Path(folder) / name)
        sizes = {name: folder_bytes(Path(folder) / name) for name in ("whole", "small")}
    return {
        "tokens": {"whole": len(whole.model.tokenizer), "small": len(small.model.tokenizer)},
        "bytes": sizes,
        "cosine": {"mean": float(cosines.mean()), "p5": float(np.percentile(cosines, 5)), "min": float(cosines.min())},
        "unchanged_share": float((cosines > 1 - 1e-6).mean()),
        "unknown_share": {"whole": unknown_share(whole, new), "small": unknown_share(small, new)},
        "largest_difference_in_pool": float(np.abs(small.encode(probe) - whole.encode(probe)).max()),
    }


def tasks_of(extent: Extent) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the cells, in the order in which they are run."""
    tasks: dict[str, Callable[[], dict[str, Any]]] = {"vocabulary": partial(run_vocabulary, extent)}
    tasks |= {f"choice-{layers}": partial(run_choice, extent, layers) for layers in extent.layers}
    tasks |= {f"structured-{seed}": partial(run_structured, extent, seed) for seed in extent.seeds}
    for seed in extent.seeds:
        for kind in PRUNINGS:
            for sparsity in SPARSITIES:
                tasks[_cell(kind, sparsity, seed)] = partial(run_unstructured, extent, kind, sparsity, seed)
    return tasks


def _cell(kind: str, sparsity: float, seed: int) -> str:
    return f"{kind}-{100 * sparsity:.0f}-{seed}"


def summarize(extent: Extent, cells: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the cells that are there, and the names of those that are missing."""
    choices = {str(layers): cells.get(f"choice-{layers}") for layers in extent.layers}
    structured = _over_seeds([cells.get(f"structured-{seed}") for seed in extent.seeds])
    unstructured = {
        f"{kind} {100 * sparsity:.0f} %": _over_seeds([cells.get(_cell(kind, sparsity, seed)) for seed in extent.seeds])
        for kind in PRUNINGS
        for sparsity in SPARSITIES
    }
    return {
        "wanted": GOALS,
        "choices": choices,
        "structured": structured,
        "unstructured": unstructured,
        "vocabulary": cells.get("vocabulary"),
        "missing": [name for name in tasks_of(extent) if name not in cells],
    }


def _over_seeds(found: list[Any]) -> dict[str, Any] | None:
    rows = [row for row in found if row is not None]
    if not rows:
        return None
    keys = [key for key in ("before", "accuracy", "teacher", "throughput_ratio") if key in rows[0]]
    lost = [100 * (row["teacher"] - row["accuracy"]) for row in rows]
    sizes = {key: rows[0][key] for key in ("layers", "sparsity", "bytes", "teacher_bytes") if key in rows[0]}
    return {**{key: mean_sd([row[key] for row in rows]) for key in keys}, "points_lost": mean_sd(lost), **sizes}


def main() -> None:
    """Run what is not there yet, then write and print the summary of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="whether all runs: one seed, few texts and steps")
    parser.add_argument("--minutes", type=float, help="begin no cell after so many minutes")
    parser.add_argument("--summary", action="store_true", help="run nothing, sum up the cells that are there")
    given = parser.parse_args()
    extent, start = Extent(given.quick), time.perf_counter()
    tasks, cells = tasks_of(extent), {}
    for name, compute in tasks.items():
        late = given.minutes is not None and time.perf_counter() - start > 60 * given.minutes
        if (extent.folder / f"{name}.json").is_file() or not (late or given.summary):
            begun = time.perf_counter()
            cells[name] = cell(extent.folder, name, compute)
            print(f"{name} ({time.perf_counter() - begun:.0f} s): {cells[name]}", flush=True)
    setting = {"task": "banking77", "texts": extent.sizes, "seeds": len(extent.seeds), "share": SHARE}
    found = summarize(extent, cells)
    reached = goals_of_pruning(found) if found["structured"] else []
    finish(extent.name, {"setting": setting, "machine": machine(), **found, "goals": reached})


if __name__ == "__main__":
    main()
