"""Out-of-scope scores by hand, their threshold by leave-one-out, and what is kept of the training texts."""

import json

import numpy as np
import pytest

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.heads.scope import ScopeDetector


def data(n=60, dimension=8, n_classes=3, seed=0, spread=0.15):
    """Make unit vectors around a centre for each class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = np.eye(n_classes, dimension)[y] + rng.normal(scale=spread, size=(n, dimension))
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def by_hand(x, X, y, k):
    """Return the distance of one vector to the nearest local mean."""
    distances = []
    for label in np.unique(y):
        rows = X[y == label]
        nearest = rows[np.argsort(-(rows @ x))[:k]]
        distances.append(((x - nearest.mean(axis=0)) ** 2).sum())
    return min(distances)


@pytest.mark.parametrize("k", [1, 5, 100])
def test_scores_by_hand(k):
    """Prevents neighbours of several classes in one mean, and a class with fewer than k rows."""
    X, y = data()
    X, y = X[np.append(np.flatnonzero(y < 2), 2)], y[np.append(np.flatnonzero(y < 2), 2)]
    detector = ScopeDetector.fit(X, y, k=k)
    fresh, _ = data(n=200, seed=1, spread=0.6)
    kept = detector.X.astype(float)
    np.testing.assert_allclose(detector.score(fresh), [by_hand(x, kept, y, k) for x in fresh], atol=1e-4)


def test_the_threshold_by_hand():
    """Prevents a threshold from rows that are their own neighbours, by which nothing new would be in scope."""
    X, y = data()
    detector = ScopeDetector.fit(X, y)
    kept = detector.X.astype(float)
    others = [np.arange(60) != i for i in range(60)]
    left_out = [by_hand(kept[i], kept[others[i]], y[others[i]], 5) for i in range(60)]
    assert detector.threshold == pytest.approx(np.quantile(left_out, 0.95, method="higher"), abs=1e-4)


def test_unlike_texts_are_found():
    """Prevents a score that is smaller where a text is farther."""
    X, y = data()
    fresh, _ = data(n=300, seed=1)
    detector = ScopeDetector.fit(X, y)
    assert 0.88 < (detector.score(fresh) <= detector.threshold).mean() < 0.99
    unlike = np.eye(8)[3:]
    assert (detector.score(unlike) > detector.threshold).all()


def test_a_class_of_two_topics_is_in_scope():
    """Prevents a broad class's empty middle from being nearer than its topics."""
    X, y = data(n_classes=4)
    detector = ScopeDetector.fit(X, y // 2)
    middle = (np.eye(8)[0] + np.eye(8)[1]) / np.sqrt(2)
    assert detector.score(middle[None]) > detector.score(np.eye(8)[:1]) + 0.1


def test_given_scores_decide():
    """Prevents leave-one-out from deciding where scores of held-out texts are given."""
    X, y = data()
    detector = ScopeDetector.fit(X, y, held_out_scores=np.arange(101) / 100, share=0.9)
    assert detector.threshold == pytest.approx(0.9)


def test_multi_label_rows_stand_with_each_of_their_labels():
    """Prevents a set of labels from being taken for a class of its own, and texts without labels from being lost."""
    X, _ = data(n_classes=3)
    y = np.zeros((60, 3), dtype=int)
    y[np.arange(60), np.arange(60) % 3] = np.arange(60) % 3 < 2
    y[0] = 1
    detector = ScopeDetector.fit(X, y)
    np.testing.assert_array_equal(detector.y, y)
    fresh, _ = data(n=90, seed=1)
    assert (detector.score(fresh) <= detector.threshold).mean() > 0.85
    kept, bare = detector.X.astype(float), y.sum(axis=1) == 0
    groups = [*(np.flatnonzero(column) for column in y.T if column.any()), np.flatnonzero(bare)]
    expected = [min(by_hand(x, kept[group], np.zeros(len(group)), 5) for group in groups) for x in fresh]
    np.testing.assert_allclose(detector.score(fresh), expected, atol=1e-4)


def test_the_number_kept_is_bounded_and_even():
    """Prevents a large class from pushing a small one out, and another choice at the same seed."""
    X, y = data(n=300, n_classes=2)
    y = np.where(np.arange(300) < 8, 2, y)
    detector = ScopeDetector.fit(X, y, max_rows=60, random_state=5)
    assert detector.X.dtype == np.float16
    assert len(detector.X) == 60
    assert np.bincount(detector.y).tolist() == [26, 26, 8]
    again = ScopeDetector.fit(X, y, max_rows=60, random_state=5)
    np.testing.assert_array_equal(detector.X, again.X)
    other = ScopeDetector.fit(X, y, max_rows=60, random_state=6)
    assert not np.array_equal(detector.X, other.X)
    assert len(ScopeDetector.fit(X, np.eye(3, dtype=int)[y], max_rows=60).X) == 60


def test_the_smallest_training_sets():
    """Prevents a crash, or an infinite threshold in JSON, where nothing can be left out."""
    one = ScopeDetector.fit(np.eye(1, 3), np.array([0]))
    alone = ScopeDetector.fit(np.eye(3), np.arange(3))
    for detector in (one, alone):
        assert np.isfinite(detector.threshold)
        assert (detector.score(detector.X.astype(float)) <= detector.threshold).all()
        assert len(detector.score(np.empty((0, 3)))) == 0


@pytest.mark.parametrize("multi_label", [False, True])
def test_detectors_come_back_from_their_state(multi_label):
    """Prevents a setting that is learnt but not kept, and names that collide with a head's."""
    X, y = data()
    detector = ScopeDetector.fit(X, np.eye(3, dtype=int)[y] if multi_label else y, k=3)
    arrays, settings = detector.state()
    assert all(name.startswith("scope_") for name in arrays)
    again = ScopeDetector.restore({"X": np.eye(2), **arrays}, json.loads(json.dumps(settings)))
    np.testing.assert_array_equal(again.score(-X), detector.score(-X))
    assert again.threshold == detector.threshold


def test_damaged_detectors_are_refused():
    """Prevents rows without a class from being passed over."""
    arrays, settings = ScopeDetector.fit(*data()).state()
    with pytest.raises(ModelFormatError, match="damaged: KeyError"):
        ScopeDetector.restore({}, settings)
    with pytest.raises(ModelFormatError, match=r"X \(60, 8\), y \(9,\)"):
        ScopeDetector.restore(arrays | {"scope_y": np.zeros(9)}, settings)


def test_bad_arguments_are_named():
    """Prevents an error deep inside, and a share that was meant in percent."""
    X, y = data()
    for options in ({"k": 0}, {"share": 95}, {"max_rows": 0}):
        with pytest.raises(InputError, match="k and max_rows must be at least 1 and share above 0"):
            ScopeDetector.fit(X, y, **options)
    with pytest.raises(InputError, match="X must be finite, with one row for each entry of y"):
        ScopeDetector.fit(X, y[:3])
    with pytest.raises(InputError, match=r"X must have shape \(n, 8\)"):
        ScopeDetector.fit(X, y).score(X[:, :3])
