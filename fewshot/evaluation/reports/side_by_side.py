"""Two finished comparisons side by side: what changed between them, and by how much."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import read_json
from fewshot.core.errors import FewshotError, InputError
from fewshot.data.readers import read_rows
from fewshot.evaluation.metrics import SCORES
from fewshot.evaluation.runner.contest import COLUMNS, FOLD
from fewshot.evaluation.runner.folds import SEEDS

WHOLE_NUMBERS = ("slice", "n_train", "seed")
VARIANT = ("encoder", "pool")

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Finished:
    """A comparison as its folder holds it.

    Parameters
    ----------
    folder : Path
    manifest : dict
        Hashes of the data, settings and versions.
    rows : list of dict
        Result rows, one a cell.
    """

    folder: Path
    manifest: dict[str, Any]
    rows: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: str | Path) -> "Finished":
        """Read the folder of a comparison; nothing in it is run.

        Raises
        ------
        InputError
            If it is no folder of a comparison, or that has no results yet.
        """
        folder = Path(folder)
        try:
            manifest, table = read_json(folder / "manifest.json"), read_rows(_results_of(folder))
            if FOLD in table.columns:
                raise InputError("its cross-validation has not come to its end; the same command goes on with it")
            if not set(COLUMNS) <= set(table.columns) or not isinstance(manifest, dict):
                raise InputError(f"results.csv needs the columns {', '.join(COLUMNS)}")
            rows = [_row_of(row) for row in table.rows]
        except (FewshotError, OSError, ValueError) as error:
            raise InputError(
                f"{str(folder)!r} is no folder of a finished comparison (fewshot compare … --out FOLDER): {error}"
            ) from None
        return cls(folder, manifest, rows)


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """Two comparisons, held against each other.

    Parameters
    ----------
    metric : str
    rows : list of dict
        One a method and slice: ``method``, ``slice``, ``a`` and ``b`` (means over all seeds of each, ``None`` where it
        was not run or failed), ``difference`` (mean of b - a over shared seeds), its ``sd`` and ``n_shared``.
    notes : list of str
        What differs between the two besides: data, settings, versions.
    """

    metric: str
    rows: list[dict[str, Any]]
    notes: list[str]


def is_comparison(path: str | Path) -> bool:
    """Whether this is the folder of a comparison."""
    return (Path(path) / "manifest.json").is_file() and (Path(path) / "results.csv").is_file()


def side_by_side(a: Finished, b: Finished, *, metric: str = "macro_f1") -> SideBySide:
    """Hold two comparisons against each other, method by method and slice by slice.

    Parameters
    ----------
    a, b : Finished
    metric : {"accuracy", "micro_f1", "macro_f1", "mcc"}, default "macro_f1"

    Returns
    -------
    SideBySide
        Cells are paired by method, slice and seed; where a comparison has a method with several encoders or pools, by
        these, too.

    Raises
    ------
    InputError
        If the metric is unknown.
    """
    if metric not in SCORES:
        raise InputError(f"metric must be one of {', '.join(SCORES)}, got {metric!r}")
    by_variant = _has_variants(a.rows) or _has_variants(b.rows)
    scores = [_scores(one.rows, metric, by_variant=by_variant) for one in (a, b)]
    rows = [_line(key, *(of.get(key, {}) for of in scores)) for key in dict.fromkeys([*scores[0], *scores[1]])]
    return SideBySide(metric, sorted(rows, key=lambda row: row["slice"]), _notes(a, b))


def _results_of(folder: Path) -> Path:
    """Return the file with one row a seed; single folds are too few texts to score."""
    seeds = folder / SEEDS
    return seeds if seeds.is_file() else folder / "results.csv"


def _row_of(row: Row) -> dict[str, Any]:
    read: dict[str, Any] = {name: row[name] or None for name in COLUMNS}
    for name in WHOLE_NUMBERS:
        read[name] = None if read[name] is None else int(read[name])
    if read["pool"] is not None and read["pool"].isdecimal():  # a number of texts; else a name
        read["pool"] = int(read["pool"])
    for name in (*SCORES, "fit_seconds", "predict_seconds"):
        read[name] = None if read[name] is None else float(read[name])
    return read


def _has_variants(rows: Sequence[Row]) -> bool:
    cells = [tuple(row[name] for name in ("method", "slice", "seed")) for row in rows]
    return len(set(cells)) < len(cells)


def _scores(rows: Sequence[Row], metric: str, *, by_variant: bool) -> dict[tuple[str, int], dict[int, float]]:
    """Return the score of each seed, by name of the method and slice."""
    found: dict[tuple[str, int], dict[int, float]] = {}
    for row in rows:
        parts = [str(row[name]) for name in VARIANT if by_variant and row[name] is not None]
        name = f"{row['method']} ({', '.join(parts)})" if parts else row["method"]
        of_seeds = found.setdefault((name, row["slice"]), {})
        if row[metric] is not None:
            of_seeds[row["seed"]] = row[metric]
    return found


def _line(key: tuple[str, int], a: Mapping[int, float], b: Mapping[int, float]) -> dict[str, Any]:
    gains = [b[seed] - a[seed] for seed in sorted(set(a) & set(b))]
    return {
        "method": key[0],
        "slice": key[1],
        "a": statistics.mean(a.values()) if a else None,
        "b": statistics.mean(b.values()) if b else None,
        "difference": statistics.mean(gains) if gains else None,
        "sd": statistics.stdev(gains) if len(gains) > 1 else None,
        "n_shared": len(gains),
    }


def _notes(a: Finished, b: Finished) -> list[str]:
    notes = []
    of_data = [one.manifest.get("data", {}) for one in (a, b)]
    if of_data[0].get("test") != of_data[1].get("test"):
        notes.append("scored on different test texts: the figures cannot be held against each other")
    if of_data[0].get("labeled") != of_data[1].get("labeled"):
        notes.append("slices were drawn from different labelled texts: equal seeds do not make equal slices")
    for part in ("settings", "versions"):
        ones, others = (one.manifest.get(part, {}) for one in (a, b))
        changed = [name for name in dict.fromkeys([*ones, *others]) if ones.get(name) != others.get(name)]
        notes += [f"{name}: {_told(ones.get(name))} and {_told(others.get(name))}" for name in changed]
    return notes


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
