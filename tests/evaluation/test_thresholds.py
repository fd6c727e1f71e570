"""The best thresholds against trying them all."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.evaluation.thresholds import (
    best_threshold,
    best_thresholds_per_label,
    chosen_thresholds,
    matching_threshold,
    steady_threshold,
    thresholds_of_trained,
    with_one_label,
)

CELLS = st.lists(st.tuples(st.booleans(), st.integers(0, 40)), min_size=2, max_size=24).filter(
    lambda c: len(c) % 2 == 0
)


def micro_f1(y, predicted):
    """Compute micro-F1 by counting."""
    return 2 * (y & predicted).sum() / max(1, y.sum() + predicted.sum())


@given(CELLS)
def test_no_other_threshold_is_better(cells):
    """Prevents an off-by-one among sorted probabilities, and a threshold between two equal ones."""
    y = np.array([truth for truth, _ in cells]).reshape(-1, 2)
    probabilities = np.array([score / 40 for _, score in cells]).reshape(-1, 2)
    threshold = best_threshold(y.astype(int), probabilities)
    assert 0.0 < threshold <= 1.0
    if not y.any():
        assert threshold == 0.5
        return
    every = [micro_f1(y, probabilities >= cut) for cut in np.arange(1, 81) / 80]
    assert micro_f1(y, probabilities >= threshold) == pytest.approx(max(every))


@given(CELLS)
def test_ties_go_to_the_default(cells):
    """Prevents an extreme threshold where many are as good."""
    y = np.array([truth for truth, _ in cells]).reshape(-1, 2).astype(int)
    probabilities = np.array([score / 40 for _, score in cells]).reshape(-1, 2)
    chosen = best_threshold(y, probabilities)
    best = micro_f1(y.astype(bool), probabilities >= chosen)
    scores = [*sorted({0.0, *probabilities.ravel()}, reverse=True)]
    for high, low in itertools.pairwise(scores):
        middle = (high + low) / 2
        if micro_f1(y.astype(bool), probabilities >= middle) == pytest.approx(best) and y.any() and best > 0:
            assert abs(chosen - 0.5) <= abs(middle - 0.5) + 1e-12


@given(st.lists(st.tuples(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.floats(0, 1)), max_size=8))
def test_one_label_is_added_where_there_is_none(rows):
    """Prevents rows that have labels from getting another, and the most probable label from being passed over."""
    probabilities = np.array([row for row, _ in rows]).reshape(-1, 3)
    applies = probabilities >= np.array([threshold for _, threshold in rows]).reshape(-1, 1)
    before = applies.copy()
    filled = with_one_label(applies, probabilities)
    np.testing.assert_array_equal(applies, before)
    for was, row, now in zip(applies, probabilities, filled, strict=True):
        expected = was if was.any() else np.arange(3) == row.argmax()
        np.testing.assert_array_equal(now, expected)


def test_one_shape():
    """Prevents broadcasting a column of probabilities over a matrix of labels."""
    with pytest.raises(InputError, match="must have one shape"):
        best_threshold(np.ones((2, 2)), np.ones((2, 1)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(st.floats(0, 1, width=16), st.integers(0, 3))
def test_neighbouring_numbers_are_told_apart(dtype, low, steps):
    """Prevents a midpoint that rounds to the lower of two adjacent numbers, in any precision."""
    low = high = dtype(low)
    for _ in range(steps + 1):
        high = np.nextafter(high, dtype(2))
    probabilities = np.array([[high], [low]], dtype=dtype)
    for choose in (best_threshold, steady_threshold):
        threshold = choose(np.array([[1], [0]]), probabilities)
        assert (probabilities >= threshold).ravel().tolist() == [True, False]


def test_a_frequent_label_has_its_own_threshold_and_an_absent_one_the_common():
    """Prevents one threshold for a label that runs low and one that runs high, and a guess for one without evidence."""
    rng = np.random.default_rng(0)
    y = np.column_stack([rng.integers(2, size=(400, 2)), np.zeros(400, dtype=int)])
    probabilities = np.column_stack([0.1 + 0.2 * y[:, 0], 0.6 + 0.2 * y[:, 1], np.full(400, 0.3)])
    chosen = best_thresholds_per_label(y, probabilities, default=0.5)
    assert 0.1 < chosen[0] <= 0.3
    assert 0.6 < chosen[1] <= 0.8
    assert chosen[2] == 0.5
    np.testing.assert_array_equal((probabilities >= chosen)[:, :2], y[:, :2] == 1)


@given(st.integers(1, 200), st.floats(0.05, 0.95))
def test_few_positives_stay_near_the_common_threshold(positives, common):
    """Prevents a threshold that two texts decided; the documented weights by hand."""
    y = np.repeat([[1], [0]], [positives, 50], axis=0)
    probabilities = np.where(y == 1, 0.9, 0.8)
    own = best_threshold(y, probabilities, default=common)
    expected = (positives * own + 10 * common) / (positives + 10)
    np.testing.assert_allclose(best_thresholds_per_label(y, probabilities, default=common), expected)
    np.testing.assert_allclose(best_thresholds_per_label(y, probabilities, default=common, few=0), own)


@pytest.mark.parametrize(
    ("choose", "documented", "n_texts", "n_labels", "share", "signal", "draws"),
    [(best_thresholds_per_label, 10, 100, 30, 0.05, 2.5, 10), (steady_threshold, 20, 8, 8, 0.15, 2.0, 30)],
    ids=["per-label", "steady"],
)
def test_drawn_thresholds_are_better_on_new_texts(choose, documented, n_texts, n_labels, share, signal, draws):
    """Prevents a draw that only sounds right: with few labels it must beat the threshold that is best for these."""
    rng = np.random.default_rng(0)

    def draw(n):
        y = (rng.random((n, n_labels)) < share).astype(int)
        return y, 1 / (1 + np.exp(-(rng.normal(size=(n, n_labels)) + signal * y - 2)))

    test_y, test_p = draw(4000)
    scores = dict.fromkeys((0, documented), 0.0)
    for _ in range(draws):
        y, p = draw(n_texts)
        for few in scores:
            scores[few] += micro_f1(test_y == 1, test_p >= choose(y, p, few=few))
    assert scores[documented] > scores[0]


@given(CELLS)
def test_as_many_labels_apply_as_are_true(cells):
    """Prevents a cut that is off by one; labels as probable as the last one that applies apply, too."""
    y = np.array([truth for truth, _ in cells]).reshape(-1, 2).astype(int)
    probabilities = np.array([(score + 1) / 42 for _, score in cells]).reshape(-1, 2)
    threshold = matching_threshold(y, probabilities)
    if not y.any():
        assert threshold == 0.5
        return
    last = np.sort(probabilities, axis=None)[::-1][y.sum() - 1]
    np.testing.assert_array_equal(probabilities >= threshold, probabilities >= last)


@given(CELLS, st.integers(0, 200))
def test_a_steady_threshold_lies_between(cells, few):
    """Prevents one that leaves the two that it is drawn between; the documented weights by hand."""
    y = np.array([truth for truth, _ in cells]).reshape(-1, 2).astype(int)
    probabilities = np.array([score / 40 for _, score in cells]).reshape(-1, 2)
    best, matching, p = best_threshold(y, probabilities), matching_threshold(y, probabilities), y.sum()
    expected = (p * best + few * matching) / (p + few) if p else 0.5
    assert steady_threshold(y, probabilities, few=few) == pytest.approx(expected)
    assert steady_threshold(y, probabilities, few=0) == best == chosen_thresholds(y, probabilities, "common", few=0)
    assert chosen_thresholds(y, probabilities, "common") == steady_threshold(y, probabilities)
    expected = best_thresholds_per_label(y, probabilities, steady_threshold(y, probabilities))
    np.testing.assert_array_equal(chosen_thresholds(y, probabilities, "per-label"), expected)
    expected = best_thresholds_per_label(y, probabilities, steady_threshold(y, probabilities, few=80))
    np.testing.assert_array_equal(thresholds_of_trained(y, probabilities), expected)


def test_labels_that_nobody_could_foresee_do_not_put_every_label_on_every_text():
    """Prevents what a text a label did: held out, each true label is improbable, and F1 asks for all of them."""
    y = np.eye(8, dtype=int)
    held_out = np.where(y == 1, 1e-9, np.linspace(0.05, 0.15, 64).reshape(8, 8))
    assert (held_out >= best_threshold(y, held_out)).all()
    assert (held_out >= steady_threshold(y, held_out)).mean() < 0.6


def test_bad_arguments_per_label():
    """Prevents one column from being taken for all, and a negative weight."""
    with pytest.raises(InputError, match="must have one shape"):
        best_thresholds_per_label(np.ones((2, 2)), np.ones((2, 1)))
    with pytest.raises(InputError, match="few must be at least 0"):
        best_thresholds_per_label(np.ones((2, 2)), np.ones((2, 2)), few=-1)
    with pytest.raises(InputError, match="few must be at least 0"):
        steady_threshold(np.ones((2, 2)), np.ones((2, 2)), few=-1)
