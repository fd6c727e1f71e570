"""Linear heads against scikit-learn, by hand and against their own gradient; and what all heads promise."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import expit, log_expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.heads.table import (
    C_GRID,
    DEFAULT_C,
    FITTERS,
    LinearHead,
    fit_head,
    fit_linear,
    fit_soft_linear,
    held_out_probabilities,
    restore_head,
)


def data(n=60, dimension=6, n_classes=3, seed=0, spread=0.8):
    """Make unit vectors around a centre for each class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = np.eye(n_classes, dimension)[y] + rng.normal(scale=spread, size=(n, dimension))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32), y


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("C", [0.1, 10.0, 100.0])
def test_hard_targets_give_scikit_learns_regression(n_classes, C):
    """Prevents another penalty than documented; two classes, where scikit-learn has one row of weights, among them."""
    X, y = data(n_classes=n_classes)
    ours = fit_soft_linear(X, np.eye(n_classes)[y], multi_label=False, C=C)
    theirs = LogisticRegression(C=C, max_iter=5000, tol=1e-8).fit(X.astype(np.float64), y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X.astype(np.float64)), atol=1e-3)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_weight_counts_like_repeated_rows(multi_label):
    """Prevents weights that are normalised away or applied to the penalty."""
    X, _ = data(n=20)
    targets = np.random.default_rng(1).dirichlet(np.ones(3), size=20)
    times = np.arange(20) % 3 + 1
    weighted = fit_soft_linear(X, targets, multi_label=multi_label, sample_weight=times)
    repeated = fit_soft_linear(np.repeat(X, times, axis=0), np.repeat(targets, times, axis=0), multi_label=multi_label)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_head_near_another(multi_label):
    """Prevents a start that is forgotten: where texts tell little the head stays, where they tell more it follows."""
    X, _ = data(n=25)
    start = LinearHead(8.0 * np.eye(3, X.shape[1])[::-1], np.ones(3), multi_label=multi_label, C=1.0)
    far = np.random.default_rng(2).dirichlet(np.ones(3), size=25)
    held = fit_soft_linear(X, far, multi_label=multi_label, C=1e-9, near=start)
    np.testing.assert_allclose(held.coef, start.coef, atol=1e-5)
    same = fit_soft_linear(X, start.predict_proba(X), multi_label=multi_label, near=start)
    np.testing.assert_allclose(same.predict_proba(X), start.predict_proba(X), atol=1e-4)
    moved = fit_soft_linear(X, far, multi_label=multi_label, near=start)
    assert np.abs(moved.predict_proba(X) - far).mean() < 0.5 * np.abs(start.predict_proba(X) - far).mean()


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_solution_is_a_minimum(multi_label):
    """Prevents a gradient that is not the loss's: no weight can move a little and lower the loss, done by hand."""
    X, _ = data(n=25, dimension=4)
    targets = np.random.default_rng(2).dirichlet(np.ones(3), size=25)
    head = fit_soft_linear(X, targets, multi_label=multi_label, C=2.0)

    def loss(coef, intercept):
        logits = X @ coef.T + intercept
        if multi_label:
            each = -(targets * log_expit(logits) + (1 - targets) * log_expit(-logits))
        else:
            each = -targets * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
        return 2.0 * each.sum() + (coef**2).sum() / 2

    least = loss(head.coef, head.intercept)
    for index in np.ndindex(head.coef.shape):
        for step in (-1e-2, 1e-2):
            coef = head.coef.copy()
            coef[index] += step
            assert loss(coef, head.intercept) > least
    for label in range(3):
        for step in (-1e-2, 1e-2):
            moved = loss(head.coef, head.intercept + step * np.eye(3)[label])
            assert moved > least


def test_multi_label_is_a_sigmoid_a_label():
    """Prevents labels from competing: each column is the binary regression on that column alone."""
    X, y = data()
    targets = np.column_stack([y == 0, y != 1, np.arange(60) % 2 == 0]).astype(float)
    together = fit_soft_linear(X, targets, multi_label=True, C=1.0, threshold=0.3)
    assert together.threshold == 0.3
    for label in range(3):
        alone = LogisticRegression(C=1.0, max_iter=5000, tol=1e-8).fit(X.astype(np.float64), targets[:, label])
        expected = alone.predict_proba(X.astype(np.float64))[:, 1]
        np.testing.assert_allclose(together.predict_proba(X)[:, label], expected, atol=1e-3)


def test_soft_targets_are_followed():
    """Prevents soft targets from being rounded to classes: identical rows must get their mean target."""
    X = np.tile([[1.0, 0.0], [0.0, 1.0]], (10, 1))
    targets = np.tile([[0.7, 0.3], [0.2, 0.8]], (10, 1))
    head = fit_soft_linear(X, targets, multi_label=False, C=1e4)
    np.testing.assert_allclose(head.predict_proba(X), targets, atol=1e-3)


def test_lengths_must_agree():
    """Prevents broadcasting one weight, or one target, over all rows."""
    with pytest.raises(InputError, match="differ in length: 3, 2, 3"):
        fit_soft_linear(np.ones((3, 2)), np.ones((2, 2)), multi_label=False)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_fit_linear_is_scikit_learns_at_the_chosen_strength(n_classes):
    """Prevents halves and rows from being mixed up where two classes share one row of weights."""
    X, y = data(n_classes=n_classes)
    head = fit_linear(X, y, n_classes=n_classes)
    assert head.coef.shape == (n_classes, 6)
    theirs = LogisticRegression(C=head.C, max_iter=1000).fit(X.astype(np.float64), y)
    np.testing.assert_allclose(head.predict_proba(X), theirs.predict_proba(X.astype(np.float64)), atol=1e-6)


def test_strength_is_chosen_by_the_data():
    """Prevents a fixed regularization: clean classes want little of it, labels by lot want much."""
    X, y = data(n=60, spread=0.25)
    assert fit_linear(X, y, n_classes=3).C >= 10.0
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(60, 40))
    assert min(C_GRID) == fit_linear(noise, rng.integers(2, size=60), n_classes=2).C


def test_one_example_a_class_takes_the_default():
    """Prevents cross-validation of classes that cannot be split."""
    assert fit_linear(np.eye(3, 4), np.arange(3), n_classes=3).C == DEFAULT_C
    assert fit_linear(np.eye(1, 4), np.array([[1, 0]]), n_classes=2).C == DEFAULT_C


@pytest.mark.parametrize("multi_label", [False, True])
def test_same_folds_same_head(multi_label):
    """Prevents folds drawn from a global state."""
    X, y = data(n=30, spread=1.5)
    y = np.eye(3, dtype=int)[y] if multi_label else y
    one, two = (fit_linear(X, y, n_classes=3, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(one.coef, two.coef)
    assert (one.C, one.threshold) == (two.C, two.threshold)


def test_multi_label_threshold_comes_from_held_out_rows():
    """Prevents 0.5 for a rare label, at which nothing is ever predicted."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5))
    y = (X[:, :2] + rng.normal(scale=1.5, size=(120, 2)) > 1.5).astype(int)
    head = fit_linear(X, y, n_classes=2)
    assert head.threshold < 0.45
    at = {t: 2 * (y * (p := head.predict_proba(X) >= t)).sum() / (y.sum() + p.sum()) for t in (0.5, head.threshold)}
    assert at[head.threshold] > at[0.5]


def test_constant_labels_are_constant_predictions():
    """Prevents a crash, or a coin, at a label that every training text has, or none of a fold."""
    X, _ = data(n=12)
    y = np.zeros((12, 3), dtype=int)
    y[:, 0] = 1
    y[0, 2] = 1
    probabilities = fit_linear(X, y, n_classes=3).predict_proba(-X)
    np.testing.assert_allclose(probabilities[:, 0], 1.0, atol=1e-6)
    np.testing.assert_allclose(probabilities[:, 1], 0.0, atol=1e-6)


def test_probabilities_of_large_logits_are_finite():
    """Prevents overflow in the softmax."""
    head = LinearHead(np.array([[1e4], [-1e4]]), np.zeros(2), multi_label=False, C=1.0)
    np.testing.assert_array_equal(head.predict_proba(np.ones((1, 1))), [[1.0, 0.0]])
    sigmoid = LinearHead(np.array([[1e4], [-1e4]]), np.zeros(2), multi_label=True, C=1.0)
    np.testing.assert_array_equal(sigmoid.predict_proba(np.ones((1, 1))), [[1.0, expit(-1e4)]])


def test_fitting_leaves_the_number_of_threads():
    """Prevents a fit that slows the rest of the process: its one BLAS thread is for its own loop alone."""
    before = [pool["num_threads"] for pool in threadpool_info()]
    X, y = data()
    fit_linear(X, y, n_classes=3)
    fit_soft_linear(X, np.eye(3)[y], multi_label=False)
    assert [pool["num_threads"] for pool in threadpool_info()] == before


@pytest.mark.parametrize("kind", FITTERS)
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_class_without_rows_is_never_predicted(kind, multi_label):
    """Prevents a crash, or a share of probability, at a class of which only the name is known."""
    X, y = data(n=12)
    targets = np.eye(5, dtype=int)[y] if multi_label else y
    head = fit_head(kind, X, targets, n_classes=5)
    probabilities = head.predict_proba(-X)
    assert probabilities.shape == (12, 5)
    np.testing.assert_allclose(probabilities[:, 3:], 0.0, atol=1e-12)
    if not multi_label:
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


@pytest.mark.parametrize("kind", FITTERS)
@pytest.mark.parametrize("y", [np.zeros(3, dtype=int), np.array([0, 0, 1]), np.arange(3), np.array([[1, 0, 0]] * 3)])
def test_the_smallest_training_sets(kind, y):
    """Prevents a crash where there is one class only, one row a class, or the same labels everywhere."""
    X, _ = data(n=3)
    head = fit_head(kind, X, y, n_classes=3)
    probabilities = head.predict_proba(X)
    assert np.isfinite(probabilities).all()
    expected = y if y.ndim == 1 else y.argmax(axis=1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1)[0], expected[0])
    rows, held_out = held_out_probabilities(kind, head, X, y, n_classes=3)
    assert held_out.shape == (len(rows), 3)


@pytest.mark.parametrize("kind", FITTERS)
@pytest.mark.parametrize("multi_label", [False, True])
def test_heads_come_back_from_their_state(kind, multi_label):
    """Prevents a setting that is learnt but not kept."""
    X, y = data()
    y = np.eye(3, dtype=int)[y] if multi_label else y
    head = fit_head(kind, X, y, n_classes=3, sample_weight=np.linspace(1, 2, 60))
    head = dataclasses.replace(head, threshold=np.array([0.2, 0.3, 0.4])) if multi_label else head
    arrays, settings = head.state()
    again = restore_head(head.kind, arrays, json.loads(json.dumps(settings)), multi_label)
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    np.testing.assert_array_equal(again.threshold, head.threshold)


def test_folders_of_the_first_version_open():
    """Prevents a new setting from being asked of old folders."""
    head = restore_head("linear", {"coef": np.eye(2), "intercept": np.zeros(2)}, {"C": 1.0, "threshold": 0.5}, False)
    assert (head.C, head.threshold) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("kind", "arrays", "settings", "message"),
    [
        ("forest", {}, {}, "of kind 'forest', this version knows linear, neighbors"),
        ("linear", {"coef": np.eye(2)}, {"threshold": 0.5}, "damaged: KeyError"),
        ("linear", {"coef": np.eye(2), "intercept": np.zeros(3)}, {"C": 1, "threshold": 0.5}, "do not fit each other"),
        ("linear", {"coef": np.eye(2), "intercept": np.zeros(2)}, {"C": 1, "threshold": [0.5] * 3}, "do not fit"),
        ("neighbors", {"X": np.eye(2), "y": np.eye(3)}, {"k": 1, "threshold": 0.5}, "do not fit each other"),
        ("neighbors", {"X": np.eye(2), "y": np.eye(2)}, {"k": 3, "threshold": 0.5}, "k 3"),
    ],
)
def test_damaged_heads_are_refused(kind, arrays, settings, message):
    """Prevents a broadcast over wrong shapes from being taken for a prediction."""
    with pytest.raises(ModelFormatError, match=message):
        restore_head(kind, arrays, settings, False)


def test_unknown_fitters_are_named():
    """Prevents a KeyError, and a near miss without a hint."""
    with pytest.raises(InputError, match=r"one of logistic, prototype, knn; got 'logistics'\. Did you mean 'logistic'"):
        fit_head("logistics", np.eye(2), np.arange(2), n_classes=2)


@pytest.mark.parametrize("kind", FITTERS)
@pytest.mark.parametrize("multi_label", [False, True])
def test_held_out_rows_were_not_seen(kind, multi_label):
    """Prevents a row from being judged by itself: on labels by lot, held-out predictions are no better than chance."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 200))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.integers(2, size=120)
    targets = np.eye(2, dtype=int)[y] if multi_label else y
    head = fit_head(kind, X, targets, n_classes=2)
    rows, held_out = held_out_probabilities(kind, head, X, targets, n_classes=2)
    np.testing.assert_array_equal(rows, np.arange(120))
    assert (held_out.argmax(axis=1) == y).mean() < 0.65


@pytest.mark.parametrize("kind", FITTERS)
def test_rows_alone_in_their_class_are_not_judged(kind):
    """Prevents a row that nothing else could have known from counting as a mistake."""
    X, y = data(n=12)
    y = np.where(np.arange(12) == 5, 3, y)
    rows, held_out = held_out_probabilities(kind, fit_head(kind, X, y, n_classes=4), X, y, n_classes=4)
    np.testing.assert_array_equal(rows, np.delete(np.arange(12), 5))
    assert held_out.shape == (11, 4)


@pytest.mark.parametrize("kind", FITTERS)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_fitters_take_the_same_arguments(kind, class_weight):
    """Prevents a fitter that cannot be put in another's place, multi-label tasks among them."""
    X, y = data(n=20)
    options = {"n_classes": 3, "class_weight": class_weight, "sample_weight": np.linspace(1, 2, 20), "random_state": 1}
    for targets in (y, np.eye(3, dtype=int)[y]):
        head = fit_head(kind, X, targets, **options)
        rows, held_out = held_out_probabilities(kind, head, X, targets, **options)
        assert held_out.shape == (len(rows), 3)


@pytest.mark.parametrize("kind", ["prototype", "knn"])
@pytest.mark.parametrize("multi_label", [False, True])
def test_means_and_neighbours_are_of_originals(kind, multi_label):
    """Prevents copies from judging the row that they were made from, and from taking its neighbours' places."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 4)), np.arange(12) % 3
    y = np.eye(3, dtype=int)[y] if multi_label else y
    weight = np.linspace(1, 2, 24)
    sources = np.tile(np.arange(12), 2)[:, None]
    with_copies = fit_head(
        kind, np.vstack([X, X]), np.concatenate([y, y]), n_classes=3, sample_weight=weight, source_rows=sources
    )
    plain = fit_head(kind, X, y, n_classes=3, sample_weight=weight[:12])
    np.testing.assert_array_equal(with_copies.predict_proba(X), plain.predict_proba(X))
