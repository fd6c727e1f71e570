"""A tree of boxes from left to right, the way that was taken drawn strong. What is in the boxes comes from above."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.evaluation.charts.canvas import COLORS, new_figure, plain, png_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches.
_FORK, _END, _GAP, _MARGIN = 1.7, 3.0, 0.32, 0.12
_LINE, _PADDING, _BETWEEN = 0.165, 0.08, 0.11
_SLACK = 0.97  # letters are set to whole dots, which may take more room than their outlines
_TAKEN, _PASSED, _TINT = COLORS[1], "#9aa5b1", "#fdf0e6"
_FONT = 8.5


@dataclasses.dataclass(frozen=True)
class Box:
    """One box, and those that follow from it.

    Parameters
    ----------
    answer : str
        What leads here; empty for the first box.
    text : str
    methods : str, default ""
        Names that stand out, below the text.
    taken : bool, default False
        Whether the way goes through here.
    below : tuple of Box, default ()
    """

    answer: str
    text: str
    methods: str = ""
    taken: bool = False
    below: tuple["Box", ...] = ()


@dataclasses.dataclass(frozen=True)
class _Place:
    """A box with its lines and where they go; ``y`` is its middle, from the top."""

    box: Box
    lines: tuple[tuple[str, dict[str, Any]], ...]
    x: float
    y: float
    width: float
    below: tuple["_Place", ...]

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _PADDING


def plot_tree(root: Box, path: str | Path | None = None, *, footnote: str = "") -> bytes:
    """Draw a tree of boxes: forks by their depth, ends below each other on the right.

    Parameters
    ----------
    root : Box
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    footnote : str, default ""

    Returns
    -------
    bytes
        The PNG, 9 to 10 inches wide for three forks in a row.

    Examples
    --------
    >>> plot_tree(Box("", "Labels?", below=(Box("no", "label some"), Box("yes", "train"))))[1:4]
    b'PNG'
    """
    depth = _depth(root)
    width = depth * (_FORK + _GAP) + _END + 2 * _MARGIN
    place, bottom = _placed(root, 0, depth, _MARGIN)
    height = bottom - _BETWEEN + _MARGIN + (1.6 * _LINE if footnote else 0)
    figure = new_figure(width, height)
    figure.set_layout_engine("none")  # all is placed to the inch
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    for one in sorted(_all(place), key=lambda one: one.box.taken):  # what was taken lies above what was not
        _draw(axes, one)
    if footnote:
        axes.text(width - _MARGIN, height - _MARGIN, plain(footnote), ha="right", fontsize=_FONT - 1, color="#555555")
    return png_bytes(figure, path)


def _depth(box: Box) -> int:
    return 1 + max(map(_depth, box.below)) if box.below else 0


def _placed(box: Box, column: int, depth: int, top: float) -> tuple[_Place, float]:
    """Return where a box and all below it go, and where the next one may begin."""
    x = _MARGIN + (column if box.below else depth) * (_FORK + _GAP)
    width = _FORK if box.below else _END
    lines = tuple(_lines(box, width - 2 * _PADDING))
    below, bottom = [], top
    for following in box.below:
        place, bottom = _placed(following, column + 1, depth, bottom)
        below.append(place)
    height = len(lines) * _LINE + 2 * _PADDING
    if not below:
        return _Place(box, lines, x, top + height / 2, width, ()), top + height + _BETWEEN
    middle = (below[0].y + below[-1].y) / 2
    return _Place(box, lines, x, middle, width, tuple(below)), max(bottom, middle + height / 2 + _BETWEEN)


def _lines(box: Box, room: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the lines of a box, each with how it is drawn."""
    strong, color = _TAKEN if box.taken else COLORS[0], "#222222"
    for text, weight, ink in ((box.answer, "bold", strong), (box.text, "normal", color), (box.methods, "bold", color)):
        for line in _wrapped(text, room, weight):
            yield line, {"fontweight": weight, "color": ink}


def _wrapped(text: str, room: float, weight: str) -> list[str]:
    """Break text between words, so that no line is longer than the room in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(weight=weight, size=_FONT)
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        points, _, _ = text_to_path.get_text_width_height_descent(longer, font, ismath=False)
        if lines and points / 72 <= _SLACK * room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _all(place: _Place) -> Iterator[_Place]:
    yield place
    for following in place.below:
        yield from _all(following)


def _draw(axes: "Axes", place: _Place) -> None:
    from matplotlib.patches import FancyBboxPatch

    color, strength = (_TAKEN, 1.8) if place.box.taken else (_PASSED, 0.9)
    fill = _TINT if place.box.taken else "white" if place.below else "#f4f7fa"
    top = place.y - place.height / 2
    corner = (place.x, top)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            place.width,
            place.height,
            boxstyle="round,pad=0,rounding_size=0.06",
            edgecolor=color,
            facecolor=fill,
            linewidth=strength,
            zorder=2,
        )
    )
    for number, (line, style) in enumerate(place.lines):
        y = top + _PADDING + (number + 0.5) * _LINE
        axes.text(place.x + _PADDING, y, plain(line), va="center_baseline", fontsize=_FONT, zorder=3, **style)
    for following in place.below:
        taken = place.box.taken and following.box.taken
        bend = place.x + place.width + _GAP / 2
        axes.plot(
            [place.x + place.width, bend, bend, following.x],
            [place.y, place.y, following.y, following.y],
            color=_TAKEN if taken else _PASSED,
            linewidth=1.8 if taken else 0.9,
            solid_joinstyle="round",
            zorder=1.5 if taken else 1,
        )
