"""The picture of a forecast: each learning curve as it was seen, continued as it is expected to go on.

Seen is what is solid, forecast what is dashed, its band the interval. The same numbers give the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.canvas import COLORS, MARKERS, new_figure, plain, png_bytes
from fewshot.evaluation.charts.plots import dress_curves, shifts_apart
from fewshot.evaluation.forecasts.curve_forecast import Forecast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = 25
"""Points of a dashed line."""

MOST_BANDS = 3
"""The intervals of more curves are drawn as bars at the sizes forecast, side by side: bands would hide each other."""


def plot_forecasts(
    forecasts: Sequence[Forecast],
    path: str | Path | None = None,
    *,
    target: float | None = None,
    title: str = "What more labels would bring",
) -> bytes:
    """Draw learning curves with their forecasts, one line a method or class.

    Parameters
    ----------
    forecasts : sequence of Forecast
        All of one metric. Of those that were refused what was seen is drawn, and the legend says so.
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    target : float, optional
        A score from 0 to 1, drawn as a line across.
    title : str
        Stands above.

    Returns
    -------
    bytes
        The PNG. Points are means over seeds; a band (of more
        than three curves, a bar) is to hold the share of trainings that the forecasts' ``interval`` says.

    Raises
    ------
    InputError
        If no forecast has seen a slice, or their metrics differ.

    Examples
    --------
    >>> from fewshot.evaluation.forecasts.curve_forecast import forecast_curve
    >>> scores = [[0.5, 0.6, 0.67, 0.72], [0.52, 0.6, 0.68, 0.73]]
    >>> plot_forecasts([forecast_curve("knn", [8, 16, 32, 64], scores)])[1:4]
    b'PNG'
    """
    shown = [forecast for forecast in forecasts if forecast.seen]
    if not shown:
        raise InputError("there is no finished result on labelled texts to plot")
    if len(metrics := {forecast.metric for forecast in shown}) > 1:
        raise InputError(f"forecasts must be of one metric, got {', '.join(sorted(metrics))}; draw one figure a metric")
    figure = new_figure(7.6, 4.8)
    axes = figure.subplots()
    handles = [_draw_seen(axes, forecast, **_style(number)) for number, forecast in enumerate(shown)]
    told = [(forecast, _style(number)) for number, forecast in enumerate(shown) if not forecast.refusal]
    shifts = shifts_apart(len(told) if len(told) > MOST_BANDS else 0)
    for (forecast, style), shift in zip(told, shifts, strict=False):
        _draw_ahead(axes, forecast, shift, bands=len(told) <= MOST_BANDS, **style)
    if target is not None:
        axes.axhline(target, color="#666666", linewidth=1.0, linestyle=":")
        axes.annotate(f"{100 * target:g} %", (0.0, target), (3, 2), xycoords=("axes fraction", "data"), **_SMALL)
    sizes = {size for forecast in shown for size in _sizes(forecast)}
    dress_curves(axes, shown[0].metric, {size: size for size in sizes})
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.01), min(high, 1.01))
    figure.suptitle(plain(title))
    _explain(figure, shown, handles)
    return png_bytes(figure, path)


_SMALL: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8.5, "color": "#555555"}


def _style(number: int) -> dict[str, Any]:
    """Return colour and marker of a curve; where colours repeat, markers do not."""
    return {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}


def _sizes(forecast: Forecast) -> list[float]:
    return [slice_.n_train for slice_ in forecast.seen] + [float(said.n_train) for said in forecast.predictions]


def _draw_seen(axes: "Axes", forecast: Forecast, **style: Any) -> Any:
    sizes, means = zip(*((slice_.n_train, slice_.mean) for slice_ in forecast.seen), strict=True)
    return axes.plot(sizes, means, linewidth=1.6, markersize=5.5, **style)[0]


def _draw_ahead(axes: "Axes", forecast: Forecast, shift: float, *, bands: bool, color: str, marker: str) -> None:
    """Draw the dashed line beyond the largest slice, a hollow point at each size forecast, and the interval."""
    last = forecast.seen[-1].n_train
    ahead = [said for said in forecast.predictions if said.n_train > last]
    if not ahead:
        return
    steps = np.geomspace(last, ahead[-1].n_train, STEPS)
    between = [forecast.predict(size) for size in steps]
    axes.plot(steps, [said.score for said in between], color=color, linewidth=1.6, linestyle="--")
    sizes, scores = [said.n_train * shift for said in ahead], [said.score for said in ahead]
    if bands:
        low, high = [said.low for said in between], [said.high for said in between]
        axes.fill_between(steps, low, high, color=color, alpha=0.13, linewidth=0)
    else:
        ends = [[said.score - said.low for said in ahead], [said.high - said.score for said in ahead]]
        axes.errorbar(sizes, scores, yerr=ends, color=color, linewidth=1.0, capsize=2.5, linestyle="none")
    axes.plot(sizes, scores, color=color, marker=marker, markersize=5.5, markerfacecolor="white", linestyle="none")


def _explain(figure: "Figure", shown: Sequence[Forecast], handles: list[Any]) -> None:
    """Write the legend: who is who, what is dashed, what the interval holds."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    labels = [plain(f"{one.name} (not forecast)" if one.refusal else one.name) for one in shown]
    n_told = sum(not one.refusal for one in shown)
    if n_told:
        gray = "#555555"
        band = Patch(color=gray, alpha=0.13, linewidth=0)
        bar = Line2D([], [], color=gray, marker="|", markersize=9, linestyle="none")
        handles = [*handles, Line2D([], [], color=gray, linestyle="--"), band if n_told <= MOST_BANDS else bar]
        labels += ["forecast", f"{100 * shown[0].interval:g} % of trainings"]
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False, fontsize=9)
