"""Learning curves: that they are drawn, always alike, from any results."""

import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.plots import plot_learning_curves

SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def rows(make_row, failed_row):
    """Three sizes, two seeds, odd names, a method without labels, a failure."""
    made = [
        make_row(0.3 + 0.1 * slice + 0.01 * seed, method=method, slice=slice, n_train=2 * slice, seed=seed)
        for method in ("knn", "$odd", "_hidden")
        for slice in (1, 2, 4)
        for seed in (0, 1)
    ]
    zero_shot = [make_row(0.4 + 0.01 * seed, method="zero-shot", n_train=0, seed=seed) for seed in (0, 1)]
    return [*made, *zero_shot, failed_row]


def test_learning_curves_are_a_png_with_the_same_bytes_each_time(rows, tmp_path):
    """Prevents a report that changes in version control though no number did."""
    first = plot_learning_curves(rows, tmp_path / "curves.png")
    assert first.startswith(SIGNATURE)
    assert plot_learning_curves(rows) == first == (tmp_path / "curves.png").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        [{}],
        [{"n_train": 0}],
        [{"n_train": 0, "slice": 0}, {"n_train": 16}],
        [{"n_train": 0, "slice": 0}, {"n_train": 8}, {"n_train": 16, "slice": 16}, {"method": "setfit"}],
        [{}, {"method": "setfit"}],
        [{}, {"pool": 1000}, {"encoder": "中文"}],
        [{"mcc": None, "macro_f1": None}],
        [{"n_train": 8 + i, "slice": i} for i in range(12)],
        [{"method": f"m{i}"} for i in range(20)],
    ],
)
def test_any_results_can_be_drawn(make_row, changes):
    """Prevents one seed, one size, no labels at all or twenty methods from raising or warning."""
    drawn = [make_row(0.5, **change) for change in changes]
    assert plot_learning_curves(drawn, metrics=("macro_f1", "mcc"), title="100 $ _x").startswith(SIGNATURE)


def test_ticks_stand_at_the_actual_sizes(rows, monkeypatch):
    """Prevents a logarithmic axis of 10 and 100 under slices of 2, 4 and 8."""
    drawn = []
    monkeypatch.setattr("fewshot.evaluation.charts.plots.png_bytes", lambda figure, path: drawn.append(figure) or b"")
    plot_learning_curves(rows)
    for axes in drawn[0].axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "8"]
        assert axes.get_ylim()[1] <= 1.01
    [legend] = drawn[0].legends
    assert len(legend.get_texts()) == 4


def test_no_labels_have_a_place_on_a_logarithmic_axis(make_row, monkeypatch):
    """Prevents a point at the logarithm of 0, which is drawn nowhere, from tearing a method's curve."""
    drawn = []
    monkeypatch.setattr("fewshot.evaluation.charts.plots.png_bytes", lambda figure, path: drawn.append(figure) or b"")
    sizes = [{"n_train": 2 * slice, "slice": slice} for slice in (0, 4, 8)]
    rows = [make_row(0.5, method="zero-shot", **size) for size in sizes]
    rows += [make_row(0.6, **size) for size in sizes[1:]]
    plot_learning_curves([*rows, make_row(0.4, method="named only", n_train=0, slice=0)])
    for axes in drawn[0].axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "8", "16"]
        curve = next(line for line in axes.lines if len(line.get_xdata()) == 3)
        x = list(curve.get_xdata())
        assert x == [4.0, 8.0, 16.0]
        assert axes.get_xlim()[0] < x[0]


def test_nothing_finished_is_said_so(failed_row):
    """Prevents an empty picture where every method failed."""
    with pytest.raises(InputError, match="no finished result"):
        plot_learning_curves([failed_row])
