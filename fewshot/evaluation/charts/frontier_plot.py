"""The figure of what speed and size cost: a score against each, and the line of those methods that none beats in both.

Each method has a shape of its own beside its colour, so that the figure can be read in grey. The same numbers give the
same bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.canvas import COLORS, MARKERS, new_figure, plain, png_bytes, quiet_frame
from fewshot.evaluation.charts.plots import NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

SPEED, SIZE = "texts_per_second", "size_mb"
AXES = {SPEED: "texts per second (right: faster)", SIZE: "size on disk, MB (left: smaller)"}
FILLS = ("full", "none", "left", "right", "top", "bottom")
"""What tells the variants of a method apart."""

SMALLEST_MB = 1e-3
"""What is smaller is drawn here: a logarithmic axis has no 0."""


def plot_frontier(
    points: Sequence[Row], path: str | Path | None = None, *, title: str = "What speed costs", metric: str = "accuracy"
) -> bytes:
    """Draw a score against speed and against size, one mark a model; a line joins those that none beats in both.

    Parameters
    ----------
    points : sequence of mappings
        Each with ``name``, the score from 0 to 1 under ``metric``, ``texts_per_second`` and ``size_mb``, of which one
        may be ``None`` where it is not known; also ``method``, by which variants are known to be of one method.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    title : str
        Stands above.
    metric : str, default "accuracy"
        Which score.

    Returns
    -------
    bytes
        The PNG; a panel each for speed and for size, as far as anything is known of them.

    Raises
    ------
    InputError
        If there are no points with a speed or a size, or a speed is not positive.

    Examples
    --------
    >>> plot_frontier([{"name": "teacher", "accuracy": 0.9, "texts_per_second": 50.0, "size_mb": 420.0}])[1:4]
    b'PNG'
    """
    panels = [cost for cost in AXES if any(point[cost] is not None for point in points)]
    if not panels or any(point[SPEED] is not None and point[SPEED] <= 0 for point in points):
        raise InputError(
            "points must hold one or more models with texts_per_second above 0, or a size_mb; "
            f"got {[dict(point) for point in points]!r}"
        )
    figure = new_figure(4.6 * max(len(panels), 1.4), 4.4)
    handles: dict[str, Any] = {}
    for axes, cost in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        places = [(_place(point, cost), point[metric]) for point in points]
        _draw_front(axes, places, better=1 if cost == SPEED else -1)
        for point, style, (place, score) in zip(points, _styles(points), places, strict=True):
            if place is not None:
                handles[plain(point["name"])] = axes.plot(place, score, **style)[0]
        _dress(axes, cost, metric)
    figure.suptitle(plain(title))
    columns = min(len(handles), 4 if len(panels) > 1 else 2)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False)
    return png_bytes(figure, path)


def unbeaten(places: Iterable[tuple[float | None, float]], *, better: int = 1) -> list[tuple[float, float]]:
    """Return the places with a score above that of all that are as cheap or cheaper, the cheapest first.

    Parameters
    ----------
    places : iterable of (float or None, float)
        Cost and score; those without a cost are left out.
    better : {1, -1}, default 1
        Whether more of the cost is the better, as of speed, or less, as of size.

    Examples
    --------
    >>> unbeaten([(10.0, 0.9), (100.0, 0.8), (50.0, 0.7)])
    [(100.0, 0.8), (10.0, 0.9)]
    """
    best: list[tuple[float, float]] = []
    known = [(cost, score) for cost, score in places if cost is not None]
    for cost, score in sorted(known, key=lambda place: (-better * place[0], -place[1])):
        if not best or score > best[-1][1]:
            best.append((cost, score))
    return best


def _place(point: Row, cost: str) -> float | None:
    value = point[cost]
    return max(value, SMALLEST_MB) if cost == SIZE and value is not None else value


def _draw_front(axes: "Axes", places: Iterable[tuple[float | None, float]], *, better: int) -> None:
    costs, scores = zip(*unbeaten(places, better=better), strict=True)
    axes.plot(costs, scores, color="#999999", linewidth=1.2, linestyle="--", zorder=1)
    axes.scatter(costs, scores, s=190, facecolors="none", edgecolors="#999999", linewidths=1.0, zorder=1)


def _styles(points: Sequence[Row]) -> list[dict[str, Any]]:
    """Return how each is drawn: colour and marker are the method's, as in the learning curves."""
    groups = [point.get("method", point["name"]) for point in points]
    methods = list(dict.fromkeys(groups))
    styles = []
    for place, group in enumerate(groups):
        number, variant = methods.index(group), groups[:place].count(group)
        style = {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}
        styles.append(style | {"fillstyle": FILLS[variant % len(FILLS)], "markersize": 8, "linestyle": "none"})
    return styles


def _dress(axes: "Axes", cost: str, metric: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.12, y=0.12)
    low, high = axes.get_xlim()
    if high / low < 12:  # or there might be no power of ten to read
        axes.set_xlim(low / 3, high * 3)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.tick_params(labelleft=True)
    axes.set_xlabel(AXES[cost])
    axes.set_ylabel(NAMES.get(metric, metric) if cost == SPEED else "")
    quiet_frame(axes)
