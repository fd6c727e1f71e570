"""Prototypes against ten lines of NumPy and scikit-learn's nearest neighbour."""

import numpy as np
from scipy.special import log_softmax
from sklearn.neighbors import KNeighborsClassifier

from fewshot.heads.prototypes import DEFAULT_SCALE, SCALES, fit_prototypes, held_out_prototypes


def data(n=30, dimension=8, n_classes=3, spread=0.5, seed=0):
    """Make unit vectors around a centre for each class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = np.eye(n_classes, dimension)[y] + rng.normal(scale=spread, size=(n, dimension))
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def unit(rows):
    """Return rows at length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def by_hand(X, y, n_classes):
    """Return cosines to unit class means without the row itself."""
    cosines = np.empty((len(X), n_classes))
    for i in range(len(X)):
        others = np.arange(len(X)) != i
        for label in range(n_classes):
            cosines[i, label] = X[i] @ unit(X[others & (y == label)].mean(axis=0))
    return cosines


def test_classes_are_those_of_the_nearest_unit_mean():
    """Prevents means that are not unit vectors, whose length would favour tight classes."""
    X, y = data()
    fresh, _ = data(n=200, seed=1)
    head = fit_prototypes(X, y, n_classes=3)
    means = unit(np.stack([X[y == label].mean(axis=0) for label in range(3)]))
    nearest = KNeighborsClassifier(1, metric="cosine").fit(means, np.arange(3)).predict(fresh)
    np.testing.assert_array_equal(head.predict_proba(fresh).argmax(axis=1), nearest)
    np.testing.assert_allclose(unit(head.coef), means)


def test_the_scale_is_the_best_by_leave_one_out():
    """Prevents a scale chosen on rows that are in their own mean, which is always too sure."""
    X, y = data()
    head = fit_prototypes(X, y, n_classes=3)
    cosines = by_hand(X, y, 3)
    grid = np.geomspace(*SCALES, 2000)
    losses = [-log_softmax(scale * cosines, axis=1)[np.arange(30), y].sum() for scale in grid]
    np.testing.assert_allclose(np.linalg.norm(head.coef[0]), grid[np.argmin(losses)], rtol=5e-3)


def test_held_out_probabilities_by_hand():
    """Prevents a row from standing in its own class's mean."""
    X, y = data()
    head = fit_prototypes(X, y, n_classes=3)
    rows, held_out = held_out_prototypes(head, X, y)
    np.testing.assert_array_equal(rows, np.arange(30))
    expected = np.exp(log_softmax(np.linalg.norm(head.coef[0]) * by_hand(X, y, 3), axis=1))
    np.testing.assert_allclose(held_out, expected, atol=1e-9)


def test_one_row_a_class_takes_the_default_scale():
    """Prevents an infinite scale where nothing can be left out."""
    head = fit_prototypes(np.eye(3), np.arange(3), n_classes=3)
    np.testing.assert_allclose(np.linalg.norm(head.coef, axis=1), DEFAULT_SCALE)


def test_a_weight_counts_like_repeated_rows_in_the_mean():
    """Prevents weights from being lost, or normalised away."""
    X, y = data(n=12)
    times = np.arange(12) % 3 + 1
    weighted = fit_prototypes(X, y, n_classes=3, sample_weight=times)
    repeated = fit_prototypes(np.repeat(X, times, axis=0), np.repeat(y, times), n_classes=3)
    np.testing.assert_allclose(unit(weighted.coef), unit(repeated.coef))


def test_labels_have_biases_of_their_own():
    """Prevents one bias for a frequent and a rare label; predictions must recover what the labels were made of."""
    rng = np.random.default_rng(0)
    X = unit(rng.normal(size=(300, 4)))
    y = np.column_stack([X[:, 0] > -0.2, X[:, 1] > 0.6]).astype(int)
    head = fit_prototypes(X, y, n_classes=2)
    assert head.intercept[0] > head.intercept[1] + 1
    predicted = head.predict_proba(X) >= head.threshold
    assert (predicted == y).mean() > 0.85


def test_opposite_rows_have_no_direction():
    """Prevents a division by zero where a class's vectors cancel out."""
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    probabilities = fit_prototypes(X, np.array([0, 0, 1, 1]), n_classes=2).predict_proba(X)
    assert np.isfinite(probabilities).all()
