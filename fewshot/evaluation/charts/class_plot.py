"""The figure of classes: how well each method knows each class, as a heat map."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.canvas import new_figure, plain, png_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES = 40
"""A picture of more is no picture: the hardest are drawn."""

LONGEST_NAME = 28


def plot_classes(
    scores: np.ndarray,
    methods: Sequence[str],
    classes: Sequence[str],
    path: str | Path | None = None,
    *,
    title: str = "How well each class is known",
) -> bytes:
    """Draw the F1 of each class by each method, the hardest class on top.

    Parameters
    ----------
    scores : ndarray of shape (n_methods, n_classes)
        From 0 to 1; NaN where nothing is known.
    methods : sequence of str
        Columns, in this order.
    classes : sequence of str
        Rows; sorted by their mean over methods, and of more than 40 the hardest.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    title : str

    Returns
    -------
    bytes
        The PNG; the same scores give the same bytes.

    Raises
    ------
    InputError
        If the names do not fit the scores, or nothing is known.

    Examples
    --------
    >>> plot_classes(np.array([[0.5, 0.9]]), ["knn"], ["spam", "ham"])[1:4]
    b'PNG'
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(methods), len(classes)) or not np.isfinite(scores).any():
        raise InputError(
            f"scores must hold a number for {len(methods)} methods and {len(classes)} classes, got shape {scores.shape}"
        )
    means = np.where(np.isfinite(scores), scores, 0.0).sum(axis=0) / np.maximum(np.isfinite(scores).sum(axis=0), 1)
    order = np.argsort(means, kind="stable")[:MOST_CLASSES]
    figure = new_figure(max(4.5, 2.6 + 0.62 * len(methods)), 1.7 + 0.3 * len(order))
    axes = figure.subplots()
    mesh = axes.pcolormesh(np.ma.masked_invalid(scores[:, order].T), cmap="cividis", vmin=0, vmax=1)
    _write_numbers(axes, scores[:, order].T)
    axes.set_xticks(np.arange(len(methods)) + 0.5, [plain(_cut(name)) for name in methods], rotation=35, ha="right")
    axes.set_yticks(np.arange(len(order)) + 0.5, [plain(_cut(str(classes[place]))) for place in order])
    axes.invert_yaxis()
    axes.tick_params(labelsize=8.5, length=0)
    axes.spines[:].set_visible(False)
    left_out = len(classes) - len(order)
    axes.set_title(plain(title) + (f"; the {len(order)} hardest of {len(classes)}" if left_out else ""), fontsize=11)
    bar = figure.colorbar(mesh, ax=axes, label="F1")
    bar.outline.set_visible(False)
    return png_bytes(figure, path)


def _write_numbers(axes: "Axes", scores: np.ndarray) -> None:
    for row, column in np.argwhere(np.isfinite(scores)):
        score = scores[row, column]
        color = "black" if score > 0.5 else "white"
        axes.text(column + 0.5, row + 0.5, f"{100 * score:.0f}", ha="center", va="center", fontsize=8, color=color)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
