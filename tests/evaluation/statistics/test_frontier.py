"""Which methods are worth what they cost."""

import pytest

from fewshot.evaluation.runner.prediction_set import Entrant
from fewshot.evaluation.statistics.frontier import FRONTIER_COLUMNS, frontier
from fewshot.evaluation.statistics.summary import summarize


def found(make_row, *given, metric="accuracy"):
    """Return the frontier of methods, each given as (name, score, seconds, texts a second, megabytes)."""
    rows = [make_row(score, method=name, fit_seconds=seconds) for name, score, seconds, _, _ in given]
    costs = {
        Entrant(name, "bundled", None): {"texts_per_second": speed, "size_mb": size, "error": None}
        for name, _, _, speed, size in given
    }
    return {point["name"]: point for point in frontier(summarize(rows), costs, metric=metric)}


def test_a_method_that_another_beats_in_all_is_not_worth_its_cost(make_row):
    """Prevents a table that recommends what costs more and gives less; the best of those that beat it is named."""
    points = found(
        make_row, ("slow", 0.6, 90.0, 50.0, 400.0), ("good", 0.8, 60.0, 90.0, 90.0), ("best", 0.9, 60.0, 80.0, 90.0)
    )
    assert points["slow"]["worth"] == "no: best is as good and as cheap"
    assert [points[name]["worth"] for name in ("good", "best")] == ["yes", "yes"]
    assert set(points["slow"]) == set(FRONTIER_COLUMNS)


@pytest.mark.parametrize(
    ("change", "worth"),
    [
        ({}, False),
        ({"speed": 105.0}, False),
        ({"speed": 150.0}, True),
        ({"size": 50.0}, True),
        ({"seconds": 1.0}, True),
        ({"seconds": 59.5}, False),
        ({"score": 0.81}, True),
    ],
)
def test_costs_count_as_different_where_they_clearly_are(make_row, change, worth):
    """Prevents the wavering of a clock from making every method worth its cost."""
    poor = {"score": 0.6, "seconds": 60.0, "speed": 100.0, "size": 91.9} | change
    points = found(make_row, ("poor", *poor.values()), ("good", 0.8, 60.0, 100.0, 91.6))
    assert (points["poor"]["worth"] == "yes") == worth


def test_tiny_differences_of_tiny_costs_count_for_nothing(make_row):
    """Prevents a method from being worth its cost as it trains in 2 rather than in 300 milliseconds."""
    points = found(make_row, ("poor", 0.6, 0.002, 100.0, 0.2), ("good", 0.8, 0.3, 100.0, 0.9))
    assert points["poor"]["worth"].startswith("no")


def test_equals_are_both_worth_their_cost(make_row):
    """Prevents two equal methods from each being sent away for the other."""
    points = found(make_row, ("one", 0.8, 1.0, 100.0, 90.0), ("two", 0.8, 1.0, 100.0, 90.0))
    assert {point["worth"] for point in points.values()} == {"yes"}


def test_only_the_largest_slice_counts(make_row, failed_row):
    """Prevents the score of one slice from standing beside the seconds of another, and failures from being points."""
    rows = [make_row(0.5 + size / 100, slice=size, n_train=2 * size) for size in (8, 16)]
    summary = summarize([*rows, failed_row | {"method": "broken", "slice": 32}])
    [point] = frontier(summary, {}, metric="accuracy")
    assert (point["slice"], point["n_train"], point["texts_per_second"]) == (16, 32, None)
    assert point["score"] == pytest.approx(0.66)
    assert frontier(summarize([failed_row]), {}) == []
