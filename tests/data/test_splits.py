"""Train and test."""

import copy
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.data.splits import balanced_split

SINGLE = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=2, max_size=40)
MULTI = st.lists(st.none() | st.sets(st.sampled_from("abcd")).map(sorted).map(tuple), min_size=2, max_size=40)


def usable(labels):
    """Tell whether labels can be split."""
    given = [label for label in labels if label is not None]
    return len(given) >= 2 and any(label != () for label in given)


@settings(max_examples=60, deadline=None)
@given((SINGLE | MULTI).filter(usable), st.data(), st.integers(0, 5))
def test_sizes_are_exact_and_a_seed_decides_all(labels, data, seed):
    """Prevents scikit-multilearn's faults: sizes off by ten per cent and more, and NumPy's global random state."""
    n_labeled = sum(label is not None for label in labels)
    size = data.draw(st.integers(1, n_labeled - 1) | st.floats(0.01, 0.99))
    before, state = copy.deepcopy(labels), np.random.get_state()[1].copy()  # noqa: NPY002
    split = balanced_split(labels, size, random_state=seed)
    again = balanced_split(labels, size, random_state=seed)
    exact = int((Decimal(str(size)) * n_labeled).to_integral_value(ROUND_HALF_UP)) if isinstance(size, float) else size
    assert len(split.test) == min(max(exact, 1), n_labeled - 1)
    assert sorted(np.concatenate(split)) == list(range(len(labels)))
    assert [labels[i] for i in split.unlabeled] == [None] * (len(labels) - n_labeled)
    assert all((one == other).all() for one, other in zip(split, again, strict=True))
    assert labels == before
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=4, max_size=40), st.data())
def test_classes_are_on_both_sides_where_sizes_allow(labels, data):
    """Prevents a test class that training has never seen."""
    pairs = {label for label in labels if labels.count(label) > 1}
    singles = set(labels) - pairs
    low, high = len(pairs), len(labels) - len(pairs) - len(singles)
    if not 1 <= low <= high < len(labels):
        return
    split = balanced_split(labels, data.draw(st.integers(low, high)))
    test, train = ({labels[i] for i in side} for side in (split.test, split.train))
    assert test == pairs
    assert train == pairs | singles


def test_rare_label_sets_are_on_both_sides():
    """Prevents a label of two rows from falling to one side whole, as iterative stratification lets it."""
    labels = [("a",)] * 40 + [("a", "b")] * 20 + [()] * 10 + [("rare",)] * 2 + [("a", "scarce"), ("scarce",), ("once",)]
    for seed in range(5):
        split = balanced_split(labels, 15, random_state=seed)
        for side in (split.train, split.test):
            assert {"a", "b", "rare", "scarce"} <= {label for i in side for label in labels[i]}
            assert any(labels[i] == () for i in side)
        assert any("once" in labels[i] for i in split.train)


@pytest.mark.parametrize(
    ("test_size", "n_rows", "expected"), [(0.15, 10, 2), (0.29, 50, 15), (0.5, 3, 2), (0.01, 5, 1), (0.99, 5, 4)]
)
def test_fractions_round_half_up_as_written(test_size, n_rows, expected):
    """Prevents 0.29 of 50 rows from being 14 because of a binary digit."""
    assert len(balanced_split(["a"] * n_rows, test_size).test) == expected


def test_another_seed_draws_another_split():
    """Prevents a seed that is ignored."""
    labels = ["a", "b"] * 20
    assert len({tuple(balanced_split(labels, 0.5, random_state=seed).test) for seed in range(5)}) == 5


def test_numpy_labels_are_taken():
    """Prevents a crash on what ``df.label.to_numpy()`` gives."""
    assert len(balanced_split(np.array([0, 1] * 5), 0.2).test) == 2


@pytest.mark.parametrize(
    ("labels", "test_size", "message"),
    [
        (["a", "b"], 0, "between 1 and 1 of the 2 rows, got 0"),
        (["a", "b"], 2, "between 1 and 1"),
        (["a", "b"], 1.0, "both excluded, got 1.0"),
        (["a", "b"], float("nan"), "both excluded"),
        (["a", "b"], True, "test_size must be"),
        (["a", "b"], "0.2", "test_size must be"),
        (["a", None], 0.5, "1 labelled rows; at least 2"),
        ([None, None], 0.5, "missing in all 2 rows"),
        (["a", 1], 0.5, "mix strings"),
        (np.eye(3), 0.5, r"array of shape \(3, 3\)"),
    ],
)
def test_bad_arguments_are_refused(labels, test_size, message):
    """Prevents a side without rows, and an indicator matrix read as labels 0 and 1."""
    with pytest.raises(InputError, match=message):
        balanced_split(labels, test_size)
