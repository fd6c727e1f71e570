"""Agreement of methods: against scikit-learn, and the bounds against every possible truth."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from fewshot.core.errors import InputError
from fewshot.evaluation.statistics.agreement import pool_agreement

ANSWERS = st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(ANSWERS)
def test_no_truth_beats_the_bounds(rows) -> None:
    """Prevents a promise that some labels would break: all truths are tried."""
    predictions = dict(zip(("x", "y", "z"), zip(*rows, strict=True), strict=True))
    found = pool_agreement(predictions)
    answers = np.array(list(predictions.values()))
    accuracies = [(answers == np.array(truth)).mean(axis=1) for truth in itertools.product("abc", repeat=len(rows))]
    assert max(of.mean() for of in accuracies) == pytest.approx(found.mean_accuracy_at_most)
    for a, b in itertools.combinations(range(3), 2):
        assert max(min(of[a], of[b]) for of in accuracies) <= found.worse_accuracy_at_most[a, b] + 1e-9
    assert found.mean_accuracy_at_most <= found.worse_accuracy_at_most.mean() + 1e-9


def test_kappa_is_scikit_learns() -> None:
    """Prevents a kappa of our own."""
    rng = np.random.default_rng(0)
    first = rng.integers(4, size=200)
    second = np.where(rng.random(200) < 0.7, first, rng.integers(4, size=200))
    found = pool_agreement({"x": first, "y": second})
    assert found.kappa[0, 1] == pytest.approx(cohen_kappa_score(first, second))
    assert found.agreement[0, 1] == pytest.approx((first == second).mean())
    assert np.diag(found.kappa).tolist() == [1.0, 1.0]


def test_one_label_for_all_is_no_division_by_zero() -> None:
    """Prevents NaN where two methods know one label only."""
    assert pool_agreement({"x": ["a", "a"], "y": ["a", "a"]}).kappa.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_sets_of_labels_agree_whatever_their_order() -> None:
    """Prevents disagreement about an order that means nothing."""
    found = pool_agreement({"x": [("a", "b"), ()], "y": [["b", "a"], ("a",)]})
    assert found.agreement[0, 1] == 0.5


def test_rows_begin_with_the_most_doubtful_pair() -> None:
    """Prevents the pair that says the most from standing somewhere in a table."""
    rows = pool_agreement({"x": list("aab"), "y": list("aaa"), "z": list("bba")}).rows()
    assert [(row["method"], row["other"]) for row in rows] == [("x", "z"), ("y", "z"), ("x", "y")]
    assert rows[0]["worse_accuracy_at_most"] == 0.5


@pytest.mark.parametrize("predictions", [{}, {"x": ["a"]}, {"x": ["a"], "y": []}, {"x": [], "y": []}])
def test_nothing_to_compare_is_refused(predictions) -> None:
    """Prevents a table of nothing."""
    with pytest.raises(InputError, match="predictions must be"):
        pool_agreement(predictions)
