"""What twice and four times the labels would bring, by method and by class, from the results of a comparison.

Rows and arrays are gathered into learning curves here; each is continued by ``curve_forecast``, drawn by
``forecast_plot``.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fewshot.core.errors import InputError, did_you_mean
from fewshot.evaluation.forecasts.curve_forecast import Forecast, forecast_curve
from fewshot.evaluation.statistics.summary import GROUP, entrant_names

Row = Mapping[str, Any]

METRICS = ("accuracy", "micro_f1", "macro_f1")
"""Scores from 0 to 1, which curves are fitted to."""

VARIANT = tuple(name for name in GROUP if name != "slice")
"""What the rows of one learning curve have in common."""


def forecast_scores(
    rows: Iterable[Row],
    *,
    metric: str = "micro_f1",
    at: ArrayLike | None = None,
    interval: float = 0.8,
    random_state: int = 0,
) -> list[Forecast]:
    """Say for each method what more labels would bring.

    Parameters
    ----------
    rows : iterable of mappings
        Result rows of ``run_comparison``, in any order.
    metric : {"micro_f1", "accuracy", "macro_f1"}
        Which score. Micro F1 is accuracy where each text has one label.
    at : int or sequence of int, optional
        Labelled texts in all to forecast for, at most 16 times those of the largest slice. Default: twice and four
        times the largest slice of each method.
    interval : float, default 0.8
        The share of trainings that an interval is to hold.
    random_state : int, default 0
        The same gives the same forecasts.

    Returns
    -------
    list of Forecast
        One a method, encoder and pool, in the order of their first rows. One of which the slices cannot tell has a
        ``refusal`` that says why, and no predictions.

    Raises
    ------
    InputError
        If an argument is out of range, or a cell comes twice.

    Examples
    --------
    >>> scores = {4: (0.42, 0.46), 8: (0.55, 0.57), 16: (0.64, 0.66)}
    >>> rows = [
    ...     {"method": "knn", "slice": size, "n_train": 2 * size, "seed": seed, "status": "ok", "micro_f1": score}
    ...     for size, few in scores.items() for seed, score in enumerate(few)
    ... ]
    >>> [forecast] = forecast_scores(rows)
    >>> twice, four_times = forecast.predictions
    >>> twice.n_train, 0.65 < twice.score < four_times.score < 0.9
    (64, True)
    """
    if metric not in METRICS:
        known = ", ".join(METRICS)
        raise InputError(f"metric must be one of {known}, got {metric!r}.{did_you_mean(str(metric), METRICS)}")
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in VARIANT), []).append(row)
    subjects = [dict(zip(VARIANT, group, strict=True)) for group in groups]
    forecasts = []
    for subject, name, members in zip(subjects, entrant_names(subjects), groups.values(), strict=True):
        sizes, scores, n_failed = _gather(members, metric, name)
        settings: dict[str, Any] = {"metric": metric, "interval": interval, "subject": subject}
        settings |= {"at": at, "random_state": random_state, "n_failed": n_failed}
        forecasts.append(forecast_curve(name, sizes, scores, **settings))
    return forecasts


def _gather(rows: Sequence[Row], metric: str, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Return sizes, scores by seed and size with NaN where there is none, and how many cells failed."""
    labeled = [row for row in rows if row["n_train"]]
    cells: dict[tuple[Any, Any], Row] = {}
    for row in labeled:
        cell = row.get("seed"), row["slice"]
        if cell in cells:
            raise InputError(f"rows must hold each cell once, got slice {cell[1]}, seed {cell[0]} of {name} twice")
        cells[cell] = row
    seeds = sorted({seed for seed, _ in cells}, key=repr)
    slices = sorted({size for _, size in cells})
    sizes = [np.mean(sorted(row["n_train"] for row in labeled if row["slice"] == size)) for size in slices]
    scores = np.array([[_score(cells.get((seed, size)), metric) for size in slices] for seed in seeds])
    return np.array(sizes), scores.reshape(len(seeds), len(slices)), sum(row["status"] != "ok" for row in labeled)


def _score(row: Row | None, metric: str) -> float:
    score = row[metric] if row is not None and row["status"] == "ok" else None
    return math.nan if score is None else float(score)


def forecast_classes(
    f1: ArrayLike,
    n_train: ArrayLike,
    classes: Sequence[Any],
    *,
    at: ArrayLike | None = None,
    interval: float = 0.8,
    random_state: int = 0,
) -> list[Forecast]:
    """Say which class wants labels most: what more labels would bring to the F1 of each.

    Parameters
    ----------
    f1 : array-like of shape (n_seeds, n_slices, n_classes)
        F1 of each class, from 0 to 1, by seed and slice of one method; NaN where there is none.
    n_train : array-like of shape (n_slices,)
        Labelled texts of each slice, of all classes together, ascending.
    classes : sequence of length n_classes
        Names.
    at, interval, random_state
        As for :func:`forecast_scores`. Sizes are of whole slices: what is forecast is that all classes have more.

    Returns
    -------
    list of Forecast
        The class that twice the labels are expected to bring most comes first (``Forecast.gain``); those of which the
        slices cannot tell, with their ``refusal``, come last, in the order of ``classes``.

    Raises
    ------
    InputError
        If the shapes do not fit.

    Examples
    --------
    >>> steep, flat = [0.2, 0.35, 0.47, 0.56], [0.8, 0.8, 0.81, 0.8]
    >>> f1 = np.array([np.transpose([steep, flat])] * 3) + np.array([-0.01, 0.0, 0.01])[:, None, None]
    >>> wanting, settled = forecast_classes(f1, [8, 16, 32, 64], ["bug", "question"])
    >>> wanting.name, wanting.gain > 0.03, settled.name, settled.refusal is None
    ('bug', True, 'question', False)
    """
    scores = np.asarray(f1, dtype=float)
    if scores.ndim != 3 or scores.shape[2] != len(classes):
        raise InputError(
            f"f1 must be of shape (n_seeds, n_slices, {len(classes)}), one number a class, got {scores.shape}"
        )
    settings: dict[str, Any] = {"metric": "f1", "at": at, "interval": interval, "random_state": random_state}
    forecasts = [
        forecast_curve(str(name), n_train, scores[:, :, number], subject={"class": name}, **settings)
        for number, name in enumerate(classes)
    ]
    return sorted(forecasts, key=lambda forecast: math.inf if math.isnan(forecast.gain) else -forecast.gain)


def readable_forecasts(forecasts: Iterable[Forecast], *, target: float | None = None) -> list[dict[str, str]]:
    """Turn forecasts into a table for people: percent with their interval, labels in all.

    Parameters
    ----------
    forecasts : iterable of Forecast
    target : float, optional
        A score from 0 to 1: a column says how many labels it needs.

    Returns
    -------
    list of dict of str to str
        One row a forecast; a refusal stands in ``note``.

    Examples
    --------
    >>> forecast = forecast_curve("knn", [8, 16], [[0.5, 0.6], [0.4, 0.6]])
    >>> readable_forecasts([forecast])
    [{'name': 'knn', 'now': '60.0 (16 labels)', 'note': 'there are results at 2 sizes of slices; ...'}]
    """
    table = []
    for forecast in forecasts:
        row = {"name": forecast.name}
        if forecast.seen:
            row["now"] = f"{100 * forecast.seen[-1].mean:.1f} ({forecast.seen[-1].n_train:,.0f} labels)"
        row |= {f"{prediction.n_train:,} labels": str(prediction) for prediction in forecast.predictions}
        if target is not None:
            needed = forecast.labels_needed(target)
            row[f"labels for {100 * target:g} %"] = "" if math.isnan(needed.labels) else needed.words
        if forecast.refusal:
            row["note"] = forecast.refusal
        table.append(row)
    return table
