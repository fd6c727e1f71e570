"""The outcome of a benchmark, and what it leaves behind: JSON, CSV, the figure and one self-contained page."""

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.classifiers.loading import is_model_folder
from fewshot.core.artifacts import write_json
from fewshot.core.versions import library_versions
from fewshot.evaluation.charts.plots import NAMES
from fewshot.evaluation.charts.speed_plot import plot_speeds
from fewshot.evaluation.reports.benchmark_page import write_benchmark_page
from fewshot.evaluation.tables import format_score, format_value, markdown_table, write_csv
from fewshot.recipes.machine import look_at_machine, processor_name

if TYPE_CHECKING:
    import pandas

NEAR = 0.01
"""A model whose score is this much below the best, at most, is as good for who looks for a fast one."""


def _with_quartiles(name: str) -> tuple[str, str, str]:
    return name, f"{name}_q1", f"{name}_q3"


COLUMNS = (
    "model",
    "status",
    *("accuracy", "micro_f1", "macro_f1", "mcc", "agreement", "calibration_error", "n_texts"),
    *(*_with_quartiles("latency_p50_ms"), "latency_p95_ms", "latency_p99_ms", "latency_calls", "latency_threads"),
    *(*_with_quartiles("texts_per_second"), "best_batch_size", "best_threads"),
    *(*_with_quartiles("latency_speedup"), *_with_quartiles("throughput_speedup")),
    *("size_bytes", "gzip_bytes", "parameters", "peak_memory_bytes"),
    *(*_with_quartiles("cold_start_seconds"), "load_seconds"),
    "error",
)
"""Of ``benchmark.csv``."""

SPEED_COLUMNS = ("model", "batch_size", "threads", *_with_quartiles("texts_per_second"), "rounds")


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """The outcome of a benchmark.

    Parameters
    ----------
    rows : list of dict
        One a model, in the order given; the columns of ``benchmark.csv``. Scores, ``agreement`` with the first model
        and ``calibration_error`` from 0 to 1; latency in milliseconds; speedups are ratios to the first model. What is
        not known, such as the size of an object without files, is absent. ``status`` is ``ok``, ``failed`` (with
        ``error``) or ``unfinished``.
    speeds : list of dict
        Texts a second by model, batch size and threads.
    notes : list of str
        What to know before believing the figures.
    settings : dict
        How it was measured.
    data : dict
        Source, size and hash of the test texts.
    sources : dict of str to str
        The folder or name behind each model that has one.
    """

    rows: list[dict[str, Any]]
    speeds: list[dict[str, Any]]
    notes: list[str]
    settings: dict[str, Any]
    data: dict[str, Any]
    sources: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The score by which models are ranked: accuracy, in multi-label tasks micro F1."""
        return "micro_f1" if self.data["multi_label"] else "accuracy"

    @property
    def ranked(self) -> list[dict[str, Any]]:
        """The rows that have both a score and a latency, best first."""
        whole = [
            row for row in self.rows if row["status"] != "failed" and self.metric in row and "latency_p50_ms" in row
        ]
        return sorted(whole, key=lambda row: -row[self.metric])

    @property
    def fastest_near_best(self) -> str | None:
        """The model with the least latency among those within a point of the best score."""
        if not self.ranked:
            return None
        least = self.ranked[0][self.metric] - NEAR
        near = [row for row in self.ranked if row[self.metric] >= least - 1e-12]
        return min(near, key=lambda row: row["latency_p50_ms"])["model"]

    def headline(self) -> str:
        """Return in a sentence what is fastest within a point of the best."""
        name = self.fastest_near_best
        if name is None:
            return "no model was measured to the end"
        best, row = self.ranked[0], next(row for row in self.ranked if row["model"] == name)
        figures = f"{format_score(row[self.metric])} %, {format_value(row['latency_p50_ms'])} ms a text"
        if row is best:
            return f"fastest within 1 point of the best {NAMES[self.metric]}: {name}, the best itself ({figures})"
        against = f"{best['model']}: {format_score(best[self.metric])} %, {format_value(best['latency_p50_ms'])} ms"
        return f"fastest within 1 point of the best {NAMES[self.metric]}: {name} ({figures}; {against})"

    def next_command(self) -> str | None:
        """Return the command that puts the recommended model to work; ``None`` where there is none."""
        source = self.sources.get(self.fastest_near_best or "")
        if source is None or not is_model_folder(source):
            return None
        return f"fewshot predict {shlex.quote(source)} TEXTS.csv --out predictions.csv"

    def table(self) -> str:
        """Return the rows as a Markdown table, as people read them."""
        return markdown_table(self.readable())

    def readable(self) -> list[dict[str, str]]:
        """Return the rows with few digits and with units; columns that are empty everywhere are left out."""
        rows = [_readable(row) for row in self.rows]
        used = {name for row in rows for name, value in row.items() if value}
        return [{name: value for name, value in row.items() if name in used} for row in rows]

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the rows as a data frame."""
        import pandas

        return pandas.DataFrame(self.rows, columns=list(COLUMNS))

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON values, with the machine and the versions."""
        facts = dataclasses.asdict(self)
        machine = {"processor": processor_name(), "machine": str(look_at_machine())}
        return facts | machine | {"fastest_near_best": self.fastest_near_best, "versions": library_versions()}

    def write(self, folder: str | Path) -> None:
        """Write ``benchmark.json``, ``benchmark.csv``, ``speeds.csv``, ``benchmark.html`` and the figure."""
        folder, facts = Path(folder), self.facts()
        write_json(folder / "benchmark.json", facts)
        write_csv(folder / "benchmark.csv", self.rows, COLUMNS)
        write_csv(folder / "speeds.csv", self.speeds, SPEED_COLUMNS)
        scatter = self.plot(folder / "accuracy_latency.png") if self.ranked else None
        provenance = {name: facts[name] for name in ("settings", "sources", "processor", "machine", "versions")}
        write_benchmark_page(
            folder / "benchmark.html",
            table=self.readable(),
            speeds=self.speeds,
            data=self.data,
            provenance=provenance,
            lead=[f"{self.headline()[:1].upper()}{self.headline()[1:]}."],
            notes=self.notes,
            scatter=scatter,
        )

    def plot(self, path: str | Path | None = None) -> bytes:
        """Draw score against latency, see :func:`~fewshot.evaluation.charts.speed_plot.plot_speeds`."""
        points = [
            {
                "name": row["model"],
                self.metric: row[self.metric],
                "latency_ms": row["latency_p50_ms"],
                "size_mb": _scaled(row.get("size_bytes"), 1e6),
            }
            for row in self.ranked
        ]
        return plot_speeds(points, path, title="What speed costs", metric=self.metric, speed="latency_ms")


def _readable(row: Mapping[str, Any]) -> dict[str, str]:
    best = f" ({row['best_batch_size']}, {row['best_threads']})" if "best_threads" in row else ""
    return {
        "model": row["model"],
        **{NAMES[name]: format_score(row.get(name)) for name in ("accuracy", "micro_f1", "macro_f1")},
        "agreement": format_score(row.get("agreement")),
        "calibration error": format_score(row.get("calibration_error")),
        "ms": _with_range(row, "latency_p50_ms"),
        "ms 95 %": format_value(row.get("latency_p95_ms")),
        "ms 99 %": format_value(row.get("latency_p99_ms")),
        "texts/s": format_value(row.get("texts_per_second")) + best,
        "latency speedup": _with_range(row, "latency_speedup"),
        "throughput speedup": _with_range(row, "throughput_speedup"),
        "MB": format_value(_scaled(row.get("size_bytes"), 1e6)),
        "MB gzip": format_value(_scaled(row.get("gzip_bytes"), 1e6)),
        "M parameters": format_value(_scaled(row.get("parameters"), 1e6)),
        "memory MB": format_value(_scaled(row.get("peak_memory_bytes"), 1e6)),
        "cold start s": format_value(row.get("cold_start_seconds")),
        "load s": format_value(row.get("load_seconds")),
        "error": row.get("error") or "",
    }


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


def _with_range(row: Mapping[str, Any], name: str) -> str:
    if row.get(name) is None:
        return ""
    low, high = format_value(row[f"{name}_q1"]), format_value(row[f"{name}_q3"])
    return f"{format_value(row[name])} [{low} to {high}]"
