"""The main job in one go, on the project's own support tickets: compare, teach, distil, and a table at the end."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.core.artifacts import folder_bytes, write_json
from fewshot.core.errors import SourceNotFoundError
from fewshot.data.texts import TextData
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.encoders.resolve import load_encoder
from fewshot.evaluation.benchmark import measure_throughput
from fewshot.evaluation.charts.frontier_plot import plot_frontier
from fewshot.evaluation.metrics import score_labels
from fewshot.recipes.comparison import CompareSettings, compare_methods
from fewshot.recipes.method import Surroundings
from fewshot.recipes.methods import make_classifier
from fewshot.recipes.outcome import Comparison, write_comparison
from fewshot.recipes.sources import Reading

SLICES = (2, 8)
SEEDS = 2
METHODS = ("naive-bayes", "knn", "linear-probe", "setfit")
STUDENTS = ("layers:3", "static")


@dataclasses.dataclass(frozen=True)
class _Tickets:
    train: TextData
    test: TextData
    pool: TextData


def run_demo(
    data: str | Path, *, out: str | Path, encoder: str = "bundled", seed: int = 0, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Run the main job on ``support_tickets.csv``.

    Parameters
    ----------
    data : str or Path
        Folder with ``support_tickets.csv``.
    out : str or Path
        Folder for results and models.
    encoder : str, default "bundled"
    seed : int, default 0
    say : callable
        Takes each line that tells what is being done.

    Returns
    -------
    list of dict
        The closing table: ``method``, ``labels``, ``accuracy``, ``sd``, ``size_mb``, ``texts_per_second``.
    """
    out = Path(out)
    tickets = _load(Path(data), say)
    settings = CompareSettings(methods=METHODS, slices=SLICES, seeds=SEEDS, encoder=encoder, seed=seed)
    n_cells = len(METHODS) * len(SLICES) * SEEDS
    say(f"Comparing {len(METHODS)} methods on {SLICES} labels per class, {SEEDS} seeds: {n_cells} cells ...")
    comparison = compare_methods(tickets.train, tickets.test, tickets.pool, out=out, settings=settings)
    rows = _compared(comparison)
    models = {name: _fitted(name, tickets, encoder, seed) for name in METHODS if name != "setfit"}
    taught, teachers = _teach_and_distil(tickets, encoder, seed, say)
    models |= teachers
    rows += taught
    sizes = {name: _save(model, out / "models" / name.replace(":", "-")) for name, model in models.items()}
    say("Measuring texts per second ...")
    speeds = measure_throughput({name: model.predict for name, model in models.items()}, tickets.test.texts)
    table = [row | _cost(row["method"], sizes, speeds) for row in rows]
    _write(comparison, tickets, table, settings)
    return table


def _load(folder: Path, say: Callable[[str], None]) -> _Tickets:
    path = folder / "support_tickets.csv"
    if not path.is_file():
        raise SourceNotFoundError(
            f"no file {str(path)!r}; run this from the project's folder, or name its data folder with --data"
        )
    parts = {}
    for split in ("train", "test", "unlabeled"):
        data, report = Reading().load_clean(f"{path}:{split}")
        say(f"{split}: {report.summary()}")
        parts[split] = data
    return _Tickets(parts["train"], parts["test"], parts["unlabeled"])


def _compared(comparison: Comparison) -> list[dict[str, Any]]:
    largest = max(row["slice"] for row in comparison.summary)
    rows = [row for row in comparison.summary if row["slice"] == largest]
    return [
        {
            "method": row["method"],
            "labels": round(row["n_train"]),
            "accuracy": row["accuracy_mean"],
            "sd": row["accuracy_sd"],
        }
        for row in rows
    ]


def _fitted(name: str, tickets: _Tickets, encoder: str, seed: int) -> TextClassifier:
    around = Surroundings(load_encoder(encoder), tickets.pool.texts, None, seed)
    return make_classifier(name, around).fit(tickets.train.texts, tickets.train.labels)


def _teach_and_distil(
    tickets: _Tickets, encoder: str, seed: int, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], dict[str, TextClassifier]]:
    scores: dict[str, list[float]] = {}
    models: dict[str, TextClassifier] = {}
    for number in range(seed, seed + SEEDS):
        start = time.perf_counter()
        teacher = SetFitClassifier(encoder, effort="quick", folds=0, random_state=number)  # a demo has minutes
        teacher.fit(tickets.train.texts, tickets.train.labels)
        made: dict[str, TextClassifier] = {"teacher": teacher}
        for student in STUDENTS:
            trainer = DistillationTrainer(teacher, student, random_state=number)
            trainer.fit(tickets.pool.texts, tickets.train.texts, tickets.train.labels)
            made[f"distilled:{student}"] = trainer.student_
        for name, model in made.items():
            predicted = model.predict(tickets.test.texts)
            scores.setdefault(name, []).append(
                score_labels(tickets.test.labels, predicted, multi_label=False)["accuracy"]
            )
            models.setdefault(name, model)
        found = ", ".join(f"{name} {values[-1]:.1%}" for name, values in scores.items())
        say(f"Seed {number}: {found} ({time.perf_counter() - start:.0f} s)")
    rows = [
        {
            "method": name,
            "labels": len(tickets.train),
            "accuracy": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)),
        }
        for name, values in scores.items()
    ]
    return rows, models


def _cost(method: str, sizes: dict[str, float], speeds: dict[str, float]) -> dict[str, float]:
    measured = "teacher" if method == "setfit" else method  # the teacher is SetFit on all labels: one size, one speed
    return {"size_mb": sizes[measured], "texts_per_second": speeds[measured]}


def _save(model: TextClassifier, folder: Path) -> float:
    model.save(folder)
    return folder_bytes(folder) / 1e6


def _write(comparison: Comparison, tickets: _Tickets, table: list[dict[str, Any]], settings: CompareSettings) -> None:
    points = [{**row, "name": row["method"]} for row in table if row["method"] != "setfit"]
    frontier = plot_frontier(points, comparison.folder / "frontier.png")
    write_json(comparison.folder / "demo.json", table)
    write_comparison(
        comparison,
        tickets.train,
        tickets.test,
        tickets.pool,
        settings=dataclasses.asdict(settings),
        tables=[("Methods, teacher and students", table)],
        figures=[("Accuracy against speed; the area is the size on disk", frontier)],
    )
