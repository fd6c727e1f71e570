"""The figure of classes."""

import matplotlib.axes
import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.class_plot import MOST_CLASSES, plot_classes


def test_numbers_stand_where_they_belong(monkeypatch, tmp_path):
    """Prevents rows and columns that are swapped, and a class that stands beside another one's figures."""
    written = {}
    text = matplotlib.axes.Axes.text
    monkeypatch.setattr(
        matplotlib.axes.Axes,
        "text",
        lambda self, x, y, s, **more: written.update({(x, y): s}) or text(self, x, y, s, **more),
    )
    scores = np.array([[0.9, 0.2, 0.5], [0.7, np.nan, 0.3]])
    png = plot_classes(scores, ["one", "two"], ["easy", "hard", "middling"], tmp_path / "a.png")
    assert written == {(0.5, 0.5): "20", (0.5, 1.5): "50", (1.5, 1.5): "30", (0.5, 2.5): "90", (1.5, 2.5): "70"}
    assert (
        (tmp_path / "a.png").read_bytes() == png == plot_classes(scores, ["one", "two"], ["easy", "hard", "middling"])
    )


def test_many_classes_and_odd_names():
    """Prevents a picture ten screens high, and names that matplotlib takes for formulas."""
    rng = np.random.default_rng(0)
    png = plot_classes(rng.random((3, 150)), ["$x$", "_hidden", "m" * 80], [f"class {i}" for i in range(150)])
    height = int.from_bytes(png[20:24], "big")
    assert height < 150 * (2 + 0.31 * MOST_CLASSES)


def test_what_does_not_fit_is_refused():
    """Prevents a picture of other methods than named."""
    for scores in (np.zeros((1, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(InputError, match="2 methods and 2 classes"):
            plot_classes(scores, ["a", "b"], ["x", "y"])
