"""Answers as they are shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot import NaiveBayesClassifier
from fewshot.core.errors import DataWarning, InputError
from fewshot.recipes.judging import evaluate_classifier, four_digits


@given(st.lists(st.floats(0, 1)), st.integers(0, 20_000))
def test_four_digits_are_those_of_round(values, half):
    """Prevents a last digit that differs from that of a run with another version, near halves above all."""
    near = half / 20_000
    values = [*values, near, float(np.nextafter(near, 1)), float(np.nextafter(near, 0)), float(np.float32(near))]
    assert four_digits(np.array(values)).tolist() == [round(value, 4) for value in values]


def test_numbers_of_a_csv_file_are_the_classes_that_they_name(tmp_path):
    """Prevents a model of the classes 0 and 1 from being refused by a file whose cells are strings."""
    model = NaiveBayesClassifier().fit(["good", "bad"], [1, 0])
    (tmp_path / "a.csv").write_text("text,label\ngood,1\nbad,0\n")
    assert evaluate_classifier(model, tmp_path / "a.csv")["accuracy"] == 1


def test_classes_that_the_model_does_not_know_are_told_of():
    """Prevents a low score from being taken for a bad model where no model could have answered."""
    model = NaiveBayesClassifier().fit(["good", "bad"], ["pos", "neg"])
    rows = [{"text": "good", "label": "pos"}, {"text": "so so", "label": "mixed"}]
    with pytest.warns(DataWarning, match=r"does not know 1 of the 2 classes in the test set \('mixed'\)"):
        assert evaluate_classifier(model, rows)["accuracy"] == 0.5
    with pytest.raises(InputError, match="knows none of the classes"):
        evaluate_classifier(model, rows[1:])
