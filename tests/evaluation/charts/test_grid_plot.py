"""The figure of a choice: drawn, always alike, from any grid."""

import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.grid_plot import plot_knn_grid

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def triangle(size):
    """Make scores of every k and m up to ``size``."""
    k, m = np.mgrid[1 : size + 1, 1 : size + 1]
    return np.where(m <= k, 0.6 - 0.02 * np.abs(k - 5) - 0.3 * np.abs(m / k - 0.4), np.nan)


def test_a_png_with_the_same_bytes_each_time(tmp_path):
    """Prevents a figure that changes though no number did."""
    first = plot_knn_grid(triangle(16), tmp_path / "grid.png")
    assert first.startswith(SIGNATURE)
    assert plot_knn_grid(triangle(16)) == first == (tmp_path / "grid.png").read_bytes()


@pytest.mark.parametrize(
    "grid",
    [
        np.ones((1, 1)),
        np.array([[np.nan], [0.5]]),
        np.linspace(0, 1, 16)[:, None],
        np.full((4, 4), 0.5),
        triangle(50),
        np.where(np.arange(5)[:, None] == 3, triangle(5), np.nan),
    ],
)
def test_any_grid_can_be_drawn(grid):
    """Prevents one k, one column, a hundred cells or equal scores from raising or warning."""
    assert plot_knn_grid(grid, title="100 $ _x").startswith(SIGNATURE)


def test_the_best_is_marked(monkeypatch):
    """Prevents a mark one off: rows of the grid count from k = 1."""
    drawn = []
    monkeypatch.setattr(
        "fewshot.evaluation.charts.grid_plot.png_bytes", lambda figure, path: drawn.append(figure) or b""
    )
    grid = triangle(6)
    grid[3, 1] = 0.9
    plot_knn_grid(grid)
    plot_knn_grid(grid, best=(6, 2))
    plot_knn_grid(np.array([[0.5], [0.7], [0.6]]))
    titles = [figure.axes[0].get_title() for figure in drawn]
    assert titles == ["best: 2 of 4, 90.0 %", f"best: 2 of 6, {100 * grid[5, 1]:.1f} %", "best: k = 2, 70.0 %"]
    [frame] = drawn[0].axes[0].patches
    assert frame.get_xy().min(axis=0).tolist() == [1.5, 3.5]


@pytest.mark.parametrize("grid", [np.full((2, 2), np.nan), np.ones(3), np.empty((0, 1))])
def test_nothing_to_draw(grid):
    """Prevents an empty picture, and an index error from a grid of nothing."""
    with pytest.raises(InputError, match="at least one score"):
        plot_knn_grid(grid)
