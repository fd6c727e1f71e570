"""What a method answered, in a few bytes a text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import ModelFormatError
from fewshot.data.labels import LabelSpace
from fewshot.evaluation.runner.predictions import Predictions


@st.composite
def any_predictions(draw):
    """Predictions of any task: names or numbers, one label a text or several."""
    names = draw(st.sampled_from([st.text(max_size=5), st.integers(-(10**20), 10**20)]))
    multi_label = draw(st.booleans())
    classes = tuple(sorted(draw(st.sets(names, min_size=0 if multi_label else 1, max_size=12))))
    n = draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    codes = rng.integers(2, size=(n, len(classes))) if multi_label else rng.integers(len(classes), size=n)
    return Predictions(LabelSpace(classes, multi_label), codes, "3f2a")


@settings(deadline=None)
@given(any_predictions())
def test_any_predictions_come_back_from_json(made):
    """Prevents an answer that changes on its way through the file."""
    back = Predictions.from_json(made.to_json())
    assert (back.space, back.texts) == (made.space, made.texts)
    np.testing.assert_array_equal(back.codes, made.codes)
    assert back.labels == made.labels


@pytest.mark.parametrize(("n_classes", "width"), [(1, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4)])
def test_a_text_takes_as_few_bytes_as_its_classes_allow(n_classes, width):
    """Prevents files that grow eightfold, and the last of 257 classes from becoming the first."""
    codes = np.array([0, n_classes - 1] * 9)
    made = Predictions(LabelSpace(tuple(range(n_classes)), False), codes, "").to_json()
    assert len(made["codes"]) == 18 * width * 4 // 3
    np.testing.assert_array_equal(Predictions.from_json(made).codes, codes)


def test_several_labels_take_a_bit_each():
    """Prevents a thousand texts with 28 labels from taking more than some kilobytes."""
    codes = np.random.default_rng(0).integers(2, size=(1000, 28))
    assert len(Predictions(LabelSpace(tuple(range(28)), True), codes, "").to_json()["codes"]) <= 28_000 / 8 * 4 / 3 + 4


@pytest.mark.parametrize("multi_label", [False, True])
def test_codes_move_to_a_larger_space_with_their_labels(multi_label):
    """Prevents predictions of two methods from being set side by side in codes that mean different classes."""
    small, large = LabelSpace(("b", "d"), multi_label), LabelSpace(("a", "b", "c", "d"), multi_label)
    labels = [("b", "d"), (), ("d",)] if multi_label else ["d", "b", "d"]
    assert large.decode(Predictions(small, small.encode(labels), "").codes_in(large)) == labels


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 0},
        {"n": True},
        {"n": 2.0},
        {"n": 3},
        {"multi_label": 0},
        {"multi_label": True},
        {"classes": []},
        {"classes": "ab"},
        {"classes": ["b", "a"]},
        {"classes": ["a", "a"]},
        {"classes": ["a", 1]},
        {"classes": [True, False]},
        {"classes": [["a"], ["b"]]},
        {"classes": ["a"]},
        {"codes": "AAE"},
        {"codes": "AA É"},
        {"codes": 1},
        {"texts": None},
        {"more": 1},
    ],
)
def test_what_is_no_set_of_predictions_is_refused(changes):
    """Prevents a torn or edited file from being read as answers that nobody gave."""
    good = {"texts": "3f2a", "n": 2, "multi_label": False, "classes": ["a", "b"], "codes": "AAE="}
    assert Predictions.from_json(good).labels == ["a", "b"]
    for bad in (good | changes, {name: value for name, value in good.items() if name not in changes}):
        if bad != good:
            with pytest.raises(ModelFormatError):
                Predictions.from_json(bad)
    with pytest.raises(ModelFormatError):
        Predictions.from_json([good])
