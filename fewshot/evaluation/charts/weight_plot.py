"""The weights of a model before and after pruning: histograms by kind of layer, and how many are zero."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.canvas import COLORS, new_figure, plain, png_bytes, quiet_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 81
"""An odd number, so that zero is in the middle of one."""

_COLUMNS = 3
_SEEN = 99.8
"""Percent of the weights whose range is drawn; a handful far outside would press all others together."""


def plot_weights(
    before: Mapping[str, np.ndarray],
    after: Mapping[str, np.ndarray],
    path: str | Path | None = None,
    *,
    title: str = "Weights before and after pruning",
) -> bytes:
    """Draw histograms of weights before and after pruning, a panel for each kind of layer.

    Parameters
    ----------
    before, after : mapping of str to ndarray
        All weights of a kind in one array of any shape, by the kind's name, such as ``"feed-forward"``; the same kinds
        in both. Sizes may differ: whole units may have gone.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    title : str

    Returns
    -------
    bytes
        The PNG; the same weights give the same bytes. Zeros are not drawn, they would hide all else: their share stands
        above each panel.

    Raises
    ------
    InputError
        If there are no weights, the kinds differ, or a weight is not finite.

    Examples
    --------
    >>> weights = np.random.default_rng(0).normal(size=1000)
    >>> plot_weights({"attention": weights}, {"attention": np.where(abs(weights) > 1, weights, 0)})[1:4]
    b'PNG'
    """
    if not before or set(before) != set(after):
        raise InputError(
            f"before and after must hold weights of the same kinds, got {', '.join(before) or 'none'} and "
            f"{', '.join(after) or 'none'}"
        )
    kinds = {kind: (_flat(kind, before[kind]), _flat(kind, after[kind])) for kind in before}
    columns = min(_COLUMNS, len(kinds))
    rows = -(-len(kinds) // columns)
    figure = new_figure(1.0 + 3.6 * columns, 0.8 + 2.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes, (kind, weights) in zip(panels, kinds.items(), strict=False):
        _draw(axes, kind, *weights)
    for axes in panels[len(kinds) :]:
        axes.set_visible(False)
    panels[0].legend(frameon=False, fontsize=9)
    figure.suptitle(plain(title))
    return png_bytes(figure, path)


def _flat(kind: str, weights: np.ndarray) -> np.ndarray:
    flat = np.asarray(weights, dtype=np.float64).reshape(-1)
    if not len(flat) or not np.isfinite(flat).all():
        raise InputError(f"weights of {kind!r} must be finite numbers, at least one; got {len(flat)} values")
    return flat


def _draw(axes: "Axes", kind: str, before: np.ndarray, after: np.ndarray) -> None:
    edge = float(np.percentile(np.abs(before), _SEEN)) or 1.0
    edges = np.linspace(-edge, edge, BINS + 1)
    for weights, name, color in ((before, "before", COLORS[5]), (after, "after", COLORS[1])):
        counts, _ = np.histogram(weights[weights != 0], bins=edges)
        axes.stairs(
            counts, edges, fill=name == "before", alpha=0.6 if name == "before" else 1.0, color=color, label=name
        )
    zeros = f"{100 * np.mean(after == 0):.1f} % zero"
    if len(after) != len(before):
        zeros += f", {100 * (1 - len(after) / len(before)):.1f} % removed"
    axes.set_title(f"{plain(kind)}: {zeros}", fontsize=10)
    axes.set_xlabel("weight")
    axes.set_ylabel("how many")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4))
    quiet_frame(axes)
