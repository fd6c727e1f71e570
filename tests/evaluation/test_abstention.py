"""The precision curve by counting, its bound against SciPy's, and what it promises on new data."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.evaluation.abstention import ABSTAIN_ALWAYS, MAX_POINTS, PrecisionCurve

ANSWERS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60)
PRECISIONS = st.floats(0.01, 1.0)


def curve_of(answers):
    """Make a curve of (confidence in twentieths, right)."""
    return PrecisionCurve.of(np.array([c / 20 for c, _ in answers]), np.array([r for _, r in answers], dtype=bool))


@given(ANSWERS, PRECISIONS)
def test_the_plain_share_is_reached_and_no_lower_threshold_does(answers, precision):
    """Prevents a threshold between answers of equal confidence, and one higher than need be."""
    threshold = curve_of(answers).threshold_for(precision, certainty=0.5)

    def share(cut):
        kept = [right for confidence, right in answers if confidence / 20 >= cut]
        return np.mean(kept) if kept else -1.0

    if threshold <= 1:
        assert share(threshold) >= precision - 1e-9
    assert all(share(c / 20) < precision for c, _ in answers if c / 20 < threshold)


@given(ANSWERS, PRECISIONS, PRECISIONS, st.floats(0.5, 0.99))
def test_more_precision_never_keeps_more(answers, one, two, certainty):
    """Prevents a stricter wish from being answered more often."""
    curve = curve_of(answers)
    low, high = sorted((one, two))
    assert curve.threshold_for(low, certainty=certainty) <= curve.threshold_for(high, certainty=certainty)
    assert curve.threshold_for(low, certainty=0.5) <= curve.threshold_for(low, certainty=certainty)


@pytest.mark.parametrize(("right", "n"), [(48, 48), (40, 48), (3, 9)])
def test_the_bound_is_wilsons(right, n):
    """Prevents another bound than documented; SciPy's two-sided interval at twice the doubt has the same lower end."""
    curve = PrecisionCurve.of(np.full(n, 0.7), np.arange(n) < right)
    bound = binomtest(right, n).proportion_ci(confidence_level=0.6, method="wilson").low
    assert curve.threshold_for(bound - 1e-6) == 0.7
    assert curve.threshold_for(bound + 1e-6) == ABSTAIN_ALWAYS


def test_what_a_row_of_right_answers_vouches_for():
    """Prevents the numbers in the documentation from being wrong."""
    for n, precision in ((14, 0.95), (71, 0.99)):
        assert PrecisionCurve.of(np.full(n, 0.7), np.ones(n, dtype=bool)).threshold_for(precision) == 0.7
        assert PrecisionCurve.of(np.full(n - 1, 0.7), np.ones(n - 1, dtype=bool)).threshold_for(precision) > 1
    assert PrecisionCurve.of(np.full(48, 0.7), np.ones(48, dtype=bool)).threshold_for(0.95, certainty=0.95) > 1


def test_the_promise_holds_more_often_than_the_plain_share():
    """Prevents thresholds tuned to noise: on new answers the wanted precision must mostly be there."""
    rng = np.random.default_rng(0)
    missed = {0.5: 0, 0.8: 0}
    for _ in range(200):
        sure = rng.beta(4, 1.2, 150)
        curve = PrecisionCurve.of(sure, rng.random(150) < sure)
        fresh = rng.beta(4, 1.2, 2000)
        for certainty in missed:
            kept = fresh[fresh >= curve.threshold_for(0.9, certainty=certainty)]
            missed[certainty] += len(kept) > 0 and kept.mean() < 0.9
    assert missed[0.8] < 70 < 90 < missed[0.5]


def test_abstaining_always_keeps_nothing():
    """Prevents the highest confidence there is, single precision and rounding included, from passing."""
    curve = PrecisionCurve.of(np.array([1.0, 1.0]), np.array([True, False]))
    threshold = curve.threshold_for(1.0)
    assert not (np.array([1.0, np.nextafter(np.float32(1), 2)], dtype=np.float32) >= threshold).any()
    assert curve.coverage_at(threshold) == 0.0
    assert PrecisionCurve.of(np.empty(0), np.empty(0, dtype=bool)).threshold_for(0.5) == ABSTAIN_ALWAYS
    assert PrecisionCurve.of(np.empty(0), np.empty(0, dtype=bool)).coverage_at(0.0) == 0.0


@given(ANSWERS, st.floats(-0.1, 1.1))
def test_coverage_by_counting(answers, threshold):
    """Prevents answers at the threshold itself from being dropped."""
    expected = np.mean([c / 20 >= threshold for c, _ in answers]) if answers else 0.0
    assert curve_of(answers).coverage_at(threshold) == pytest.approx(expected)


def test_points_are_bounded():
    """Prevents a model folder that grows with the training set, and counts that are wrong for it."""
    rng = np.random.default_rng(0)
    confidence = rng.random(5000)
    correct = rng.random(5000) < confidence
    curve = PrecisionCurve.of(confidence, correct)
    assert len(curve.thresholds) == MAX_POINTS
    assert (curve.kept[-1], curve.correct[-1]) == (5000, correct.sum())
    for i in (0, 100, 400):
        assert curve.kept[i] == (confidence >= curve.thresholds[i]).sum()
        assert curve.correct[i] == correct[confidence >= curve.thresholds[i]].sum()
    assert curve.coverage_at(0.5) == pytest.approx((confidence >= 0.5).mean(), abs=0.01)


@given(ANSWERS)
def test_curves_survive_json(answers):
    """Prevents tuples, or NumPy numbers, from being lost on disk."""
    curve = curve_of(answers)
    assert PrecisionCurve.from_json(json.loads(json.dumps(curve.to_json()))) == curve


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"thresholds": [0.5], "kept": [1, 2], "correct": [1], "n": 2},
        {"thresholds": [0.5], "kept": [1], "correct": [2], "n": 2},
        {"thresholds": [0.5], "kept": [0], "correct": [0], "n": 2},
        {"thresholds": ["high"], "kept": [1], "correct": [1], "n": 2},
    ],
)
def test_damaged_curves_are_refused(value):
    """Prevents a precision above 1, or a division by zero, from a file."""
    with pytest.raises(ModelFormatError, match="precision curve is damaged"):
        PrecisionCurve.from_json(value)


def test_bad_arguments_are_named():
    """Prevents a precision in percent from meaning: abstain always."""
    curve = curve_of([(10, True)])
    with pytest.raises(InputError, match="precision must be above 0 and at most 1, got 95"):
        curve.threshold_for(95)
    with pytest.raises(InputError, match=r"certainty must be from 0\.5 to below 1, got 1"):
        curve.threshold_for(0.9, certainty=1)
    for confidence, correct in ((np.ones(2), np.ones(3)), (np.full(2, np.nan), np.ones(2))):
        with pytest.raises(InputError, match="of one length and confidence finite"):
            PrecisionCurve.of(confidence, correct)
