"""The picture of a tree: nothing overlaps, nothing runs out of its box."""

import itertools

import pytest
from matplotlib.patches import FancyBboxPatch

from fewshot.evaluation.charts import tree_plot
from fewshot.evaluation.charts.tree_plot import Box, plot_tree
from fewshot.recipes.decision_tree import TREE
from fewshot.recipes.tree_views import plot_decision_tree

LONG = "a method with a long name, " * 12


def small():
    """Two forks, three ends of different heights."""
    ends = Box("few", "label more", taken=True), Box("many", "train", LONG)
    return Box(
        "", "How many?", taken=True, below=(Box("some $ _x", "And then?", below=ends, taken=True), Box("none", ""))
    )


@pytest.fixture
def figures(monkeypatch):
    """The figures that were drawn."""
    drawn = []
    png = tree_plot.png_bytes
    monkeypatch.setattr(tree_plot, "png_bytes", lambda figure, path=None: drawn.append(figure) or png(figure, path))
    return drawn


@pytest.mark.parametrize("draw", [lambda: plot_tree(small(), footnote="x"), plot_decision_tree], ids=["small", "ours"])
def test_nothing_overlaps_and_all_is_inside(draw, figures):
    """Text over text cannot be read; a line longer than its box is cut by the next one."""
    draw()
    (figure,) = figures
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes)
    for text in axes.texts:
        extent = text.get_window_extent(renderer)
        homes = [
            box
            for box in boxes
            if box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1
        ]
        assert len(homes) == 1 or text.get_text() in ("x", "* not in this version"), text.get_text()


def test_the_way_taken_stands_out(figures):
    """A path that is not seen is no path."""
    plot_tree(small())
    strong = [patch for patch in figures[0].axes[0].patches if patch.get_linewidth() > 1.5]
    assert len(strong) == 3
    assert [line.get_linewidth() > 1.5 for line in figures[0].axes[0].lines].count(True) == 2


def test_the_same_tree_gives_the_same_bytes(tmp_path):
    """A picture in the documentation must not change where no rule did."""
    made = plot_tree(small(), tmp_path / "tree.png")
    assert plot_tree(small()) == made == (tmp_path / "tree.png").read_bytes()
    assert plot_tree(Box("", "Only an end")).startswith(b"\x89PNG")
    assert TREE.branches
