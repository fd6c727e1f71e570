"""Calibration against a grid, against scikit-learn, and by what must never change."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

from fewshot.core.errors import InputError
from fewshot.evaluation.calibration import expected_calibration_error
from fewshot.heads.calibration import calibrated, fit_platt, fit_temperature
from fewshot.heads.table import FITTERS, LinearHead, fit_head, held_out_probabilities


def draws(n, n_classes=4, temperature=1.0, seed=0):
    """Make logits, and classes drawn from their softmax at a temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(n, n_classes))
    true = softmax(logits / temperature, axis=1)
    return softmax(logits, axis=1), np.array([rng.choice(n_classes, p=row) for row in true])


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_made_the_data_is_found(temperature):
    """Prevents a temperature upside down."""
    assert fit_temperature(*draws(4000, temperature=temperature)) == pytest.approx(temperature, rel=0.1)


def test_few_predictions_hardly_change_anything():
    """Prevents a temperature of 0 from a handful that is all right, and a crash where there is none."""
    assert fit_temperature(np.empty((0, 3)), np.empty(0, dtype=int)) == 1.0
    assert 0.3 < fit_temperature(np.array([[0.6, 0.4]] * 3), np.zeros(3, dtype=int)) < 1.0
    assert 0.4 < fit_temperature(np.array([[0.7, 0.3], [0.2, 0.8]]), np.array([0, 0])) < 2.5


def test_one_impossible_row_does_not_decide():
    """Prevents a class that a fold had not seen, of probability 0, from flattening all the rest."""
    probabilities, y = draws(300)
    probabilities = np.column_stack([probabilities, np.zeros(300)])
    y[0] = 4
    assert fit_temperature(probabilities, y) < 1.6


def test_platt_is_scikit_learns_regression():
    """Prevents a slope upside down; with many predictions the light penalty does not show."""
    rng = np.random.default_rng(0)
    odds = rng.normal(scale=2, size=(4000, 2))
    y = (rng.random((4000, 2)) < expit(0.5 * odds - 1)).astype(int)
    slope, bias = fit_platt(expit(odds), y)
    theirs = LogisticRegression(C=1e6).fit(odds.reshape(-1, 1), y.ravel())
    assert slope == pytest.approx(theirs.coef_[0, 0], abs=1e-2)
    assert bias == pytest.approx(theirs.intercept_[0], abs=1e-2)


@given(st.integers(0, 10**6), st.integers(0, 30), st.sampled_from(list(FITTERS)))
def test_what_is_predicted_never_changes(seed, n, kind):
    """Prevents calibration from costing accuracy: each row's order of classes stays."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 5))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    head = fit_head(kind, X, np.arange(12) % 3, n_classes=3)
    probabilities = rng.dirichlet(np.ones(3), size=n)
    other, moved = calibrated(head, probabilities, rng.integers(3, size=n))
    np.testing.assert_array_equal(moved.argmax(axis=1), probabilities.argmax(axis=1))
    before, after = head.predict_proba(-X), other.predict_proba(-X)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))
    np.testing.assert_allclose(after.sum(axis=1), 1)
    np.testing.assert_allclose(moved.sum(axis=1), 1)


@pytest.mark.parametrize("kind", FITTERS)
@pytest.mark.parametrize("threshold", [0.4, np.array([0.2, 0.5, 0.7])])
def test_labels_stay_where_thresholds_move_along(kind, threshold):
    """Prevents calibrated probabilities from being cut at thresholds of the old ones."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = (X[:, :3] > 0.3).astype(int)
    head = dataclasses.replace(fit_head(kind, X, y, n_classes=3), threshold=threshold)
    rows, held_out = held_out_probabilities(kind, head, X, y, n_classes=3)
    other, moved = calibrated(head, held_out, y[rows])
    np.testing.assert_array_equal(moved >= other.threshold, held_out >= threshold)
    np.testing.assert_array_equal(other.predict_proba(X) >= other.threshold, head.predict_proba(X) >= threshold)
    assert isinstance(other.threshold, type(threshold))


@pytest.mark.parametrize("kind", FITTERS)
@pytest.mark.parametrize("multi_label", [False, True])
def test_the_head_gives_what_the_held_out_rows_were_told(kind, multi_label):
    """Prevents a map in the head that is another than the one fitted, a second calibration after the first included."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.integers(2, size=(40, 3)) if multi_label else rng.integers(3, size=40)
    head = fit_head(kind, X, y, n_classes=3)
    for _ in range(2):
        head, moved = calibrated(head, head.predict_proba(X), rng.permutation(y))
        np.testing.assert_allclose(head.predict_proba(X), moved, atol=1e-9)


def test_calibration_calibrates():
    """Prevents a method that is right in theory only: new data must be told honestly, too."""
    probabilities, y = draws(600, temperature=2.5)
    temperature = fit_temperature(probabilities[:300], y[:300])
    after = softmax(np.log(probabilities[300:]) / temperature, axis=1)
    before = expected_calibration_error(y[300:], probabilities[300:])
    assert expected_calibration_error(y[300:], after) < before / 2


def test_a_linear_head_stays_a_linear_map():
    """Prevents a temperature that an exported graph would not know of, and a threshold of another type."""
    head = LinearHead(np.eye(2), np.array([0.5, -0.5]), multi_label=True, C=2.0)
    rng = np.random.default_rng(0)
    other, _ = calibrated(head, rng.random((50, 2)), rng.integers(2, size=(50, 2)))
    slope = other.coef[0, 0]
    np.testing.assert_allclose(other.coef, slope * head.coef)
    np.testing.assert_allclose(np.diff(other.intercept), slope * np.diff(head.intercept))
    assert other.C == 2.0
    assert other.threshold == pytest.approx(expit(slope * logit(0.5) + other.intercept[0] - slope * 0.5))


def test_wrong_shapes_are_named():
    """Prevents broadcasting one truth over all rows."""
    head = LinearHead(np.eye(2), np.zeros(2), multi_label=False, C=1.0)
    with pytest.raises(InputError, match="one class number a row"):
        fit_temperature(np.ones((3, 2)) / 2, np.zeros(2, dtype=int))
    with pytest.raises(InputError, match="class numbers from 0 to 1, got up to 2"):
        fit_temperature(np.ones((1, 2)) / 2, np.array([2]))
    with pytest.raises(InputError, match="must have one shape"):
        fit_platt(np.ones((3, 2)) / 2, np.ones((2, 2)))
    with pytest.raises(InputError, match="if and only if the head is multi-label"):
        calibrated(head, np.ones((1, 2)) / 2, np.array([[0, 1]]))
    with pytest.raises(InputError, match="LinearHead or NeighborHead, got str"):
        calibrated("head", np.ones((1, 2)) / 2, np.array([0]))


def test_constant_labels_stay_certain():
    """Prevents a label that all training texts have from becoming doubtful because others were too sure."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.column_stack([rng.integers(2, size=60), np.ones(60, dtype=int)])
    head = LinearHead(np.array([[9.0, 5.0, -7.0], [0, 0, 0]]), np.array([0.0, 20.0]), multi_label=True, C=1.0)
    mild, _ = calibrated(head, head.predict_proba(X), y)
    assert np.abs(mild.coef[0]).max() < 8
    np.testing.assert_allclose(mild.predict_proba(X)[:, 1], 1.0, atol=1e-8)
