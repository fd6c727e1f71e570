"""Folds: fair to each class, whatever the sizes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.folds import deal_alike, deal_folds


@given(st.lists(st.integers(0, 4), min_size=6, max_size=60), st.integers(2, 5), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_folds_are_even_and_leave_each_class_in_every_training(labels, folds, seed):
    """Prevents a fold whose training lacks a class, and classes that only one fold judges."""
    y = np.array(labels)
    fold_of = deal_folds(y, folds, seed)
    assert (fold_of == deal_folds(y, folds, seed)).all()
    counts = np.bincount(y)
    assert ((fold_of == -1) == (counts[y] == 1)).all()
    for label in np.flatnonzero(counts > 1):
        assert len(np.unique(fold_of[y == label])) >= 2
    sizes = np.bincount(fold_of[fold_of >= 0], minlength=folds)
    assert sizes.max() - sizes.min() <= 1


def test_multi_label_folds_hold_each_label():
    """Prevents rare labels from all falling into one fold, as dealing at random does."""
    y = np.zeros((60, 4), dtype=int)
    for label, count in enumerate((30, 20, 10, 4)):
        y[np.random.default_rng(label).choice(60, count, replace=False), label] = 1
    fold_of = deal_folds(y, 3, 0)
    for fold in range(3):
        assert abs(y[fold_of == fold].mean(axis=0) - y.mean(axis=0)).max() < 0.06
        assert y[fold_of != fold].any(axis=0).all()


@given(st.integers(2, 6), st.integers(1, 12), st.integers(2, 12), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_classes_of_one_size_lose_the_same_number_to_each_fold(n_classes, size, folds, seed):
    """Prevents a text from being judged by trainings that saw less of its own class than of the others."""
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(n_classes), size))
    fold_of = deal_alike(y, folds, seed)
    assert (fold_of == deal_alike(y, folds, seed)).all()
    if size == 1:
        assert (fold_of == -1).all()
        return
    held_out = np.array([np.bincount(y[fold_of == fold], minlength=n_classes) for fold in range(folds)])
    assert (held_out == held_out[:, :1]).all()
    assert held_out.max() - held_out.min() <= 1
    assert held_out.sum() == len(y)


@given(st.lists(st.integers(0, 5), min_size=4, max_size=60), st.integers(2, 10), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_each_training_keeps_each_class(labels, folds, seed):
    """Prevents a held-out text of a class that its training never saw, and singletons that are judged."""
    y = np.array(labels)
    fold_of = deal_alike(y, folds, seed)
    counts = np.bincount(y)
    assert ((fold_of == -1) == (counts[y] == 1)).all()
    for label in np.flatnonzero(counts > 1):
        assert np.bincount(fold_of[y == label]).max() < counts[label]


def test_multi_label_rows_are_all_dealt():
    """Prevents texts without a label, or with a rare one, from never being judged."""
    y = np.array([[1, 0], [0, 0], [1, 1], [0, 1], [0, 0], [1, 0]])
    assert sorted(deal_alike(y, 3, 0)) == [0, 0, 1, 1, 2, 2]
