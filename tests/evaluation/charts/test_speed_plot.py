"""The figure of what speed costs: always alike, from any models, with names that can be read."""

import itertools

import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.charts import speed_plot
from fewshot.evaluation.charts.speed_plot import plot_speeds

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def points(*triples):
    """Make models for the frontier."""
    return [
        {"name": f"model {i}", "accuracy": accuracy, "texts_per_second": speed, "size_mb": size}
        for i, (accuracy, speed, size) in enumerate(triples)
    ]


def crowd(n, seed, *, narrow=False):
    """Make models of random speed, size and score; narrow ones lie close together."""
    rng = np.random.default_rng(seed)
    return [
        {
            "name": f"a model called {i}",
            "accuracy": float(rng.uniform(0.88, 0.9) if narrow else rng.uniform(0.5, 0.95)),
            "latency_ms": float(10 ** (rng.uniform(0.5, 1.0) if narrow else rng.uniform(-1, 2.3))),
            "size_mb": float(10 ** rng.uniform(0, 2.6)),
        }
        for i in range(n)
    ]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, as objects."""
    figures, real = [], speed_plot.png_bytes
    monkeypatch.setattr(speed_plot, "png_bytes", lambda figure, path=None: figures.append(figure) or real(figure, path))
    return figures


def test_it_is_a_png_with_the_same_bytes_each_time(tmp_path):
    """Prevents labels from being placed by chance."""
    models = points((0.9, 50.0, 400.0), (0.85, 900.0, 70.0), (0.84, 1000.0, 18.0), (0.6, 50_000.0, 0.0))
    first = plot_speeds(models, tmp_path / "frontier.png")
    assert first.startswith(SIGNATURE)
    assert plot_speeds(models) == first == (tmp_path / "frontier.png").read_bytes()


@pytest.mark.parametrize(
    "models", [points((0.5, 1.0, 0.0)), points((0.5, 1.0, 1.0), (0.5, 1.0, 1.0), (0.5, 1.0, None))]
)
def test_one_model_or_equals_can_be_drawn(models):
    """Prevents a crash on a single model, on equal ones, on a size of 0 and on none."""
    assert plot_speeds(models).startswith(SIGNATURE)


@pytest.mark.parametrize("models", [[], points((0.5, 0.0, 1.0))])
def test_no_models_or_no_speed_are_refused(models):
    """Prevents a point at the logarithm of 0, which matplotlib drops without a word."""
    with pytest.raises(InputError):
        plot_speeds(models)
    with pytest.raises(InputError, match="speed must be one of"):
        plot_speeds(points((0.5, 1.0, 1.0)), speed="seconds")


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("n", [2, 6, 12])
@pytest.mark.parametrize("seed", range(4))
def test_names_cover_neither_names_nor_discs(n, seed, narrow, drawn):
    """Prevents a figure in which two models of one speed cannot be told apart."""
    from matplotlib.text import Text

    plot_speeds(crowd(n, seed, narrow=narrow), speed="latency_ms")
    [figure] = drawn
    [axes] = figure.axes
    names = [note for note in axes.texts if note.get_text()]
    assert len(names) == n
    boxes = [Text.get_window_extent(note) for note in names]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    for disc in axes.collections:
        x, y = axes.transData.transform(disc.get_offsets()[0])
        radius = disc.get_sizes()[0] ** 0.5 / 2 * figure.dpi / 72
        for box in boxes:
            near_x, near_y = np.clip(x, box.x0, box.x1), np.clip(y, box.y0, box.y1)
            assert np.hypot(near_x - x, near_y - y) > 0.7 * radius


def test_the_line_joins_what_no_other_model_beats(drawn):
    """Prevents a frontier of the slow: of a latency, less is better."""
    models = crowd(12, seed=1)
    plot_speeds(models, speed="latency_ms")
    line = drawn[0].axes[0].lines[0]
    joined = set(zip(line.get_xdata(), line.get_ydata(), strict=True))
    unbeaten = {
        (model["latency_ms"], model["accuracy"])
        for model in models
        if not any(
            other["latency_ms"] < model["latency_ms"] and other["accuracy"] >= model["accuracy"] for other in models
        )
    }
    assert joined == unbeaten
    as_rates = [{**model, "texts_per_second": 1000 / model["latency_ms"]} for model in models]
    plot_speeds(as_rates)
    rates = drawn[1].axes[0].lines[0]
    assert sorted(rates.get_ydata()) == sorted(line.get_ydata())


def test_areas_are_sizes(drawn):
    """Prevents discs whose radius, and not area, is the size: ten times as large would look a hundred times so."""
    plot_speeds(points((0.9, 50.0, 400.0), (0.85, 900.0, 100.0), (0.8, 9000.0, None)))
    large, small, unknown = (disc.get_sizes()[0] for disc in drawn[0].axes[0].collections)
    assert large == pytest.approx(4 * small)
    assert unknown < small
