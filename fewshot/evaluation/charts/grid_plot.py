"""The figure of a choice: how a nearest-neighbour classifier scores by neighbours that vote and votes that suffice."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.canvas import COLORS, new_figure, plain, png_bytes, quiet_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NUMBERED = 20
"""Cells of larger grids are too small for a number."""


def plot_knn_grid(
    grid: np.ndarray,
    path: str | Path | None = None,
    *,
    best: tuple[int, int] | None = None,
    title: str = "How many neighbors, how many votes",
) -> bytes:
    """Draw the scores that a nearest-neighbour classifier was chosen by, as a heat map.

    Parameters
    ----------
    grid : ndarray of shape (largest k, largest m)
        Scores from 0 to 1, ``grid[k - 1, m - 1]`` that of k neighbours of which m votes suffice; NaN where nothing was
        tried. ``KNNClassifier.grid_``. Of one column, as single-label tasks have, a curve is drawn.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    best : (int, int), optional
        The k and m to mark. Default: those of the best score, the first of equals.
    title : str

    Returns
    -------
    bytes
        The PNG; the same grid gives the same bytes.

    Raises
    ------
    InputError
        If the grid is no matrix, or nothing was tried.

    Examples
    --------
    >>> plot_knn_grid(np.array([[0.5, np.nan], [0.6, 0.4]]))[1:4]
    b'PNG'
    """
    grid = np.asarray(grid, dtype=np.float64)
    if grid.ndim != 2 or not np.isfinite(grid).any():
        raise InputError(f"grid must be a matrix with at least one score, got shape {grid.shape}")
    if best is None:
        k, m = np.unravel_index(np.nanargmax(grid), grid.shape)
        best = int(k) + 1, int(m) + 1
    if grid.shape[1] == 1:
        figure = new_figure(6.0, 4.0)
        _draw_curve(figure.subplots(), grid[:, 0], best[0])
    else:
        side = 1.6 + 0.38 * min(len(grid), MOST_NUMBERED)
        figure = new_figure(max(5.0, side + 1.2), max(4.0, side))
        _draw_map(figure, figure.subplots(), grid, best)
    figure.suptitle(plain(title))
    return png_bytes(figure, path)


def _draw_curve(axes: "Axes", scores: np.ndarray, best: int) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    tried = np.flatnonzero(np.isfinite(scores))
    axes.plot(tried + 1, scores[tried], color=COLORS[0], marker="o", linewidth=1.6, markersize=5.5)
    axes.plot([best], [scores[best - 1]], **_RING)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=1))
    axes.set_xlabel("neighbors that vote (k)")
    axes.set_ylabel("accuracy")
    axes.set_title(f"best: k = {best}, {100 * scores[best - 1]:.1f} %", fontsize=11)
    quiet_frame(axes)


_RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 13,
    "markerfacecolor": "none",
    "markeredgecolor": COLORS[1],
    "markeredgewidth": 2,
    "linestyle": "none",
}


def _draw_map(figure: "Figure", axes: "Axes", grid: np.ndarray, best: tuple[int, int]) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    edges = np.arange(grid.shape[1] + 1) + 0.5, np.arange(len(grid) + 1) + 0.5
    mesh = axes.pcolormesh(*edges, np.ma.masked_invalid(grid), cmap="cividis")
    if max(grid.shape) <= MOST_NUMBERED:
        _write_numbers(axes, grid)
    k, m = best
    frame = np.array([[m - 0.5, k - 0.5], [m + 0.5, k - 0.5], [m + 0.5, k + 0.5], [m - 0.5, k + 0.5]])
    axes.fill(*frame.T, fill=False, edgecolor=COLORS[1], linewidth=2.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    axes.set_xlabel("votes that suffice (m)")
    axes.set_ylabel("neighbors that vote (k)")
    axes.set_title(f"best: {m} of {k}, {100 * grid[k - 1, m - 1]:.1f} %", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    bar = figure.colorbar(mesh, ax=axes, format=PercentFormatter(xmax=1, decimals=0), label="micro F1")
    bar.outline.set_visible(False)


def _write_numbers(axes: "Axes", grid: np.ndarray) -> None:
    middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    for row, column in np.argwhere(np.isfinite(grid)):
        score = grid[row, column]
        color = "black" if score > middle else "white"
        axes.text(column + 1, row + 1, f"{100 * score:.0f}", ha="center", va="center", fontsize=7.5, color=color)
