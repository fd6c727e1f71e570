"""The tree that decides: each leaf reached by a small made-up data set, none twice, no way without an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.evaluation.domain import DomainDistance
from fewshot.recipes.advising import advise
from fewshot.recipes.decision_tree import TREE
from fewshot.recipes.decisions import Leaf, Question, decide, walk
from fewshot.recipes.machine import Machine
from tests.recipes.task_cases import FAR_THEME, LAPTOP, SERVER, facts, labeled_rows, partly_labeled, pool_rows

CODES = ("LOC", "HUM", "NUM")
MANY = tuple(f"{color} {thing}" for color in ("red", "blue", "green") for thing in ("car", "house", "tree", "road"))

TASKS = {
    "zero-shot": {"labeled": pool_rows(9), "classes": ["refund", "delivery"]},
    "nothing-known": {"labeled": pool_rows(9), "classes": list(CODES)},
    "names-and-labels": {"labeled": labeled_rows(2)},
    "look-up": {"labeled": labeled_rows(2, CODES)},
    "few-labels": {"labeled": labeled_rows(16)},
    "few-labels-many-classes": {"labeled": labeled_rows(8, MANY)},
    "few-labels-small-pool": {"labeled": labeled_rows(16) + pool_rows(60)},
    "few-labels-large-pool": {"labeled": partly_labeled(16, 360)},
    "far-pool": {"labeled": labeled_rows(40), "unlabeled": pool_rows(1200, FAR_THEME)},
    "many-labels-large-pool": {"labeled": labeled_rows(64) + pool_rows(1000)},
    "many-labels-gpu": {"labeled": labeled_rows(64), "machine": SERVER},
    "many-labels-cpu": {"labeled": labeled_rows(64)},
}
LEAVES = [node for node in walk(TREE) if isinstance(node, Leaf)]


def test_every_leaf_has_its_task():
    """A leaf that no data reaches is a rule that nobody ever gets."""
    assert {leaf.key for leaf in LEAVES} == set(TASKS)


@pytest.mark.parametrize("key", TASKS)
def test_each_leaf_is_reached(key):
    """A limit on the wrong side sends people to another method."""
    task = {"machine": LAPTOP} | TASKS[key]
    advice = advise(task.pop("labeled"), **task)
    assert advice.decision.leaf.key == key
    assert [one.method for one in advice.methods] == [
        one.method for one in advice.decision.leaf.suggestions if one.is_known
    ][:4]


def test_keys_are_unique_and_leaves_suggest_enough():
    """Of two nodes with one key both would be drawn as taken; labels without two methods that exist are no advice."""
    keys = [node.key for node in walk(TREE)]
    assert len(set(keys)) == len(keys)
    for leaf in LEAVES:
        known = [one for one in leaf.suggestions if one.is_known]
        assert len(known) >= 2 or leaf.key in ("zero-shot", "nothing-known"), leaf.key
        assert len({one.method for one in leaf.suggestions}) == len(leaf.suggestions)


@given(
    counts=st.lists(st.integers(0, 200), max_size=20),
    n_pool=st.integers(0, 5_000),
    n_codes=st.integers(0, 20),
    gpu=st.sampled_from([None, "a GPU"]),
    distance=st.sampled_from([None, DomainDistance(0.0, 0.1), DomainDistance(1.0, 0.0)]),
)
def test_every_task_comes_to_an_end(counts, n_pool, n_codes, gpu, distance):
    """A task for which no branch holds would end in a traceback."""
    names = {f"class {i}": count for i, count in enumerate(counts)}
    task = facts(
        class_counts=names,
        n_labeled=sum(counts),
        n_pool=n_pool,
        codes=tuple(names)[:n_codes],
        machine=Machine(2, None, gpu),
        distance=distance,
    )
    decision = decide(task, TREE)
    assert decision.leaf in LEAVES
    assert all(step.found for step in decision.steps)
    assert all(isinstance(step.question, Question) for step in decision.steps)


@pytest.mark.parametrize(
    ("changes", "leaf"),
    [
        ({"class_counts": {"a word": 3, "another": 3}}, "names-and-labels"),
        ({"class_counts": {"a word": 4, "another": 4}}, "few-labels"),
        ({"class_counts": {"a word": 63, "another": 63}}, "few-labels"),
        ({"class_counts": {"a word": 64, "another": 64}}, "many-labels-cpu"),
        ({"n_pool": 49}, "few-labels"),
        ({"n_pool": 50}, "few-labels-small-pool"),
        ({"n_pool": 999}, "few-labels-small-pool"),
        ({"n_pool": 1000}, "few-labels-large-pool"),
        ({"class_counts": {f"word {i}": 8 for i in range(10)}}, "few-labels"),
        ({"class_counts": {f"word {i}": 8 for i in range(11)}}, "few-labels-many-classes"),
    ],
)
def test_limits_are_where_the_answers_say(changes, leaf):
    """An answer that reads "4 to 63" and counts 63 as many would be a lie."""
    assert decide(facts(**changes), TREE).leaf.key == leaf
