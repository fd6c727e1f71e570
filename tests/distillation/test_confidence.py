"""Weights from a teacher's confidence, and distances to its decisions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy

from fewshot.core.errors import DataWarning, InputError, TeacherError
from fewshot.distillation import confidence
from fewshot.distillation.confidence import confidence_weights, decision_margins
from fewshot.heads.soft_linear import fit_soft_linear

SINGLE = np.array([[0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [1.0, 0.0, 0.0], [0.8, 0.1, 0.1]])
MULTI = np.array([[0.9, 0.1, 0.05], [0.5, 0.99, 0.99], [1.0, 1.0, 0.0], [0.0, 0.0, 0.25]])
UNIT = st.floats(0, 1, width=32)


def test_none_counts_all_alike():
    """Prevents a default that weighs."""
    assert confidence_weights(SINGLE).tolist() == [1.0] * 4


def test_weight_is_one_minus_entropy():
    """Prevents natural units, a base that is not the number of classes, and logarithms of 0."""
    expected = [1 - entropy(row, base=3) for row in SINGLE]
    np.testing.assert_allclose(confidence_weights(SINGLE, "weight"), expected, atol=1e-12)


def test_weight_of_several_labels_is_the_mean():
    """Prevents a softmax's entropy where labels are independent."""
    expected = [np.mean([1 - entropy([p, 1 - p], base=2) for p in row]) for row in MULTI]
    np.testing.assert_allclose(confidence_weights(MULTI, "weight", multi_label=True), expected, atol=1e-12)


def test_drop_leaves_out_the_unsure():
    """Prevents a text exactly as sure as asked from being dropped, and labels that are surely absent from counting
    as unsure.
    """
    assert confidence_weights(SINGLE, "drop:0.8").tolist() == [1.0, 0.0, 1.0, 1.0]
    assert confidence_weights(MULTI, "drop:0.75", multi_label=True).tolist() == [1.0, 0.0, 1.0, 1.0]


@given(n=st.integers(1, 60), sure=st.integers(0, 60))
def test_a_tenth_is_always_kept(n, sure):
    """Prevents a student that learns from nothing, or from a handful, of a teacher that is never that sure."""
    sure = min(sure, n)
    first = np.concatenate([np.full(sure, 0.9), np.linspace(0.5, 0.7, n - sure)])
    probabilities = np.column_stack([first, 1 - first])
    least = -(-n // 10)
    if sure >= least:
        assert confidence_weights(probabilities, "drop:0.8").sum() == sure
        return
    with pytest.warns(DataWarning, match=f"would leave {sure} of {n} texts; the surest {least} are kept"):
        weights = confidence_weights(probabilities, "drop:0.8")
    assert weights.sum() == least
    assert probabilities[weights == 1, 0].min() >= probabilities[weights == 0, 0].max(initial=0.5)


@given(arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=UNIT))
def test_weights_lie_from_0_to_1(probabilities):
    """Prevents a weight below 0 from rounding, which would push a student away from its teacher."""
    try:
        weights = confidence_weights(probabilities, "weight", multi_label=True)
    except TeacherError:
        return
    assert weights.shape == (len(probabilities),)
    assert ((weights >= 0) & (weights <= 1)).all()


def test_blocks_change_nothing(monkeypatch):
    """Prevents a seam between blocks of a large pool, or a last block that is lost."""
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=25)
    whole = [confidence_weights(p, "weight"), confidence_weights(p, "drop:0.5"), decision_margins(p)]
    monkeypatch.setattr(confidence, "_ROWS_AT_ONCE", 7)
    parts = [confidence_weights(p, "weight"), confidence_weights(p, "drop:0.5"), decision_margins(p)]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_half_precision_is_taken():
    """Prevents targets stored in half precision from being refused since their rows sum to 0.999."""
    p = np.random.default_rng(0).dirichlet(np.full(150, 0.05), size=40)
    stored = confidence_weights(p.astype(np.float16), "weight")
    np.testing.assert_allclose(stored, confidence_weights(p, "weight"), atol=5e-3)


def test_a_teacher_without_a_clue_is_refused():
    """Prevents a training in which every text weighs nothing."""
    with pytest.raises(TeacherError, match="equally unsure of every text"):
        confidence_weights(np.full((4, 2), 0.5), "weight")


def test_weights_fit_a_head():
    """Prevents weights of a shape or kind that the head's fitter does not take."""
    rng = np.random.default_rng(0)
    X, p = rng.normal(size=(40, 3)), rng.dirichlet(np.ones(3), size=40)
    weights = confidence_weights(p, "drop:0.6")
    kept = weights == 1
    weighted = fit_soft_linear(X, p, multi_label=False, sample_weight=weights)
    np.testing.assert_allclose(weighted.coef, fit_soft_linear(X[kept], p[kept], multi_label=False).coef, atol=1e-3)


def test_margins():
    """Prevents a margin to the second column rather than to the second largest, and one past its threshold."""
    np.testing.assert_allclose(decision_margins(SINGLE), [0.8, 0.05, 1.0, 0.7])
    np.testing.assert_allclose(decision_margins(np.ones((2, 1))), [1.0, 1.0])
    expected = [0.8, 0.0, 1.0, 0.5]
    np.testing.assert_allclose(decision_margins(MULTI, multi_label=True), expected, atol=1e-12)
    by_label = decision_margins(np.array([[0.2, 1.0], [1.0, 0.9]]), multi_label=True, threshold=np.array([0.2, 0.8]))
    np.testing.assert_allclose(by_label, [0.0, 0.5], atol=1e-12)


@pytest.mark.parametrize(
    ("probabilities", "rule", "message"),
    [
        (SINGLE, "drop", "confidence 'drop:P' needs a P above 0 and below 1, such as 'drop:0.8'; got 'drop'"),
        (SINGLE, "drop:80", "got 'drop:80'"),
        (SINGLE, "drop:nan", "got 'drop:nan'"),
        (SINGLE, "wieght", "confidence must be 'none', 'weight' or 'drop:P'.* Did you mean 'weight'"),
        (SINGLE[0], "none", r"probabilities must be a matrix \(n_texts, n_classes\), got shape \(3,\)"),
        (SINGLE[:0], "none", "got shape"),
        (SINGLE * 3, "none", "must lie from 0 to 1; are these logits"),
        (SINGLE * np.nan, "none", "must lie from 0 to 1"),
        (MULTI, "none", "must sum to 1; give multi_label=True"),
    ],
)
def test_what_is_refused(probabilities, rule, message):
    """Prevents logits, or a misspelt rule, from weighing texts."""
    with pytest.raises(InputError, match=message):
        confidence_weights(probabilities, rule)


@pytest.mark.parametrize("threshold", [0.0, 1.0, np.array([0.5, 0.5])])
def test_thresholds_that_are_refused(threshold):
    """Prevents a division by 0, and thresholds of other labels."""
    with pytest.raises(InputError, match="threshold must be above 0 and below 1, one number or one for each of 3"):
        decision_margins(MULTI, multi_label=True, threshold=threshold)
