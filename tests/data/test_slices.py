"""Few-shot samples and nested slices."""

import copy
import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.slices import sample_few_shot, training_slices

SINGLE = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=60).filter(any)
MULTI = st.lists(st.none() | st.sets(st.sampled_from("abcd")).map(sorted).map(tuple), min_size=1, max_size=40).filter(
    any
)


@pytest.fixture(scope="module")
def sample_dataset():
    """SetFit's own function; importing it takes seconds and warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setfit = pytest.importorskip("setfit")
    return setfit.sample_dataset


@pytest.mark.slow
@pytest.mark.parametrize("kind", [str, int])
@pytest.mark.parametrize("seed", [0, 1, 42, 1234])
@pytest.mark.parametrize(("n_rows", "n_per_class"), [(60, 1), (60, 8), (500, 8), (500, 64)])
def test_the_rows_are_those_of_setfit(sample_dataset, n_rows, n_per_class, seed, kind):
    """Prevents comparisons with SetFit on other examples than its own."""
    from datasets import Dataset

    labels = [kind(label) for label in np.random.default_rng(n_rows).integers(0, 5, n_rows)]
    data = Dataset.from_dict({"text": [str(i) for i in range(n_rows)], "label": labels})
    theirs = [int(text) for text in sample_dataset(data, num_samples=n_per_class, seed=seed)["text"]]
    ours = sample_few_shot(labels, n_per_class, random_state=seed, allow_fewer=True)
    assert ours.tolist() == theirs


@given(SINGLE, st.integers(1, 9), st.integers(0, 3))
def test_samples_hold_so_many_of_each_class(labels, n_per_class, seed):
    """Prevents unlabeled rows, doubled rows or a class short of its share."""
    before = copy.deepcopy(labels)
    rows = sample_few_shot(labels, n_per_class, random_state=seed, allow_fewer=True)
    assert len(set(rows)) == len(rows)
    drawn = [labels[row] for row in rows]
    for label in {label for label in labels if label is not None}:
        assert drawn.count(label) == min(n_per_class, labels.count(label))
    assert None not in drawn
    assert labels == before


@given(MULTI, st.integers(1, 5), st.integers(0, 3))
def test_multi_label_samples_hold_enough_of_each_label(labels, n_per_class, seed):
    """Prevents a label short of its share because a common one was drawn first."""
    rows = sample_few_shot(labels, n_per_class, random_state=seed, allow_fewer=True)
    assert len(set(rows)) == len(rows)
    for label in "abcd":
        there = sum(label in (entry or ()) for entry in labels)
        assert sum(label in labels[row] for row in rows) >= min(n_per_class, there)


def test_a_class_with_too_few_rows_is_named():
    """Prevents a comparison "at 8 per class" in which one class has 2."""
    for draw in (
        lambda: sample_few_shot(["a"] * 9 + ["b"] * 2),
        lambda: training_slices(["a"] * 9 + ["b"] * 2, [1, 8]),
    ):
        with pytest.raises(InputError, match=r"class 'b' has 2 labelled rows, fewer than the 8 .*allow_fewer=True"):
            draw()
    with pytest.raises(InputError, match="class 'y' has 1"):
        sample_few_shot([("x", "y"), ("x",)], 2)


@given(SINGLE, st.sets(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 3))
def test_slices_per_class_are_exact_and_nested(labels, sizes, seed):
    """Prevents a learning curve whose larger slices miss the examples of the smaller ones."""
    before = copy.deepcopy(labels)
    slices = training_slices(labels, sizes, random_state=seed, allow_fewer=True)
    assert list(slices) == sorted(sizes)
    for size, rows in slices.items():
        expected = sample_few_shot(labels, size, random_state=seed, allow_fewer=True)
        assert sorted(rows) == sorted(expected)
    for small, large in itertools.pairwise(slices.values()):
        assert (large[: len(small)] == small).all()
    assert labels == before


@settings(max_examples=50, deadline=None)
@given(SINGLE | MULTI, st.data(), st.integers(0, 3))
def test_slices_in_all_are_exact_and_nested(labels, data, seed):
    """Prevents multi-label slices of another size than the page says, and a global random state that moves on."""
    n_labeled = sum(label is not None for label in labels)
    sizes = data.draw(st.sets(st.integers(1, n_labeled), min_size=1, max_size=4))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        slices = training_slices(labels, sizes, random_state=seed, total=True)
        again = training_slices(labels, sizes, random_state=seed, total=True)
    assert {size: len(set(rows.tolist())) for size, rows in slices.items()} == {size: size for size in sorted(sizes)}
    for small, large in itertools.pairwise(slices.values()):
        assert (large[: len(small)] == small).all()
    assert all((slices[size] == again[size]).all() for size in sizes)
    assert all(labels[row] is not None for rows in slices.values() for row in rows)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_small_slices_hold_every_class_they_can():
    """Prevents a slice of ten rows that misses a rare class of ten."""
    labels = ["a"] * 90 + ["b"] * 5 + ["c"] * 3 + ["d"]
    slices = training_slices(labels, [4, 10, 50], total=True)
    assert all({labels[i] for i in rows} == set("abcd") for rows in slices.values())
    multi = [("a",)] * 90 + [("b", "a")] * 5 + [("c", "b")] * 3 + [()] * 10
    slices = training_slices(multi, [5, 20])
    assert all({label for i in rows for label in multi[i]} == set("abc") for rows in slices.values())


def test_a_slice_without_a_class_warns():
    """Prevents a score that is low only because a class was never shown."""
    with pytest.warns(DataWarning, match="slice of 2 rows cannot hold each of the 3 classes once: it lacks 1, '[abc]'"):
        training_slices(["a", "b", "c"] * 3, [2], total=True)
    with pytest.warns(DataWarning, match="it lacks 10, 'c"):
        training_slices([(f"c{i}",) for i in range(12)], [2])


def test_another_seed_draws_other_slices():
    """Prevents five seeds with the same examples."""
    for labels, total in ((["a", "b"] * 30, False), (["a", "b"] * 30, True), ([("a",), ("b",)] * 30, True)):
        drawn = {tuple(sorted(training_slices(labels, [6], random_state=s, total=total)[6])) for s in range(5)}
        assert len(drawn) == 5


@pytest.mark.parametrize("container", [list, tuple, np.array])
def test_labels_may_stand_in_any_sequence(container):
    """Prevents a crash on arrays."""
    labels = container([0, 1] * 5)
    assert len(sample_few_shot(labels, 2)) == 4
    assert len(training_slices(labels, np.array([2]))[2]) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": []}, "at least one size"),
        ({"sizes": [1, 1]}, "distinct, got 1 twice"),
        ({"sizes": [0, 0]}, "distinct, got 0 twice"),
        ({"sizes": [-2]}, "integer from 0 on, got -2"),
        ({"sizes": [1.5]}, "integer from 0 on, got 1.5"),
        ({"sizes": [True]}, "integer from 0 on, got True"),
        ({"sizes": 8}, "sequence of integers, got 8"),
        ({"sizes": "8"}, "sequence of integers, got '8'"),
        ({"sizes": [5], "total": True}, "ask for 5 rows in all, and there are 4"),
        ({"sizes": [5], "total": True, "allow_fewer": True}, "ask for 5 rows in all"),
    ],
)
def test_bad_sizes_are_refused(settings, message):
    """Prevents a curve with the same point twice, or with none."""
    with pytest.raises(InputError, match=message):
        training_slices(["a", "b"] * 2, **settings)


@pytest.mark.parametrize("labels", [["a", "b"] * 9, [("a",), ("b", "a"), ()] * 6])
def test_a_slice_of_none_changes_no_other(labels):
    """Prevents methods without labels from altering the draws of all others, and a warning about their slice."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_none, without = (training_slices(labels, sizes, random_state=3) for sizes in ([4, 0, 8], [4, 8]))
        assert training_slices(labels, [0])[0].tolist() == []
    assert list(with_none) == [0, 4, 8]
    assert with_none[0].dtype == with_none[4].dtype
    assert len(with_none[0]) == 0
    for size, rows in without.items():
        np.testing.assert_array_equal(with_none[size], rows)


def test_sizes_per_class_need_single_labels():
    """Prevents a promise that rows of several labels cannot keep."""
    with pytest.raises(InputError, match="pass total=True"):
        training_slices([("a",), ("b",)], [1], total=False)
    with pytest.raises(InputError, match="n_per_class must be a positive integer, got 0"):
        sample_few_shot(["a"], 0)
