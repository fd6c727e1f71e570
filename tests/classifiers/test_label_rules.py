"""When labels apply: the rules, and which of them few labels choose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.classifiers.label_rules import LabelRule, check_rule, choose_rule, near_the_best
from fewshot.core.errors import InputError

RNG = np.random.default_rng(0)


def scores_of(y, noise, rng=RNG):
    """Probabilities that tell the truth but for some noise."""
    return (0.2 + 0.3 * y + noise * rng.normal(size=y.shape)).clip(0.01, 0.99)


@given(st.integers(1, 4), st.integers(0, 1000))
def test_so_many_labels_apply(k, seed):
    """Prevents ties from giving a text more labels than asked for, or fewer."""
    probabilities = np.random.default_rng(seed).integers(0, 3, size=(7, 4)) / 2
    applies = LabelRule(0.5, k).applies(probabilities)
    assert (applies.sum(axis=1) == k).all()
    for row, chosen in zip(probabilities, applies, strict=True):
        assert k == 4 or row[chosen].min() >= row[~chosen].max()


def test_certainty_is_that_of_the_least_certain_decision():
    """Prevents a text with one sure and one unsure label from counting as sure."""
    probabilities = np.array([[0.95, 0.45, 0.1]])
    assert LabelRule(0.4).certainty(probabilities) == pytest.approx([0.45])
    assert LabelRule(0.4, top_k=1).certainty(probabilities) == pytest.approx([0.55])


def test_without_labels_there_is_a_stated_default():
    """Prevents a rule out of nothing."""
    y, probabilities = np.zeros((0, 3)), np.zeros((0, 3))
    assert choose_rule(y, probabilities) == (LabelRule(0.5), {})
    assert choose_rule(y, probabilities, decision="top-k") == (LabelRule(0.5, 1), {})
    assert choose_rule(np.zeros((4, 3)), np.full((4, 3), 0.2)) == (LabelRule(0.5), {})


def test_what_is_given_is_kept():
    """Prevents labelled texts from overruling the user."""
    y = (RNG.random((30, 3)) < 0.4).astype(int)
    assert choose_rule(y, scores_of(y, 0.1), threshold=0.9)[0] == LabelRule(0.9)
    assert choose_rule(y, scores_of(y, 0.1), top_k=2)[0].top_k == 2


def test_few_labels_choose_one_threshold():
    """Prevents a threshold a label, or a number of labels, from being read off a handful of texts."""
    y = np.eye(3, dtype=int)[[0, 1, 2, 0]]
    rule, held_out = choose_rule(y, scores_of(y, 0.05))
    assert np.ndim(rule.threshold) == 0
    assert rule.top_k is None
    assert held_out == {}
    assert 0.2 < rule.threshold < 0.5


def test_held_out_texts_tell_kinds_of_rules_apart():
    """Prevents a rule that fits its own labels from winning against one that holds on others."""
    y = np.eye(6, dtype=int)[RNG.integers(0, 6, 120)]
    level = RNG.normal(scale=0.3, size=(120, 1))  # each text has a level of its own, so only the order tells
    rule, held_out = choose_rule(y, 1 / (1 + np.exp(-(level * 8 + 3 * y))))
    assert rule.top_k == 1
    assert held_out["top-k"] == pytest.approx(1.0)
    assert held_out["top-k"] > held_out["threshold"]
    several = (RNG.random((200, 6)) < 0.4).astype(int)
    rule, held_out = choose_rule(several, scores_of(several, 0.03))
    assert rule.top_k is None
    assert max(held_out, key=held_out.get) in ("threshold", "per-label")


def test_a_kind_that_is_named_is_fitted():
    """Prevents ``decision`` from being asked for and not followed."""
    y = (RNG.random((40, 3)) < 0.4).astype(int)
    probabilities = scores_of(y, 0.05)
    assert np.shape(choose_rule(y, probabilities, decision="per-label")[0].threshold) == (3,)
    assert choose_rule(y, probabilities, decision="top-k")[0].top_k in (1, 2)
    assert np.ndim(choose_rule(y, probabilities, decision="threshold")[0].threshold) == 0


@given(st.integers(0, 10_000), st.integers(1, 3))
def test_what_is_not_near_is_decided(seed, k):
    """Prevents a score that may change the answer from not being asked about again."""
    rng = np.random.default_rng(seed)
    scores, error = rng.normal(size=(5, 4)), 0.2
    off = scores + rng.uniform(-error, error, size=scores.shape)
    near = near_the_best(off, k, error)
    settled = np.where(near, scores, off)
    rule = LabelRule(0.5, k)
    np.testing.assert_array_equal(rule.applies(settled), rule.applies(scores))
    at = np.zeros(4)
    near = LabelRule(0.5).undecided(off, at, error)
    np.testing.assert_array_equal(np.where(near, scores, off) >= at, scores >= at)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("vote", None, None), "decision must be one of auto, threshold, per-label, top-k, got 'vote'"),
        (("auto", 1.5, None), "threshold must be from 0 to 1"),
        (("auto", None, 0), "top_k must be at least 1"),
        (("auto", 0.5, 2), "give one of them"),
    ],
)
def test_wrong_rules(given, message):
    """Prevents a rule that gives every text no label, or two rules at once."""
    with pytest.raises(InputError, match=message):
        check_rule(*given)


def test_rules_in_words():
    """Prevents a report that nobody can read."""
    assert str(LabelRule(0.25)) == "labels from a probability of 0.25 on"
    assert str(LabelRule(np.array([0.25, 0.5]))) == "labels from a probability of their own on, 0.25 to 0.5"
    assert str(LabelRule(0.5, 1)) == "the most probable label"
    assert str(LabelRule(0.5, 3)) == "the 3 most probable labels"
