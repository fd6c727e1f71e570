"""Checks of training vectors, and row weights against scikit-learn's."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from fewshot.core.errors import InputError
from fewshot.heads.vectors import check_vectors, row_weights, threshold_from, threshold_setting


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones(3), np.zeros(3, dtype=int), "X must be a matrix"),
        (np.ones((0, 2)), np.zeros(0, dtype=int), "X must be a matrix"),
        (np.ones((3, 2)), np.zeros(2, dtype=int), "X must be a matrix"),
        (np.full((1, 2), np.nan), np.zeros(1, dtype=int), "X must be finite"),
        (np.ones((2, 2)), np.array([0, 3]), "class numbers from 0 to 2"),
        (np.ones((2, 2)), np.array([0, -1]), "class numbers from 0 to 2"),
        (np.ones((2, 2)), np.array([0.0, 1.0]), "class numbers from 0 to 2"),
        (np.ones((2, 2)), np.ones((2, 2), dtype=int), "0/1 matrix with 3 columns"),
        (np.ones((2, 2)), np.full((2, 3), 2), "0/1 matrix with 3 columns"),
    ],
)
def test_bad_training_data_are_named(X, y, message):
    """Prevents an index error deep inside a solver, or a silent fit on NaN."""
    with pytest.raises(InputError, match=message):
        check_vectors(X, y, 3)


def test_balanced_is_scikit_learns():
    """Prevents another meaning of ``balanced``, and a division by zero at a class without rows."""
    y = np.array([0, 0, 0, 2, 2, 4])
    np.testing.assert_allclose(row_weights(y, 6, class_weight="balanced"), compute_sample_weight("balanced", y))


def test_balanced_labels_are_balanced_each_for_itself():
    """Prevents a frequent label from weighing on a rare one, and a crash at a label that is always or never there."""
    y = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    weight = row_weights(y, 3, class_weight="balanced")
    for label in range(3):
        expected = compute_sample_weight("balanced", y[:, label])
        np.testing.assert_allclose(weight[:, label], expected)


def test_bad_weights_are_named():
    """Prevents a misspelt word from being taken for none, and a negative weight from training away from a row."""
    y = np.array([0, 1])
    with pytest.raises(InputError, match="class_weight must be None or 'balanced', got 'balance'"):
        row_weights(y, 2, class_weight="balance")
    for weight in ([1.0], [1.0, 0.0], [1.0, np.inf]):
        with pytest.raises(InputError, match="sample_weight must hold 2 positive"):
            row_weights(y, 2, sample_weight=np.array(weight))


@pytest.mark.parametrize("threshold", [0.25, np.array([0.1, 0.7])])
def test_thresholds_survive_json(threshold):
    """Prevents an array in JSON settings, and thresholds a label that come back as one."""
    np.testing.assert_array_equal(threshold_from(threshold_setting(threshold)), threshold)
