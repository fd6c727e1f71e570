"""A comparison in sentences."""

import pytest

from fewshot.evaluation.forecasts.curve_forecast import forecast_curve
from fewshot.evaluation.reports.headline import headline
from fewshot.evaluation.statistics.contrasts import BEST, NEAR, WORSE


def row(method, size, score, verdict, encoder="e"):
    """Return a row of a summary."""
    made = {"method": method, "encoder": encoder, "pool": None, "slice": size, "n_train": 13.0 * size, "n_seeds": 3}
    return made | {"macro_f1_mean": score, "macro_f1_verdict": verdict}


def test_the_largest_slice_speaks():
    """Prevents the best of few labels, or of chance, from being called the best."""
    rows = [
        row("nb", 2, 0.9, BEST),
        row("knn", 8, 0.5, NEAR),
        row("probe", 8, 0.6, BEST),
        row("nb", 8, 0.2, WORSE),
        row("gone", 8, None, None),
    ]
    assert headline(rows) == [
        "On slices of 8 (104 labels in all) probe is best, with 60.0 % macro F1.",
        "Not distinguishable from it: knn (50.0).",
    ]
    assert headline([]) == headline([row("gone", 8, None, None)]) == []
    zero = headline([row("zero-shot", 0, 0.4, None) | {"n_train": 0}])
    assert zero == ["On slices of 0 zero-shot is best, with 40.0 % macro F1."]


def test_encoders_are_named_where_there_are_several():
    """Prevents a best method that nobody can run again, for its encoder is not told."""
    rows = [row("probe", 8, 0.6, BEST), row("probe", 8, 0.5, NEAR, "other"), row("nb", 8, 0.4, NEAR, "")]
    assert headline(rows) == [
        "On slices of 8 (104 labels in all) probe (e) is best, with 60.0 % macro F1.",
        "Not distinguishable from it: probe (other) (50.0), nb (40.0).",
    ]


def test_the_forecast_is_that_of_the_best():
    """Prevents another method's, or another encoder's, forecast from being told as the best one's."""
    scores = [[0.5, 0.6, 0.67, 0.72], [0.52, 0.6, 0.68, 0.73]]
    subjects = [{"method": "probe", "encoder": name, "pool": None} for name in ("other", "e")]
    forecasts = [
        forecast_curve("probe", sizes, scores, subject=subject, metric="macro_f1")
        for subject, sizes in zip(subjects, ([8, 16, 32, 64], [80, 160, 320, 640]), strict=True)
    ]
    told = headline([row("probe", 8, 0.73, BEST)], forecasts)[-1]
    assert told.startswith("With 1,280 labels it would probably have ")
    assert told.removesuffix(" %.").endswith(str(forecasts[1].predictions[0]))
    assert len(headline([row("knn", 8, 0.73, BEST)], forecasts)) == 1


@pytest.mark.parametrize("metric", ["accuracy", "micro_f1"])
def test_other_metrics(metric):
    """Prevents a name that a column has and no reader."""
    rows = [row("knn", 8, 0.5, BEST) | {f"{metric}_mean": 0.25, f"{metric}_verdict": BEST}]
    assert f"25.0 % {metric.replace('micro_f1', 'micro F1')}" in headline(rows, metric=metric)[0]
