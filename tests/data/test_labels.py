"""Class names ↔ numbers."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.labels import LabelSpace

NAMES = st.sampled_from(["a", "b", "c", "d"])


@given(st.lists(NAMES, min_size=1) | st.lists(st.integers(-5, 5), min_size=1))
def test_single_labels_come_back_as_they_went_in(labels):
    """Prevents strings that return as numbers, and integers that return as NumPy's."""
    space = LabelSpace.of(labels)
    decoded = space.decode(space.encode(labels))
    assert decoded == labels
    assert [type(label) for label in decoded] == [type(label) for label in labels]


@given(st.lists(st.sets(NAMES).map(sorted).map(tuple), min_size=1).filter(any))
def test_label_sets_come_back_as_they_went_in(labels):
    """Prevents a multi-label row that gains or loses a label on its way through the matrix."""
    space = LabelSpace.of(labels)
    assert space.multi_label
    assert space.decode(space.encode(labels)) == labels


def test_numpy_labels_count_as_plain_ones():
    """Prevents two classes, one of NumPy's integers and one of Python's."""
    assert LabelSpace.of(np.array([1, 2, 1])).classes == (1, 2)
    assert LabelSpace.of([np.array(["a"]), ["b"]]).classes == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None], r"labels\[1\] is missing"),
        (["a", 1], "mix strings"),
        ([True, False], "string or an integer, got True"),
        ([1.5], "got 1.5"),
        (["a", ("b",)], "mix single labels and lists"),
        ([(), ()], "no class at all"),
        ([], "no class at all"),
    ],
)
def test_bad_labels_are_refused(labels, message):
    """Prevents training on a class that nobody meant."""
    with pytest.raises(InputError, match=message):
        LabelSpace.of(labels)


def test_an_unknown_label_is_named():
    """Prevents a bare KeyError for a class that is absent from the training slice."""
    with pytest.raises(InputError, match="'z' is not one of the 2 classes 'a', 'b'"):
        LabelSpace.of(["a", "b"]).encode(["z"])


def test_look_alikes_warn_unless_switched_off():
    """Prevents "Bug" and "bug " from becoming two classes unnoticed, and a second warning in each later step."""
    with pytest.warns(DataWarning, match="'Bug' and 'bug '"):
        LabelSpace.of(["Bug", "bug "])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LabelSpace.of(["Bug", "bug "], warn=False)


@pytest.mark.parametrize("matrix", [np.eye(3, dtype=int), np.array([[1, 0], [0, 1], [1, 1]]), [[0, 0], [0, 1]]])
def test_a_matrix_of_zeros_and_ones_is_no_list_of_names(matrix):
    """Prevents scikit-learn's form of several labels from being taken for classes called 0 and 1."""
    with pytest.raises(InputError, match="labels look like a 0/1 matrix"):
        LabelSpace.of(matrix)
    assert LabelSpace.of([[0, 1], [1], []]).classes == (0, 1)
