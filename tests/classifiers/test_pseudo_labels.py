"""Pseudo-labels: what is given, what is drawn of it, and what it weighs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.classifiers.pseudo_labels import (
    PseudoLabels,
    chances,
    choose_pseudo_labels,
    confidence_weights,
    draw,
    groups_of,
)
from fewshot.classifiers.uncertainty import Uncertainty

N = 400


def pool(shares=(0.7, 0.2, 0.1), seed=0):
    """Return what is said of a pool, so many of each class, and its classes."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(shares), N, p=shares)
    mean = np.where(np.arange(len(shares)) == y[:, None], 0.8, 0.2 / (len(shares) - 1))
    return Uncertainty(mean, rng.uniform(0.0, 0.02, mean.shape), rng.uniform(0.0, 0.3, N)), y


def choose(found, **changes):
    """Choose with the usual settings."""
    usual = {"size": 60, "sampling": "easy", "balanced": True, "threshold": None}
    return choose_pseudo_labels(found, **usual | changes, generator=np.random.default_rng(1))


def test_classes_are_drawn_alike():
    """Prevents a student that learns the teacher's favourite class."""
    found, y = pool()
    labels = choose(found)
    np.testing.assert_array_equal(labels.given, y)
    assert labels.counts(3) == [20, 20, 20]
    assert len(set(labels.rows.tolist())) == 60
    free = choose(found, balanced=False)
    assert len(free.rows) == 60
    assert free.counts(3)[0] > 30


def test_easy_and_hard_are_opposites():
    """Prevents ``sampling`` from being taken and forgotten, or turned round."""
    found, _ = pool()
    bald = {how: found.bald[choose(found, sampling=how).rows].mean() for how in ("easy", "hard", "uniform")}
    assert bald["easy"] < bald["uniform"] - 0.02 < bald["uniform"] + 0.02 < bald["hard"]


def test_chances_are_shares_of_the_largest():
    """Prevents scores far below 1 from making easy and uniform the same, and 0/0 where all agree."""
    np.testing.assert_allclose(chances(np.array([0.0, 0.01, 0.04]), "easy"), [1.0, 0.75, 0.0], atol=1e-5)
    np.testing.assert_allclose(chances(np.array([0.0, 0.01, 0.04]), "hard"), [0.0, 0.25, 1.0], atol=1e-5)
    for how in ("easy", "hard"):
        assert (chances(np.array([0.0, 0.04]), how) > 0).all()
        np.testing.assert_array_equal(chances(np.zeros(3), how), np.ones(3))


def test_a_rare_class_gives_what_it_has():
    """Prevents the same text twice, and a crash where a class never appears or is every answer."""
    found, _ = pool((0.99, 0.01, 0.0))
    counts = choose(found).counts(3)
    assert counts[0] == 20
    assert 0 < counts[1] < 20
    assert counts[2] == 0
    same, _ = pool((1.0, 0.0, 0.0))
    assert choose(same).counts(3) == [20, 0, 0]
    assert choose(same, balanced=False).counts(3) == [60, 0, 0]


def test_a_pool_of_one_text():
    """Prevents a draw of no text where there is one, or of one where it is not its class's turn for ever."""
    found = Uncertainty(np.array([[0.1, 0.9]]), np.array([[0.0, 0.0]]), np.array([0.0]))
    labels = choose(found)
    assert (labels.rows.tolist(), labels.y.tolist(), labels.weights.tolist()) == ([0], [1], [1.0])


def test_labels_apply_from_their_thresholds():
    """Prevents an argmax where several labels apply or none, and one threshold for all."""
    mean = np.array([[0.9, 0.3], [0.4, 0.3], [0.1, 0.1], [0.9, 0.1]])
    found = Uncertainty(mean, np.full((4, 2), 0.01), np.array([0.1, 0.2, 0.1, 0.3]))
    labels = choose(found, threshold=np.array([0.5, 0.2]))
    assert labels.given.tolist() == [[1, 1], [0, 1], [0, 0], [1, 0]]
    assert labels.rows.tolist() == [0, 1, 2, 3]
    assert labels.counts(2) == [2, 2]
    assert [rows.tolist() for rows in groups_of(labels.given, 2)] == [[0, 3], [0, 1], [2]]


def test_unsure_answers_weigh_less():
    """Prevents weights without end on texts on which all passes agree, and those of another class's variance."""
    weights = confidence_weights(np.array([0.0, 1e-6, 1e-3, 0.25]))
    assert weights.mean() == pytest.approx(1.0)
    assert weights[0] == weights[1] > weights[2] > weights[3] > 0
    assert weights[0] / weights[3] < 10
    assert weights[1] / weights[2] == pytest.approx(2.0)
    assert confidence_weights(np.full(3, 0.25)).tolist() == [1.0] * 3
    assert confidence_weights(np.empty(0)).shape == (0,)
    variance = np.array([[0.2, 1e-6], [1e-6, 0.2]])
    found = Uncertainty(np.array([[0.6, 0.4], [0.7, 0.3]]), variance, np.zeros(2))
    labels = choose(found, balanced=False)
    assert labels.weights[1] > 5 * labels.weights[0]


def test_what_is_kept_on_disk_comes_back():
    """Prevents a resumed round from other labels or weights."""
    labels = choose(pool()[0])
    again = PseudoLabels.from_arrays(labels.arrays())
    for name, array in labels.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.integers(1, 30),
    st.integers(0, 5),
)
def test_no_row_comes_twice_and_no_share_is_exceeded(classes, size, seed):
    """Prevents a draw with repetitions, or one that gives a class more than its share."""
    y = np.array(classes)
    rows = draw(groups_of(y, 4), np.ones(len(y)), size, np.random.default_rng(seed))
    assert len(set(rows.tolist())) == len(rows) <= size
    counts = np.bincount(y[rows], minlength=4)
    assert counts.max() <= -(-size // 4)
    assert (counts >= np.minimum(np.bincount(y, minlength=4), size // 4)).all()


@given(st.integers(0, 10), st.integers(1, 20))
def test_texts_of_several_labels_are_drawn_once(seed, size):
    """Prevents a text with two labels from coming twice, and one label from taking all."""
    y = np.random.default_rng(seed).integers(0, 2, (30, 3))
    rows = draw(groups_of(y, 3), np.ones(30), size, np.random.default_rng(seed))
    assert len(set(rows.tolist())) == len(rows) <= size
