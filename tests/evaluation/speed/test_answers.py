"""Answers side by side, against scikit-learn and plain counting."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from fewshot.data.texts import TextData
from fewshot.evaluation.calibration import expected_calibration_error
from fewshot.evaluation.speed.answers import score_answers
from fewshot.evaluation.speed.contender import Answers, Contender


def contender(*classes):
    """A model of which only the classes are asked."""
    return Contender("model", len, len, classes)


def test_one_label_a_text():
    """Prevents scores of the first model under another's name, and columns in another order than the classes."""
    rng = np.random.default_rng(0)
    true, said, first = (rng.choice(["a", "b", "c"], size=80).tolist() for _ in range(3))
    data = TextData(["x"] * 80, true, multi_label=False, rows=list(range(80)))
    probabilities = rng.dirichlet(np.ones(3), size=80)
    found = score_answers(contender("c", "a", "b"), Answers(said, probabilities), data, Answers(first))
    assert found["accuracy"] == pytest.approx(accuracy_score(true, said))
    assert found["macro_f1"] == pytest.approx(f1_score(true, said, average="macro"))
    assert found["agreement"] == pytest.approx(accuracy_score(first, said))
    y = np.array(["cab".index(label) for label in true])
    assert found["calibration_error"] == pytest.approx(expected_calibration_error(y, probabilities))
    confident = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    bins = np.ceil(confident * 15)
    by_hand = sum(abs(confident[bins == b].sum() - right[bins == b].sum()) for b in range(16)) / 80
    assert found["calibration_error"] == pytest.approx(by_hand)
    assert found["n_texts"] == 80


def test_several_labels_a_text():
    """Prevents sets that agree only in the order in which they are told, and accuracy of single labels."""
    true, said = [("a", "b"), (), ("c",), ("a",)], [("b", "a"), ("a",), ("c",), ()]
    data = TextData(["x"] * 4, true, multi_label=True, rows=list(range(4)))
    probabilities = np.array([[0.9, 0.8, 0.1], [0.6, 0.2, 0.1], [0.1, 0.1, 0.7], [0.4, 0.2, 0.2]])
    found = score_answers(
        contender("a", "b", "c"), Answers(said, probabilities), data, Answers([("a", "b"), (), (), ()])
    )
    assert found["accuracy"] == 0.5
    assert found["agreement"] == 0.5
    Y = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]])
    P = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]])
    assert found["micro_f1"] == pytest.approx(f1_score(Y, P, average="micro"))
    assert found["calibration_error"] == pytest.approx(expected_calibration_error(Y, probabilities))
    assert found["mcc"] is None


def test_a_class_that_the_model_does_not_know_is_answered_wrongly():
    """Prevents a crash, or a good calibration, on texts of a class that was not in training."""
    data = TextData(["x", "y"], ["a", "oos"], multi_label=False, rows=[0, 1])
    said = Answers(["a", "a"], np.array([[1.0, 0.0], [1.0, 0.0]]))
    found = score_answers(contender("a", "b"), said, data, said)
    assert found["accuracy"] == found["calibration_error"] == 0.5
    several = TextData(["x"], [("a", "oos")], multi_label=True, rows=[0])
    said = Answers([("a",)], np.array([[1.0, 0.0]]))
    assert score_answers(contender("a", "b"), said, several, said)["calibration_error"] == 0.0


def test_without_probabilities_there_is_no_calibration():
    """Prevents a number where nobody said how sure they are."""
    data = TextData(["x"], ["a"], multi_label=False, rows=[0])
    assert score_answers(contender(), Answers(["a"]), data, Answers(["a"]))["calibration_error"] is None
