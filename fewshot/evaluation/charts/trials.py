"""The figure of a hyper-parameter search: what each trial came to, and each setting against it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.canvas import COLORS, new_figure, plain, png_bytes, quiet_frame
from fewshot.evaluation.charts.plots import NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Trial = Mapping[str, Any]

COLUMNS = 4
COMPLETE, PRUNED, DEFAULT = COLORS[0], "#999999", COLORS[1]
WIDE_RANGE = 5.0
"""Numbers whose largest is more than so many times the smallest are drawn on a logarithmic axis."""

ROOM = 26
"""Letters that stand side by side under a panel."""


def plot_trials(
    trials: Sequence[Trial],
    path: str | Path | None = None,
    *,
    metric: str = "accuracy",
    title: str = "What other settings bring",
) -> bytes:
    """Draw the score of each trial with the best so far, and below it the score against each setting.

    Parameters
    ----------
    trials : sequence of mappings
        Each with ``number``, ``state`` (``complete``, ``pruned`` or ``failed``), ``score`` from 0 to 1 or ``None``, and
        ``params``. The first is the default, to which a dashed line is drawn.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    metric : str, default "accuracy"
        What the score is.
    title : str
        Stands above.

    Returns
    -------
    bytes
        The PNG. Trials that were stopped early are hollow: their score is of fewer texts. Failed ones have no point.

    Raises
    ------
    InputError
        If no trial is complete.

    Examples
    --------
    >>> plot_trials([{"number": 0, "state": "complete", "score": 0.8, "params": {"loss": "cosine"}}])[1:4]
    b'PNG'
    """
    scored = [trial for trial in trials if trial["score"] is not None]
    if not any(trial["state"] == "complete" for trial in scored):
        raise InputError("there is no complete trial to plot; look at the column error of trials.csv")
    names = list(dict.fromkeys(name for trial in scored for name in trial["params"]))
    rows = math.ceil(len(names) / COLUMNS)
    figure = new_figure(10.0, 3.4 + 2.5 * rows)
    grid = figure.add_gridspec(1 + rows, COLUMNS, height_ratios=[1.3] + [1.0] * rows)
    top = figure.add_subplot(grid[0, :])
    _draw_course(top, scored)
    _dress(top, "trial", NAMES.get(metric, metric))
    top.legend(frameon=False, fontsize=9, loc="best")
    for place, name in enumerate(names):
        axes = figure.add_subplot(grid[1 + place // COLUMNS, place % COLUMNS], sharey=top)
        _draw_setting(axes, name, [trial for trial in scored if name in trial["params"]])
        _dress(axes, name, NAMES.get(metric, metric) if place % COLUMNS == 0 else "")
    figure.suptitle(plain(title))
    return png_bytes(figure, path)


def _draw_course(axes: "Axes", scored: Sequence[Trial]) -> None:
    from matplotlib.ticker import MaxNLocator

    complete = [trial for trial in scored if trial["state"] == "complete"]
    if scored[0] is complete[0] and scored[0]["number"] == 0:
        axes.axhline(scored[0]["score"], color=DEFAULT, linestyle="--", linewidth=1.2, label="default")
    best: list[float] = []
    for trial in complete:
        best.append(max([trial["score"], *best[-1:]]))
    numbers = [trial["number"] for trial in complete]
    axes.step(
        [*numbers, scored[-1]["number"]],
        [*best, best[-1]],
        where="post",
        color=COMPLETE,
        linewidth=1.2,
        label="best so far",
    )
    for trials, style, label in _kinds(scored):
        points = [trial["number"] for trial in trials], [trial["score"] for trial in trials]
        axes.scatter(*points, s=26, zorder=3, label=label, **style)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _kinds(trials: Sequence[Trial]) -> list[tuple[list[Trial], dict[str, Any], str]]:
    complete = [trial for trial in trials if trial["state"] == "complete"]
    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    kinds: list[tuple[list[Trial], dict[str, Any], str]] = [
        (complete, {"color": COMPLETE}, "complete"),
        (pruned, {"facecolors": "none", "edgecolors": PRUNED}, "stopped early"),
    ]
    return [kind for kind in kinds if kind[0]]


def _draw_setting(axes: "Axes", name: str, trials: Sequence[Trial]) -> None:
    values = [trial["params"][name] for trial in trials]
    numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    words = [] if numeric else sorted({str(value) for value in values})
    for some, style, _ in _kinds(trials):
        given = [trial["params"][name] for trial in some]
        axes.scatter(
            given if numeric else [words.index(str(value)) for value in given],
            [trial["score"] for trial in some],
            s=22,
            **style,
        )
    if words:
        long = sum(map(len, words)) > ROOM
        slant: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axes.set_xticks(range(len(words)), [plain(word) for word in words], **slant)
        axes.set_xlim(-0.5, len(words) - 0.5)
    elif min(values) > 0 and max(values) / min(values) > WIDE_RANGE:
        _logarithmic(axes, min(values), max(values))
    else:
        axes.locator_params(axis="x", nbins=4)


def _logarithmic(axes: "Axes", low: float, high: float) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    ticks = [low, math.sqrt(low * high), high]
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:,.0f}" if tick >= 100 else f"{tick:.2g}" for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())


def _dress(axes: "Axes", x: str, y: str) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_xlabel(plain(x))
    axes.set_ylabel(y)
    quiet_frame(axes)
