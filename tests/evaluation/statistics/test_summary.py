"""Many seeds in one line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.evaluation.statistics.summary import SUMMARY_COLUMNS, summarize

unit = st.floats(0, 1, allow_subnormal=False)


def test_means_and_deviations_are_those_of_the_finished_seeds(make_row, failed_row):
    """Prevents a failed cell from counting as 0, and a deviation with the wrong denominator."""
    [row] = summarize([make_row(0.5), make_row(0.7, seed=1), make_row(0.9, seed=2), failed_row])
    assert (row["n_seeds"], row["n_failed"], row["n_train"]) == (3, 1, 16)
    assert row["accuracy_mean"] == pytest.approx(0.7)
    assert row["accuracy_sd"] == pytest.approx(0.2)
    assert row["macro_f1_sd"] == pytest.approx(0.1)
    assert (row["fit_seconds"], row["predict_seconds"]) == (1.0, 0.25)
    assert tuple(row) == SUMMARY_COLUMNS


@settings(deadline=None)
@given(st.lists(unit, min_size=2, max_size=8))
def test_any_seeds_agree_with_numpy(scores):
    """Prevents a mean outside its values or a deviation of ddof=0."""
    row = {"method": "knn", "encoder": "e", "slice": 8, "n_train": 16, "status": "ok"}
    [summary] = summarize([row | {"accuracy": score} for score in scores])
    assert summary["accuracy_mean"] == pytest.approx(np.mean(scores))
    assert summary["accuracy_sd"] == pytest.approx(np.std(scores, ddof=1), abs=1e-12)


def test_groups_keep_their_order_and_are_told_apart_by_pool(make_row):
    """Prevents results with and without unlabelled texts from being averaged together."""
    rows = [make_row(0.5, pool=None), make_row(0.9, pool=1000), make_row(0.1, slice=4), make_row(0.5, seed=1)]
    assert [(row["pool"], row["slice"], row["n_seeds"]) for row in summarize(rows)] == [
        (None, 8, 2),
        (1000, 8, 1),
        (None, 4, 1),
    ]


def test_a_single_seed_has_no_deviation_and_no_seed_no_mean(make_row, failed_row):
    """Prevents 'nan', or a deviation of 0 that looks like certainty."""
    [one] = summarize([make_row(0.5)])
    assert one["accuracy_mean"] == 0.5
    assert one["accuracy_sd"] is None
    [none] = summarize([failed_row])
    assert (none["accuracy_mean"], none["fit_seconds"], none["n_failed"], none["n_train"]) == (None, None, 1, 16)


def test_bands_and_verdicts_stand_beside_the_means_they_belong_to(make_row):
    """Prevents the verdict on one slice, score or encoder from standing at another."""
    rows = [make_row(0.5, slice=slice, encoder=encoder) for slice in (8, 16) for encoder in ("small", "large")]
    contrast = {"method": "knn", "encoder": "large", "pool": None, "slice": 16, "metric": "macro_f1"}
    summary = summarize(rows, [contrast | {"low": 0.1, "high": 0.4, "verdict": "worse", "p_holm": 0.01}])
    assert all(tuple(row) == SUMMARY_COLUMNS for row in summary)
    found = [[row[f"macro_f1_{what}"] for what in ("low", "high", "verdict")] for row in summary]
    assert found == [[None] * 3] * 3 + [[0.1, 0.4, "worse"]]
    assert all(row["accuracy_verdict"] is None for row in summary)
