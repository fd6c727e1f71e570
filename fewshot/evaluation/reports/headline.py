"""A comparison in a few sentences: what is best where most labels were, what cannot be told from it, what next."""

from collections.abc import Mapping, Sequence
from typing import Any

from fewshot.evaluation.charts.plots import NAMES
from fewshot.evaluation.forecasts.curve_forecast import Forecast
from fewshot.evaluation.statistics.contrasts import NEAR
from fewshot.evaluation.statistics.summary import with_names

Row = Mapping[str, Any]


def headline(summary: Sequence[Row], forecasts: Sequence[Forecast] = (), *, metric: str = "macro_f1") -> list[str]:
    """Say what a comparison found.

    Parameters
    ----------
    summary : sequence of mappings
        What ``summarize(rows, contrasts)`` gives.
    forecasts : sequence of Forecast, optional
        Of the same metric.
    metric : str, default "macro_f1"

    Returns
    -------
    list of str
        Sentences; empty where nothing has finished.

    Examples
    --------
    >>> row = {"method": "knn", "encoder": "", "pool": None, "slice": 8, "n_train": 16.0, "n_seeds": 3}
    >>> headline([row | {"macro_f1_mean": 0.5, "macro_f1_verdict": "best"}])
    ['On slices of 8 (16 labels in all) knn is best, with 50.0 % macro F1.']
    """
    finished = [row for row in with_names(summary) if row[f"{metric}_mean"] is not None]
    if not finished:
        return []
    largest = max(row["slice"] for row in finished)
    rows = sorted((row for row in finished if row["slice"] == largest), key=lambda row: -row[f"{metric}_mean"])
    best = rows[0]
    labels = f" ({best['n_train']:,.0f} labels in all)" if best["n_train"] else ""
    score = f"{100 * best[f'{metric}_mean']:.1f} % {NAMES[metric]}"
    lines = [f"On slices of {largest}{labels} {best['name']} is best, with {score}."]
    near = [f"{row['name']} ({100 * row[f'{metric}_mean']:.1f})" for row in rows if row[f"{metric}_verdict"] == NEAR]
    if near:
        lines.append(f"Not distinguishable from it: {', '.join(near)}.")
    told = [forecast for forecast in forecasts if _is_of(forecast, best) and forecast.predictions]
    if told:
        twice = told[0].predictions[0]
        lines.append(f"With {twice.n_train:,} labels it would probably have {twice} %.")
    return lines


def _is_of(forecast: Forecast, row: Row) -> bool:
    return all(forecast.subject.get(name) == row[name] for name in ("method", "encoder", "pool"))
