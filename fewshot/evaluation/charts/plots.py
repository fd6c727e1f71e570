"""Learning curves: what more labels buy. The same numbers give the same bytes."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.canvas import COLORS, LINES, MARKERS, new_figure, plain, png_bytes, quiet_frame
from fewshot.evaluation.statistics.summary import summarize, variant_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

NAMES = {"accuracy": "accuracy", "micro_f1": "micro F1", "macro_f1": "macro F1", "f1": "F1", "mcc": "MCC"}


def plot_learning_curves(
    rows: Iterable[Row],
    path: str | Path | None = None,
    *,
    metrics: Sequence[str] = ("micro_f1", "macro_f1"),
    title: str = "What more labels buy",
) -> bytes:
    """Draw scores against the number of labelled texts, one panel a metric and one line a method.

    Parameters
    ----------
    rows : iterable of mappings
        Result rows of ``run_comparison``; failed ones are left out.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    metrics : sequence of str, default ("micro_f1", "macro_f1")
        Columns of ``rows``, one panel each.
    title : str
        Stands above the panels.

    Returns
    -------
    bytes
        The PNG. Points are means over seeds, bands one standard deviation to each side. A method that was given no
        label is a line across; one that was also given some has a point at 0, which stands left of the smallest size.

    Raises
    ------
    InputError
        If no row has a score.

    Examples
    --------
    >>> row = {"method": "knn", "slice": 8, "n_train": 16, "status": "ok", "micro_f1": 0.5, "macro_f1": 0.4}
    >>> plot_learning_curves([row])[1:4]
    b'PNG'
    """
    finished = [row for row in rows if row["status"] == "ok"]
    if not finished:
        raise InputError("there is no finished result to plot; look at the column error of results.csv")
    figure = new_figure(4.6 * len(metrics), 4.4)
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    curves = _curves(summarize(finished))
    sizes = {point["n_train"] for curve in curves.values() for point in curve} - {0}
    places = {size: size for size in sizes}
    if any(curve[0]["n_train"] == 0 < curve[-1]["n_train"] for curve in curves.values()):
        places[0] = _place_of_zero(sizes)
    shifts = shifts_apart(len(curves) if len(sizes) == 1 else 0)
    for axes, metric in zip(panels, metrics, strict=True):
        drawn = zip(_styled(curves), shifts, strict=False)
        handles = {name: _draw_curve(axes, curve, metric, places, x, **style) for (name, curve, style), x in drawn}
        dress_curves(axes, metric, places)
    panels[0].set_ylim(top=min(panels[0].get_ylim()[1], 1.01))
    figure.suptitle(plain(title))
    columns = min(len(handles), 4 if len(metrics) > 1 else 2)
    labels = [plain(name) for name in handles]
    figure.legend(list(handles.values()), labels, loc="outside lower center", ncols=columns, frameon=False)
    return png_bytes(figure, path)


def shifts_apart(n_curves: int) -> Iterable[float]:
    """Give factors that set points of one size side by side; without curves to part, give 1 for ever."""
    if n_curves < 2:
        return itertools.repeat(1.0)
    return [1.02 ** (number - (n_curves - 1) / 2) for number in range(n_curves)]


def _place_of_zero(sizes: Iterable[float]) -> float:
    """Return where 0 stands on a logarithmic axis: left of the smallest size, by a step as wide as the others are."""
    ordered = sorted(sizes)
    step = (ordered[-1] / ordered[0]) ** (1 / (len(ordered) - 1)) if len(ordered) > 1 else 2.0
    return ordered[0] / max(step, 1.5)


def _curves(summary: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group points by method and variant."""
    curves: dict[tuple[str, str], list[Row]] = {}
    for row, variant in zip(summary, variant_words(summary), strict=True):
        curves.setdefault((row["method"], variant), []).append(row)
    return {name: sorted(curve, key=lambda point: point["n_train"]) for name, curve in curves.items()}


def _styled(curves: Mapping[tuple[str, str], list[Row]]) -> Iterable[tuple[str, list[Row], dict[str, Any]]]:
    """Give each method its colour and marker, and each of its variants its line style."""
    methods = list(dict.fromkeys(method for method, _ in curves))
    variants = list(dict.fromkeys(variant for _, variant in curves))
    for (method, variant), curve in curves.items():
        number = methods.index(method)
        line = variants.index(variant) + number // len(COLORS)
        style = {
            "color": COLORS[number % len(COLORS)],
            "marker": MARKERS[number % len(MARKERS)],
            "linestyle": LINES[line % len(LINES)],
        }
        yield (f"{method} ({variant})" if variant else method), curve, style


def _draw_curve(
    axes: "Axes", curve: Sequence[Row], metric: str, places: Mapping[float, float], shift: float, **style: Any
) -> Any:
    scored = [point for point in curve if point[f"{metric}_mean"] is not None]
    without_labels = bool(scored) and scored[-1]["n_train"] == 0
    sizes = [] if without_labels else [places[point["n_train"]] * shift for point in scored]
    means = [point[f"{metric}_mean"] for point in scored]
    spreads = [point[f"{metric}_sd"] or 0.0 for point in scored]
    low = [mean - sd for mean, sd in zip(means, spreads, strict=True)]
    high = [mean + sd for mean, sd in zip(means, spreads, strict=True)]
    if without_labels:
        axes.axhspan(low[-1], high[-1], color=style["color"], alpha=0.12, linewidth=0)
        return axes.axhline(means[-1], color=style["color"], linestyle="--", linewidth=1.6)
    axes.fill_between(sizes, low, high, color=style["color"], alpha=0.15, linewidth=0)
    if len(scored) == 1:  # a band of no width cannot be seen
        axes.errorbar(sizes, means, yerr=spreads, color=style["color"], capsize=3, linestyle="none")
    return axes.plot(sizes, means, linewidth=1.6, markersize=5.5, **style)[0]


def dress_curves(axes: "Axes", metric: str, places: Mapping[float, float]) -> None:
    """Give a panel of learning curves its axes: sizes at their places on a logarithmic scale, scores in percent."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator, PercentFormatter

    ticks, size_at = _apart(places.values()), {place: size for size, place in places.items()}
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{size_at[tick]:,.0f}" for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    if ticks:
        axes.set_xlim(min(ticks) / 1.25, max(ticks) * 1.25)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.tick_params(labelleft=True)
    axes.set_xlabel("labeled texts")
    axes.set_title(NAMES.get(metric, metric), fontsize=11)
    quiet_frame(axes)


def _apart(sizes: Iterable[float]) -> list[float]:
    """Leave out tick positions whose numbers would run into those of their left neighbour."""
    ordered, kept = sorted(sizes), list[float]()
    for size in ordered:
        if not kept or size / kept[-1] > max(1.2, (ordered[-1] / ordered[0]) ** 0.08):
            kept.append(size)
    return kept
