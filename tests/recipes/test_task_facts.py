"""What is known of a task, and what follows from it by counting."""

import json

from fewshot.evaluation.domain import DomainDistance
from tests.recipes.task_cases import facts


def test_all_facts_are_json():
    """The last line of --json must hold whatever was counted."""
    values = json.loads(json.dumps(facts(class_counts={7: 2, 8: 3}).as_json()))
    assert values["class_counts"] == {"7": 2, "8": 3}
    assert (values["n_classes"], values["fewest"], values["names_are_words"]) == (2, 2, True)
    assert "rejected" not in values["cleaning"]


def test_names_are_words_where_most_are():
    """One odd name among ten must not rob the others of their sense; names that nobody gave are none."""
    assert facts(codes=("refund",)).names_are_words
    assert not facts(codes=("refund", "login")).names_are_words
    assert not facts(class_counts={}, codes=()).names_are_words


def test_a_pool_is_far_only_beyond_doubt():
    """Of few texts a large distance is chance."""
    assert facts().pool_note is None
    assert facts(distance=DomainDistance(0.7, 0.11)).pool_note is None
    assert "AUROC of 0.85" in facts(distance=DomainDistance(0.7, 0.05)).pool_note
