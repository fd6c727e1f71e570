"""Weights, folds and rotation of the logistic regression; the rest of it is in ``test_heads``."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from fewshot.heads.logistic import C_GRID, DEFAULT_C, _folds, fit_linear, held_out_linear


def data(n=60, dimension=6, n_classes=3, seed=0, spread=0.8):
    """Make unit vectors around a centre for each class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = np.eye(n_classes, dimension)[y] + rng.normal(scale=spread, size=(n, dimension))
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


@pytest.mark.parametrize("n_classes", [2, 3])
def test_class_weights_are_scikit_learns(n_classes):
    """Prevents weights that reach the folds but not the final fit."""
    X, y = data(n_classes=n_classes)
    X, y = X[(y > 0) | (np.arange(60) < 15)], y[(y > 0) | (np.arange(60) < 15)]
    head = fit_linear(X, y, n_classes=n_classes, class_weight="balanced")
    theirs = LogisticRegression(C=head.C, max_iter=1000, class_weight="balanced").fit(X, y)
    np.testing.assert_allclose(head.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


def test_sample_weights_are_scikit_learns_for_each_label():
    """Prevents weights of rows from being lost where there is one regression a label."""
    X, y = data()
    targets, weight = np.eye(3, dtype=int)[y], np.linspace(0.2, 3, 60)
    head = fit_linear(X, targets, n_classes=3, sample_weight=weight)
    for label in range(3):
        alone = LogisticRegression(C=head.C, max_iter=1000).fit(X, targets[:, label], sample_weight=weight)
        np.testing.assert_allclose(head.predict_proba(X)[:, label], alone.predict_proba(X)[:, 1], atol=1e-3)


def test_balanced_weights_find_the_rare_class():
    """Prevents a class of 4 among 100 from never being predicted."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(0, 1, (96, 5)), rng.normal(0.9, 1, (4, 5))])
    y = np.repeat([0, 1], [96, 4])
    fresh = rng.normal(0.9, 1, (200, 5))
    plain, balanced = (
        fit_linear(X, y, n_classes=2, class_weight=weight).predict_proba(fresh).argmax(axis=1).mean()
        for weight in (None, "balanced")
    )
    assert balanced > plain + 0.3


@pytest.mark.parametrize("multi_label", [False, True])
def test_fewer_rows_than_dimensions_change_nothing(multi_label):
    """Prevents another solution in the space that the rows span than in the whole space."""
    X, y = data(n=30, dimension=100)
    targets = np.eye(3, dtype=int)[y] if multi_label else y
    head = fit_linear(X, targets, n_classes=3)
    assert head.coef.shape == (3, 100)
    fresh, _ = data(n=50, dimension=100, seed=1)
    for label in range(3) if multi_label else [slice(None)]:
        column = targets[:, label] if multi_label else y
        theirs = LogisticRegression(C=head.C, max_iter=5000, tol=1e-8).fit(X, column).predict_proba(fresh)
        theirs = theirs[:, 1] if multi_label else theirs
        # Within what scikit-learn's own solver leaves open at its usual tolerance, and C=100.
        np.testing.assert_allclose(head.predict_proba(fresh)[:, label], theirs, atol=2e-2)


def test_the_strength_chosen_is_the_best_of_all():
    """Prevents warm starts and single precision from choosing what cold fits in double precision would not."""
    for seed in range(4):
        X, y = data(n=90, dimension=20, spread=0.6, seed=seed)
        splits = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))

        def rating(C, X=X, y=y, splits=splits):
            fits = [LogisticRegression(C=C, max_iter=1000).fit(X[train], y[train]) for train, _ in splits]
            pairs = list(zip(fits, splits, strict=True))
            hits = sum((fit.predict(X[test]) == y[test]).sum() for fit, (_, test) in pairs)
            logs = sum(fit.predict_log_proba(X[test])[np.arange(len(test)), y[test]].sum() for fit, (_, test) in pairs)
            return hits, logs

        assert max(C_GRID, key=rating) == fit_linear(X, y, n_classes=3).C


def test_a_class_with_one_row_does_not_forbid_cross_validation():
    """Prevents the default strength for all where one class among many has a single example."""
    X, y = data(n=60, spread=0.25)
    X, y = np.vstack([X, -X[:1]]), np.append(y, 3)
    assert fit_linear(X, y, n_classes=4).C != DEFAULT_C


def test_held_out_rows_come_from_the_folds():
    """Prevents a row from training the regression that judges it: done by hand."""
    X, y = data(n=30)
    rows, held_out = held_out_linear(X, y, n_classes=3, C=1.0, random_state=3)
    np.testing.assert_array_equal(rows, np.arange(30))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=3).split(X, y):
        by_hand = LogisticRegression(C=1.0, max_iter=1000).fit(X[train], y[train]).predict_proba(X[test])
        np.testing.assert_allclose(held_out[test], by_hand, atol=1e-6)


def with_copies(X, y, n_copies=3, seed=0, noise=0.0):
    """Return rows, copies of each after them, their classes, and the rows that each is made from."""
    sources = np.concatenate([np.arange(len(X)), np.tile(np.arange(len(X)), n_copies)])
    copies = X[sources] + np.random.default_rng(seed).normal(scale=noise, size=(len(sources), X.shape[1]))
    copies[: len(X)] = X
    return copies, y[sources], np.column_stack([sources, sources])


@pytest.mark.parametrize("multi_label", [False, True])
def test_copies_of_held_out_rows_do_not_train(multi_label):
    """Prevents a copy from telling the answer, on labels that nothing can tell.

    Without their sources exact copies are known from the other folds: the weakest regularization looks right, and a
    threshold in the middle. With them nothing helps, and in multi-label tasks it is best to say always that all apply,
    so that the threshold is near nothing but for what is drawn to the middle by the number of labels: 20 in 80 parts.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 40))
    X, y = X / np.linalg.norm(X, axis=1, keepdims=True), rng.integers(2, size=60)
    all_X, all_y, source_rows = with_copies(X, np.eye(2, dtype=int)[y] if multi_label else y)
    leaking = fit_linear(all_X, all_y, n_classes=2)
    apart = fit_linear(all_X, all_y, n_classes=2, source_rows=source_rows)
    assert max(C_GRID) == leaking.C
    if multi_label:
        assert apart.threshold < 0.3 < 0.45 < leaking.threshold
    else:
        assert max(C_GRID) > apart.C


def test_the_strength_with_copies_is_chosen_on_originals():
    """Prevents copies from being judged, and copies of the other rows from being left out: done by hand."""
    for seed in range(3):
        X, y = data(n=45, dimension=20, spread=0.6, seed=seed)
        all_X, all_y, source_rows = with_copies(X, y, noise=0.2)
        splits = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))

        def rating(C, X=X, y=y, all_X=all_X, all_y=all_y, sources=source_rows[:, 0], splits=splits):
            hits, logs = 0, 0.0
            for train, test in splits:
                rows = np.flatnonzero(np.isin(sources, train))
                fit = LogisticRegression(C=C, max_iter=1000).fit(all_X[rows], all_y[rows])
                hits += (fit.predict(X[test]) == y[test]).sum()
                logs += fit.predict_log_proba(X[test])[np.arange(len(test)), y[test]].sum()
            return hits, logs

        head = fit_linear(all_X, all_y, n_classes=3, source_rows=source_rows)
        assert max(C_GRID, key=rating) == head.C
        whole = LogisticRegression(C=head.C, max_iter=1000).fit(all_X, all_y)
        np.testing.assert_allclose(head.predict_proba(X), whole.predict_proba(X), atol=1e-2)


def test_a_copy_of_two_rows_is_held_out_with_either():
    """Prevents half of a held-out text from training in a mixture of it."""
    y = np.arange(20) % 2
    source_rows = np.array([*((row, row) for row in range(20)), *((row, (row + 2) % 20) for row in range(20))])
    for train, test in _folds(np.tile(y, 2), 2, 0, source_rows):
        assert set(test) <= set(range(20))
        assert not set(source_rows[train].ravel()) & set(test)
        left_out = np.setdiff1d(np.arange(40), train)
        assert all(set(source_rows[row]) & set(test) for row in left_out)


def test_a_class_with_copies_of_one_row_is_not_judged():
    """Prevents copies from passing for examples enough to hold one out."""
    X, y, source_rows = with_copies(np.eye(3, 4), np.arange(3), noise=0.1)
    assert fit_linear(X, y, n_classes=3, source_rows=source_rows).C == DEFAULT_C


def test_few_rows_of_many_classes_are_no_mistake():
    """Prevents scikit-learn's warning, which takes class numbers for a regression's where most come once."""
    X = np.random.default_rng(0).normal(size=(120, 8)).astype(np.float32)
    assert fit_linear(X / np.linalg.norm(X, axis=1, keepdims=True), np.arange(60).repeat(2), n_classes=60).C in C_GRID
