"""The figure of what speed costs: a score against speed, one disc a model. The same numbers give the same bytes."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.core.errors import InputError, did_you_mean
from fewshot.evaluation.charts.canvas import COLORS, new_figure, plain, png_bytes, quiet_frame
from fewshot.evaluation.charts.frontier_plot import unbeaten
from fewshot.evaluation.charts.plots import NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

Row = Mapping[str, Any]

SPEEDS = {"texts_per_second": "texts per second", "latency_ms": "milliseconds for one text"}
"""What may stand on the axis of speed; of the first more is better, of the second less."""

LARGEST_AREA = 1200.0
SMALLEST_AREA = 20.0
SHORT_RANGE, LONG_RANGE = 6.0, 200.0
"""Of an axis: where powers of ten alone would be no tick at all, and where they would be few."""

NEAREST = 3.0
"""Points (1/72 inch) between a disc and its name; a name further off is joined to its disc by a line."""

REACHES = (NEAREST, *(NEAREST + 14.0 * step for step in range(1, 9)))
DIRECTIONS = (90, 0, 270, 180, 45, 315, 135, 225, 65, 25, 295, 335, 115, 155, 245, 205)
"""Degrees, in the order in which they are tried: above, right, below, left, then between."""


def plot_speeds(
    points: Sequence[Row],
    path: str | Path | None = None,
    *,
    title: str = "What speed costs",
    metric: str = "accuracy",
    speed: str = "texts_per_second",
) -> bytes:
    """Draw a score against speed, one disc a model, its area the model's size; a line joins those that none beats.

    Parameters
    ----------
    points : sequence of mappings
        Each with ``name``, the score from 0 to 1 under ``metric``, the speed under ``speed``, and ``size_mb``, which
        may be ``None`` where it is not known: the disc is then hollow.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    title : str
        Stands above.
    metric : str, default "accuracy"
        Which score.
    speed : {"texts_per_second", "latency_ms"}, default "texts_per_second"
        What to draw it against, on a logarithmic axis.

    Returns
    -------
    bytes
        The PNG. No name covers another or a disc as long as there is room, which there is for a dozen models.

    Raises
    ------
    InputError
        If there are no points, or a speed is not positive.

    Examples
    --------
    >>> plot_speeds([{"name": "teacher", "accuracy": 0.9, "texts_per_second": 50.0, "size_mb": 420.0}])[1:4]
    b'PNG'
    """
    if speed not in SPEEDS:
        raise InputError(f"speed must be one of {', '.join(SPEEDS)}, got {speed!r}.{did_you_mean(speed, SPEEDS)}")
    if not points or any(point[speed] <= 0 for point in points):
        raise InputError(f"points must hold one or more models with {speed} above 0, got {list(points)!r}")
    crowded = len(points) > 6
    figure = new_figure(9.0 if crowded else 7.0, 6.2 if crowded else 4.8)
    axes = figure.subplots()
    places = [(point[speed], point[metric]) for point in points]
    best = unbeaten(places, better=-1 if speed == "latency_ms" else 1)
    axes.plot(*zip(*best, strict=True), color="#999999", linewidth=1, linestyle="--", zorder=1)
    discs = _draw_discs(axes, points, metric, speed)
    _dress(axes, metric, speed)
    axes.set_title(plain(title))
    _place_names(figure, axes, discs)
    return png_bytes(figure, path)


@dataclasses.dataclass(frozen=True)
class _Disc:
    """A model on the sheet: its name, where it is, and how wide, in points."""

    name: str
    place: tuple[float, float]
    width: float


def _draw_discs(axes: "Axes", points: Sequence[Row], metric: str, speed: str) -> list[_Disc]:
    areas = _areas([point["size_mb"] for point in points])
    discs = []
    for number, (point, area) in enumerate(zip(points, areas, strict=True)):
        color, size, place = COLORS[number % len(COLORS)], point["size_mb"], (point[speed], point[metric])
        hollow: dict[str, Any] = {"facecolors": "none", "edgecolors": color}
        fill = hollow if size is None else {"color": color, "edgecolors": "white"}
        axes.scatter(*place, s=area, alpha=0.75, zorder=2, **fill)
        told = "" if size is None else f"\n{size:,.3g} MB"
        discs.append(_Disc(plain(f"{point['name']}{told}"), place, math.sqrt(area)))
    return discs


def _areas(sizes: Sequence[float | None]) -> list[float]:
    largest = max([1e-9, *(size for size in sizes if size is not None)])
    return [max(LARGEST_AREA * (size or 0.0) / largest, SMALLEST_AREA) for size in sizes]


def _dress(axes: "Axes", metric: str, speed: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

    axes.set_xscale("log")
    axes.margins(x=0.16, y=0.2)
    low, high = axes.get_xlim()
    if high / low < SHORT_RANGE:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    elif high / low < LONG_RANGE:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda pace, _: f"{pace:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set_xlabel(f"{SPEEDS[speed]} (area: size of the model)")
    axes.set_ylabel(NAMES.get(metric, metric))
    quiet_frame(axes)


def _place_names(figure: "Figure", axes: "Axes", discs: Sequence[_Disc]) -> None:
    """Put each name as near to its disc as it can stand without meeting discs, names or edges.

    Names with the most neighbours choose first; where there is no free place, the one that meets the fewest is taken.
    """
    figure.draw_without_rendering()
    rooms = [_room_of_disc(figure, axes, disc) for disc in discs]
    crowd = [sum(_gap(one, other) for other in rooms) for one in rooms]
    names: list[Bbox] = []
    for row in sorted(range(len(discs)), key=lambda row: crowd[row]):
        others = rooms[:row] + rooms[row + 1 :]
        names.append(_put_name(axes, discs[row], rooms[row], others, names))


def _put_name(axes: "Axes", disc: _Disc, own: "Bbox", others: Sequence["Bbox"], names: Sequence["Bbox"]) -> "Bbox":
    """Write a name at the first good place, the nearest ones first, and return the room that it takes."""
    fewest, best = math.inf, (NEAREST, DIRECTIONS[0])
    for reach, direction in itertools.product(REACHES, DIRECTIONS):
        note = _note(axes, disc, reach, direction)
        room = _room_of_name(note)
        note.remove()
        faults = room.count_overlaps([own, *others, *names]) + 2 * (not _lies_inside(room, axes.bbox))
        if reach == NEAREST:  # without a line, a name belongs to the disc that is nearest
            faults += any(_gap(room, other) < 2 * _gap(room, own) for other in others)
        if faults < fewest:
            fewest, best = faults, (reach, direction)
        if not faults:
            break
    return _room_of_name(_note(axes, disc, *best))


def _gap(one: "Bbox", other: "Bbox") -> float:
    """Return how far two boxes are apart, 0 where they meet."""
    x = max(0.0, one.x0 - other.x1, other.x0 - one.x1)
    y = max(0.0, one.y0 - other.y1, other.y0 - one.y1)
    return math.hypot(x, y)


def _note(axes: "Axes", disc: _Disc, reach: float, direction: int) -> Any:
    x, y = math.cos(math.radians(direction)), math.sin(math.radians(direction))
    away = disc.width / 2 + reach
    horizontal = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
    vertical = "center" if abs(y) < 0.1 else "bottom" if y > 0 else "top"
    line = {"arrowstyle": "-", "color": "#888888", "linewidth": 0.7, "shrinkA": 0, "shrinkB": disc.width / 2}
    note = axes.annotate(
        disc.name,
        disc.place,
        (round(x * away, 3), round(y * away, 3)),
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        fontsize=8.5,
        arrowprops=line if reach > NEAREST else None,
    )
    note.set_in_layout(False)  # or the axes would move under the discs that were measured
    return note


def _room_of_name(note: Any) -> "Bbox":
    """Return the room that a name takes, with a little air around it, its line left out."""
    from matplotlib.text import Text

    note.update_positions(note.figure.canvas.get_renderer())
    return Text.get_window_extent(note).padded(2.0)


def _room_of_disc(figure: "Figure", axes: "Axes", disc: _Disc) -> "Bbox":
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform(disc.place)
    side = disc.width * figure.dpi / 72
    return Bbox.from_bounds(x - side / 2, y - side / 2, side, side)


def _lies_inside(box: "Bbox", frame: "Bbox") -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
