"""The path down a ladder: every rung with its loss, size and speed, which one is kept, and the files that tell it."""

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import write_json, write_text
from fewshot.core.versions import library_versions
from fewshot.evaluation.charts.speed_plot import plot_speeds
from fewshot.evaluation.tables import format_score, format_value, markdown_table
from fewshot.recipes.machine import look_at_machine, processor_name

MODEL = "model"
"""What the path calls the model that all rungs come from."""

SCORES = {"accuracy": "accuracy", "micro_f1": "micro F1", "agreement": "agreement"}


@dataclasses.dataclass(frozen=True)
class Shrunk:
    """What became of a model on its way down.

    Parameters
    ----------
    rows : list of dict
        The path: the model, then a row a rung. ``rung``, ``base`` (what it was made from), ``status`` (``ok``, or
        ``failed`` with ``error``), the score under :attr:`metric` from 0 to 1, ``loss`` in percentage points and
        ``standard_error`` of it, ``size_bytes``, ``gzip_bytes``, ``parameters``, ``latency_p50_ms`` of one text,
        ``texts_per_second``, ``latency_speedup`` over the model, ``made_seconds``, ``small_enough``, ``good_enough``.
    kept : str or None
        The rung that is kept; ``None`` if none met both wishes.
    nearest : str or None
        Otherwise, the one that came nearest.
    folder : Path or None
        Where the kept one lies.
    path_folder : Path
        Where the path and all rungs are.
    metric : str
        The score that the loss is of.
    told : str
        What the loss is, in words.
    notes : list of str
        What to know before believing the figures.
    settings : dict
    test : dict
        Scores of the model and of the kept rung on the test texts: ``{"model": …, "kept": …, "n": …}``; empty without.
    """

    rows: list[dict[str, Any]]
    kept: str | None
    nearest: str | None
    folder: Path | None
    path_folder: Path
    metric: str
    told: str
    notes: list[str]
    settings: dict[str, Any]
    test: dict[str, Any] = dataclasses.field(default_factory=dict)

    def row(self, name: str) -> dict[str, Any]:
        """Return a rung's row."""
        return next(row for row in self.rows if row["rung"] == name)

    def headline(self) -> str:
        """Return in a sentence what is kept, or why nothing is."""
        if self.kept is not None:
            row, model = self.row(self.kept), self.rows[0]
            sizes = f"{_megabytes(row)} MB (the model {_megabytes(model)})"
            ours, theirs = (format_value(one.get("latency_p50_ms")) for one in (row, model))
            return f"Kept {self.kept}: loss {row['loss']:.1f} points, {sizes}, {ours} ms a text (the model {theirs})"
        size = self.settings.get("target_size")
        wishes = f"{self.settings['max_loss']:g} points of loss" + ("" if size is None else f" and {size}")
        if self.nearest is None:
            return f"no rung could be made and measured; see the errors in {self.path_folder}/path.md"
        row = self.row(self.nearest)
        return f"no rung keeps to {wishes}; the nearest is {self.nearest}: {_megabytes(row)} MB, loss {row['loss']:.1f}"

    def next_command(self) -> str:
        """Return the command to go on with."""
        if self.folder is not None:
            return f"fewshot predict {shlex.quote(str(self.folder))} TEXTS.csv --out predictions.csv"
        return "the same command with --resume and another --target-size or --max-loss: rungs are not made again"

    def readable(self) -> list[dict[str, str]]:
        """Return the path with few digits and with units; columns that are empty everywhere are left out."""
        rows = [self._readable(row) for row in self.rows]
        used = {name for row in rows for name, value in row.items() if value}
        return [{name: value for name, value in row.items() if name in used} for row in rows]

    def _readable(self, row: Mapping[str, Any]) -> dict[str, str]:
        loss, error = row.get("loss"), row.get("standard_error")
        of_rung = row["rung"] != MODEL and row["status"] == "ok"
        return {
            "rung": row["rung"],
            SCORES[self.metric] + " %": format_score(row.get(self.metric)),
            "loss": "" if loss is None else f"{loss:.1f}" + ("" if error is None else f" ± {error:.1f}"),
            "MB": _megabytes(row),
            "ms": format_value(row.get("latency_p50_ms")),
            "times as fast": format_value(row.get("latency_speedup")),
            "texts/s": format_value(row.get("texts_per_second")),
            "verdict": ("kept" if row["rung"] == self.kept else _verdict(row)) if of_rung else row.get("error") or "",
        }

    def table(self) -> str:
        """Return the path as a Markdown table."""
        return markdown_table(self.readable())

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON values, with the machine and the versions."""
        facts = dataclasses.asdict(self) | {"folder": None if self.folder is None else str(self.folder)}
        machine = {"processor": processor_name(), "machine": str(look_at_machine())}
        return facts | {"path_folder": str(self.path_folder)} | machine | {"versions": library_versions()}

    def write(self) -> None:
        """Write ``path.json``, ``path.md`` and ``path.png`` into the path's folder."""
        write_json(self.path_folder / "path.json", self.facts())
        lines = [f"# {self.headline()}", "", self.table(), "", f"{self.told}.", *(f"\n{note}." for note in self.notes)]
        write_text(self.path_folder / "path.md", "\n".join(lines) + "\n")
        self.plot(self.path_folder / "path.png")

    def plot(self, path: str | Path | None = None) -> bytes | None:
        """Draw score against latency, area the size; ``None`` if nothing was measured.

        See :func:`~fewshot.evaluation.charts.speed_plot.plot_speeds`.
        """
        points = [
            {
                "name": row["rung"] + (" (kept)" if row["rung"] == self.kept else ""),
                self.metric: row[self.metric],
                "latency_ms": row["latency_p50_ms"],
                "size_mb": row["size_bytes"] / 1e6,
            }
            for row in self.rows
            if row["status"] == "ok"
        ]
        if not points:
            return None
        return plot_speeds(points, path, title="The way down", metric=self.metric, speed="latency_ms")


def _megabytes(row: Mapping[str, Any]) -> str:
    size = row.get("size_bytes")
    return "" if size is None else format_value(size / 1e6)


def _verdict(row: Mapping[str, Any]) -> str:
    faults = ["too large"] * (not row["small_enough"]) + ["too lossy"] * (not row["good_enough"])
    return ", ".join(faults) or "meets both"


def choose(rows: list[dict[str, Any]], objective: str) -> tuple[str | None, str | None]:
    """Return the rung to keep, and if there is none, the one that came nearest.

    Parameters
    ----------
    rows : list of dict
        Of the rungs alone.
    objective : {"size", "speed"}

    Returns
    -------
    (str or None, str or None)
        Of those that meet both wishes the smallest (or the fastest). The nearest: of those that are small enough the
        one that loses least; if none is, of those that are good enough the smallest; else the one that loses least.

    Examples
    --------
    >>> row = {"status": "ok", "small_enough": True, "latency_p50_ms": 1.0}
    >>> rows = [
    ...     row | {"rung": "a", "good_enough": False, "loss": 9.0, "size_bytes": 10},
    ...     row | {"rung": "b", "good_enough": False, "loss": 3.0, "size_bytes": 20},
    ... ]
    >>> choose(rows, "size")
    (None, 'b')
    """
    whole = [row for row in rows if row["status"] == "ok"]
    size, speed = (lambda row: row["size_bytes"]), (lambda row: row["latency_p50_ms"])
    first, second = (size, speed) if objective == "size" else (speed, size)
    met = [row for row in whole if row["small_enough"] and row["good_enough"]]
    if met:
        return min(met, key=lambda row: (first(row), second(row)))["rung"], None
    small, good = ([row for row in whole if row[wish]] for wish in ("small_enough", "good_enough"))
    if small or not good:
        least = min(small or whole, key=lambda row: (row["loss"], size(row)), default=None)
        return None, None if least is None else str(least["rung"])
    return None, min(good, key=size)["rung"]
