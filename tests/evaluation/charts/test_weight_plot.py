"""Histograms of weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.evaluation.charts import weight_plot
from fewshot.evaluation.charts.weight_plot import plot_weights

WEIGHTS = np.random.default_rng(0).normal(size=(50, 40))


def test_the_same_weights_give_the_same_bytes(tmp_path):
    """Prevents a figure that depends on the clock, and a file that is not what was returned."""
    after = np.where(abs(WEIGHTS) > 0.5, WEIGHTS, 0)
    png = plot_weights({"attention": WEIGHTS}, {"attention": after}, tmp_path / "weights.png")
    assert png == plot_weights({"attention": WEIGHTS}, {"attention": after}) == (tmp_path / "weights.png").read_bytes()
    assert png != plot_weights({"attention": WEIGHTS}, {"attention": WEIGHTS})


def test_what_went_is_said(monkeypatch):
    """Prevents a share of zeros that counts removed weights, and kinds that are not drawn."""
    figures = []
    draw = weight_plot.png_bytes
    monkeypatch.setattr(weight_plot, "png_bytes", lambda figure, path: (figures.append(figure), draw(figure, path))[1])
    after = {"a$b": np.where(WEIGHTS > 0, WEIGHTS, 0), "units": WEIGHTS[:, :10], "same": WEIGHTS, "zeros": 0 * WEIGHTS}
    plot_weights(dict.fromkeys(after, WEIGHTS), after)
    titles = [axes.get_title() for axes in figures[0].axes if axes.get_visible()]
    zeros = 100 * float((WEIGHTS <= 0).mean())
    assert titles == [
        rf"a\$b: {zeros:.1f} % zero",
        "units: 0.0 % zero, 75.0 % removed",
        "same: 0.0 % zero",
        "zeros: 100.0 % zero",
    ]


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-30, 1e30), n=st.integers(1, 5))
def test_any_finite_weights_are_drawn(scale, n):
    """Prevents a crash on few, tiny or huge weights."""
    assert plot_weights({"x": np.full(n, scale)}, {"x": np.zeros(n)})[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, {}, "got none and none"),
        ({"a": WEIGHTS}, {"b": WEIGHTS}, "same kinds, got a and b"),
        ({"a": WEIGHTS}, {"a": WEIGHTS * np.nan}, "finite numbers"),
        ({"a": WEIGHTS[:0]}, {"a": WEIGHTS}, "got 0 values"),
    ],
)
def test_what_cannot_be_drawn_is_refused(before, after, message):
    """Prevents an empty figure."""
    with pytest.raises(InputError, match=message):
        plot_weights(before, after)
