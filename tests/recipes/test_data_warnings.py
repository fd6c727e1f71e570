"""Warnings come where there is something to look at, and nowhere else."""

import pytest

from fewshot.data.cleaning import CleaningReport
from fewshot.evaluation.domain import DomainDistance
from fewshot.recipes.data_warnings import warnings_of, what_to_label
from fewshot.recipes.task_facts import Encoding
from tests.recipes.task_cases import facts


def test_good_data_bring_no_warning():
    """Warnings that always come are never read."""
    assert warnings_of(facts(n_test=1000)) == []
    assert what_to_label(facts()) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"class_counts": {"a": 3, "b": 16}}, "'a' (3): fewer than 8 labels"),
        ({"class_counts": {"a": 100, "b": 10}}, "the most frequent class has 100 texts, the rarest 10"),
        ({"multi_label": True, "n_without_class": 30}, "--empty-labels unlabeled"),
        ({"cleaning": CleaningReport(9, 7, conflicting=2)}, "2 rows were left out, the same text with other labels"),
        ({"cleaning": CleaningReport(9, 6, duplicates=2, empty=1)}, "3 rows were left out: 2 duplicates, 1 empty"),
        ({"codes": ("LOC", 7)}, "'LOC', 7: class names that are no words"),
        ({"encoding": Encoding("bundled", beyond_256=0.4, beyond_512=0.2)}, "40% of the texts are longer than 256"),
        ({"encoding": Encoding("bundled", language_note="it is English")}, "it is English, such as --encoder sent"),
        ({"encoding": Encoding("bundled", at_hand=False)}, "pip install 'fewshot[bundled]'"),
        ({"encoding": Encoding("a/b", at_hand=False)}, "take --encoder bundled"),
        ({"distance": DomainDistance(0.95, 0.02)}, "the pool is unlike the labelled texts"),
        ({"n_test": 25}, "the test set has 25 texts: an accuracy on so few is uncertain by up to ±10 points"),
    ],
)
def test_each_warning_comes_alone(changes, said):
    """One finding is one sentence, with its figure and what to do."""
    (warning,) = warnings_of(facts(**{"n_test": 1000} | changes))
    assert said in warning


def test_a_held_out_part_is_judged_like_a_test_set():
    """A third of forty labels tells methods apart only where they are far apart."""
    (warning,) = warnings_of(facts(), n_held_out=1)
    assert "holds out 1 text: " in warning
    assert "±50 points" in warning


def test_what_to_label_next():
    """The line must name the rarest classes first and count right."""
    assert what_to_label(facts(class_counts={"a": 9, "b": 7, "c": 0})) == (
        "label 8 of 'c', 1 of 'b', 9 in all: then each class has 8, where the figures here begin"
    )
    assert "and some of 2 other classes, 56 in all" in what_to_label(facts(class_counts=dict.fromkeys(range(7), 0)))
    assert what_to_label(facts(n_labeled=0, class_counts={"a": 0, "b": 0})) == (
        "label 8 texts of each of the 2 classes, 16 in all"
    )
    assert what_to_label(facts(n_labeled=0, class_counts={})) == "label 8 texts of each class"
