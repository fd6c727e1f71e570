"""How a model learnt: the loss of each step and what was seen on held-out texts. The same numbers, the same bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.canvas import COLORS, MARKERS, new_figure, png_bytes, quiet_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HELD_OUT = {
    "cosine_correlation": "correlation of cosines",
    "agreement": "agreement with the teacher",
    "held_out_loss": "loss",
}
_SHARES = ("cosine_correlation", "agreement")
"""Figures of 1 at most."""

_SMOOTHED = 20
"""A loss of many steps is drawn beside its mean over so many parts of the training."""


def plot_training_curve(
    losses: Sequence[float],
    curve: Sequence[Mapping[str, Any]],
    path: str | Path | None = None,
    *,
    before: Mapping[str, float | None] | None = None,
    kept_step: int | None = None,
    title: str = "How the student learnt",
) -> bytes:
    """Draw the loss of a training and the held-out figures of its looks, one panel each.

    Parameters
    ----------
    losses : sequence of float
        Of each step.
    curve : sequence of mapping
        Of each look: ``step``, and what of :data:`HELD_OUT` is known.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    before : mapping, optional
        The same figures before the first step.
    kept_step : int, optional
        The step whose weights were kept, drawn as a line across both panels.
    title : str

    Returns
    -------
    bytes
        The PNG.

    Raises
    ------
    InputError
        If there were no steps.

    Examples
    --------
    >>> plot_training_curve([0.3, 0.1], [{"step": 2, "agreement": 0.9, "cosine_correlation": 0.8}])[1:4]
    b'PNG'
    """
    if not len(losses):
        raise InputError("there is no step to plot; the training had steps=0")
    looks = [{"step": 0, **before}] if before else []
    looks += [dict(row) for row in curve]
    panels = [name for name in HELD_OUT if any(row.get(name) is not None for row in looks)]
    figure = new_figure(9.2 if panels else 4.8, 3.8)
    axes = figure.subplots(1, 2 if panels else 1, squeeze=False)[0]
    _draw_losses(axes[0], losses)
    if panels:
        for place, name in enumerate(panels):
            known = [(row["step"], row[name]) for row in looks if row.get(name) is not None]
            style = {"color": COLORS[place + 1], "marker": MARKERS[place], "markersize": 4}
            axes[1].plot(*zip(*known, strict=True), label=HELD_OUT[name], **style)
        _dress(axes[1], "on held-out texts")
        if all(name in _SHARES for name in panels):
            axes[1].set_ylim(top=1.01)
        axes[1].legend(frameon=False, loc="lower right" if panels[0] in _SHARES else "upper right", fontsize=9)
    for panel in axes:
        if kept_step is not None:
            panel.axvline(kept_step, color="#888888", linewidth=0.9, linestyle=":")
    figure.suptitle(title)
    return png_bytes(figure, path)


def _draw_losses(axes: "Axes", losses: Sequence[float]) -> None:
    steps = np.arange(1, len(losses) + 1)
    many = len(losses) > 2 * _SMOOTHED
    axes.plot(steps, losses, color=COLORS[0], linewidth=0.8, alpha=0.35 if many else 1.0)
    if many:
        parts = np.array_split(steps, _SMOOTHED)
        means = [float(np.mean([losses[step - 1] for step in part])) for part in parts]
        axes.plot([part.mean() for part in parts], means, color=COLORS[0], linewidth=1.8)
    if min(losses) > 0 and max(losses) > 20 * min(losses):
        axes.set_yscale("log")
    _dress(axes, "loss")


def _dress(axes: "Axes", name: str) -> None:
    quiet_frame(axes)
    axes.set_xlabel("step")
    axes.set_title(name, fontsize=10)
