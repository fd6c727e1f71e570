"""The figure of score against speed and size: that it is drawn, always alike, and joins the right points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.frontier_plot import plot_frontier, unbeaten

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def points(*triples):
    """Make models for the frontier."""
    return [
        {"name": f"model {i}", "accuracy": accuracy, "texts_per_second": speed, "size_mb": size}
        for i, (accuracy, speed, size) in enumerate(triples)
    ]


@pytest.fixture
def drawn(monkeypatch):
    """Figures, in place of their bytes."""
    figures = []
    target = "fewshot.evaluation.charts.frontier_plot.png_bytes"
    monkeypatch.setattr(target, lambda figure, path: figures.append(figure) or b"")
    return figures


def test_the_frontier_is_a_png_with_the_same_bytes_each_time(tmp_path):
    """Prevents marks from being placed by chance."""
    models = points((0.9, 50.0, 400.0), (0.85, 900.0, 70.0), (0.84, 1000.0, 18.0), (0.6, 50_000.0, 0.0))
    first = plot_frontier(models, tmp_path / "frontier.png")
    assert first.startswith(SIGNATURE)
    assert plot_frontier(models) == first == (tmp_path / "frontier.png").read_bytes()


@pytest.mark.parametrize("models", [points((0.5, 1.0, 0.0)), points((0.5, 1.0, 1.0), (0.5, 1.0, 1.0))])
def test_a_frontier_of_one_model_or_of_equals_can_be_drawn(models):
    """Prevents a crash on a single model, on equal ones, and on a size of 0."""
    assert plot_frontier(models).startswith(SIGNATURE)


@pytest.mark.parametrize("models", [[], points((0.5, 0.0, 1.0)), points((0.5, None, None))])
def test_no_models_or_no_speed_are_refused(models):
    """Prevents a point at the logarithm of 0, which matplotlib drops without a word."""
    with pytest.raises(InputError):
        plot_frontier(models)


def test_what_is_not_known_of_a_model_leaves_its_other_panel(drawn):
    """Prevents a model whose size could not be measured from being drawn as the smallest, or from being dropped."""
    plot_frontier(points((0.9, 50.0, None), (0.8, None, 20.0)))
    speed, size = drawn[0].axes
    for axes, expected in ((speed, (50.0, 0.9)), (size, (20.0, 0.8))):
        [mark] = [line for line in axes.lines if line.get_linestyle() == "None"]
        assert (*mark.get_xdata(), *mark.get_ydata()) == expected
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["model 0", "model 1"]
    plot_frontier(points((0.9, 50.0, None)))
    assert len(drawn[1].axes) == 1


def test_methods_differ_by_shape_and_variants_by_filling(drawn):
    """Prevents a figure that says nothing in grey, or shows the same method under two colours."""
    models = [{**point, "method": name} for point, name in zip(points(*[(0.5, 9.0, 9.0)] * 3), "aab", strict=True)]
    plot_frontier(models)
    marks = [line for line in drawn[0].axes[0].lines if line.get_linestyle() == "None"]
    shapes = [(line.get_color(), line.get_marker(), line.get_fillstyle()) for line in marks]
    assert shapes[0][:2] == shapes[1][:2] != shapes[2][:2]
    assert shapes[0][1] != shapes[2][1]
    assert shapes[0][2] != shapes[1][2]


def test_every_panel_has_numbers_on_its_axis(drawn):
    """Prevents a logarithmic axis that lies within one power of ten and shows no number at all."""
    plot_frontier(points((0.9, 230.0, 91.6), (0.8, 310.0, 91.9)))
    for axes in drawn[0].axes:
        drawn[0].draw_without_rendering()
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high]


places = st.tuples(st.none() | st.floats(0.1, 1e6), st.floats(0, 1))


@given(st.lists(places, max_size=12), st.sampled_from([1, -1]))
def test_none_on_the_line_is_beaten_and_all_others_are(found, better):
    """Prevents a line through a method that another beats in both, or past one that none beats."""
    front = unbeaten(found, better=better)
    known = np.array([place for place in found if place[0] is not None]).reshape(-1, 2)
    for cost, score in known:
        cheap = better * known[:, 0] >= better * cost
        is_beaten = np.any(cheap & (known[:, 1] >= score) & ((known[:, 0] != cost) | (known[:, 1] != score)))
        assert ((cost, score) in front) == (not is_beaten)
