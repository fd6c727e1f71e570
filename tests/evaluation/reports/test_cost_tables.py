"""Seconds and worth, as tables to read."""

from fewshot.evaluation.reports.cost_tables import seconds_table, worth_table
from fewshot.evaluation.statistics.frontier import frontier
from fewshot.evaluation.statistics.summary import summarize


def test_seconds_are_means_by_method_and_slice(make_row, failed_row):
    """Prevents a method's seconds from standing under another slice, and a failure from counting as quick."""
    rows = [
        make_row(slice=size, seed=seed, method=name, fit_seconds=size + seed, predict_seconds=0.5)
        for name, sizes in (("knn", (8, 16)), ("setfit", (16,)))
        for size in sizes
        for seed in (0, 1)
    ]
    table = seconds_table(summarize([*rows, failed_row | {"method": "broken"}]))
    assert table == [
        {"method": "knn", "train 8": 8.5, "train 16": 16.5, "predict 8": 0.5, "predict 16": 0.5},
        {"method": "setfit", "train 8": None, "train 16": 16.5, "predict 8": None, "predict 16": 0.5},
    ]
    assert seconds_table(summarize([failed_row])) == []


def test_variants_of_a_method_have_lines_of_their_own(make_row):
    """Prevents the seconds of one encoder from being written over those of another."""
    rows = [make_row(encoder=encoder, fit_seconds=seconds) for encoder, seconds in (("small", 1.0), ("large", 9.0))]
    table = seconds_table(summarize(rows))
    assert [(row["method"], row["train 8"]) for row in table] == [("knn (small)", 1.0), ("knn (large)", 9.0)]


def test_the_best_comes_first_and_what_was_not_measured_says_why(make_row):
    """Prevents an empty field without a reason."""
    rows = [make_row(0.4), make_row(0.6, method="setfit")]
    table = worth_table(frontier(summarize(rows), {("knn", "bundled", None): {"error": "OSError: disk full"}}))
    assert [row["method"] for row in table] == ["setfit", "knn"]
    assert table[1]["not measured"] == "OSError: disk full"
    assert "not measured" not in worth_table(frontier(summarize(rows), {}))[0]
