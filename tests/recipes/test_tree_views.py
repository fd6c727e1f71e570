"""Text, values and picture are views of the tree that decides."""

import dataclasses

import pytest

from fewshot.evaluation.charts.tree_plot import Box
from fewshot.recipes import tree_views
from fewshot.recipes.decision_tree import TREE
from fewshot.recipes.decisions import Branch, Leaf, Question, Suggestion, decide, walk
from fewshot.recipes.tree_views import NOT_YET, plot_decision_tree, tree_as_json, tree_as_text
from tests.recipes.task_cases import facts


@pytest.fixture
def drawn(monkeypatch):
    """What the picture is made of."""
    roots: list[Box] = []
    monkeypatch.setattr(tree_views, "plot_tree", lambda root, *given, **more: roots.append(root) or b"")
    return roots


def boxes(root):
    """Give a box and all below it, parents first."""
    return [root, *(box for below in root.below for box in boxes(below))]


def flat(values):
    """Give a question or leaf of the JSON and all below it, parents first."""
    return [values, *(node for branch in values.get("branches", ()) for node in flat(branch["then"]))]


def grown():
    """The tree with one more branch and another method, as somebody would change it."""
    leaf = Leaf("new-leaf", "a new way", (Suggestion("knn", "r", "b"),))
    asked = Question("new", "Is it new?", "w", lambda found: "x", (Branch("sure", lambda found: True, leaf),))
    first = dataclasses.replace(TREE.branches[0], answer="nothing at all", then=asked)
    return dataclasses.replace(TREE, branches=(first, *TREE.branches[1:]))


@pytest.mark.parametrize("tree", [TREE, grown()], ids=["the tree", "a changed one"])
def test_text_values_and_picture_tell_the_same(tree, drawn):
    """A rule that is changed in one place and not in the others makes the documentation lie."""
    text, values = tree_as_text(tree=tree), flat(tree_as_json(tree))
    plot_decision_tree(tree=tree)
    nodes = list(walk(tree))
    lines = text.splitlines()[: len(nodes)]
    assert len(boxes(drawn[0])) == len(values) == len(nodes)
    answers = ["", *(branch.answer for node in nodes if isinstance(node, Question) for branch in node.branches)]
    assert sorted(box.answer for box in boxes(drawn[0])) == sorted(answers)
    for node, line, box, value in zip(nodes, lines, boxes(drawn[0]), values, strict=True):
        said = node.text if isinstance(node, Question) else node.summary
        assert said in line
        assert said == box.text
        assert said == value["question" if isinstance(node, Question) else "summary"]
        for one in node.suggestions if isinstance(node, Leaf) else ():
            assert one.method in line
            assert one.method in box.methods
        assert box.answer in line


def test_the_path_taken_is_marked_in_both(drawn):
    """A picture that points to another leaf than the advice is worse than none."""
    decision = decide(facts(n_pool=2000), TREE)
    plot_decision_tree(taken=decision.keys)
    assert [box.text for box in boxes(drawn[0]) if box.taken] == [
        *(step.question.text for step in decision.steps),
        decision.leaf.summary,
    ]
    marked = [line for line in tree_as_text(decision.keys).splitlines() if "▶" in line]
    assert [decision.leaf.summary in line for line in marked] == [False, False, True]
    assert "▶" not in tree_as_text()


def test_methods_that_are_missing_have_a_star():
    """Who copies a method from the tree must know that it is not there yet."""
    lacking = Leaf("end", "do", (Suggestion("setfit", "", ""), Suggestion("magic", "", "")))
    tree = Question("q", "What?", "", lambda found: "", (Branch("so", lambda found: True, lacking),))
    assert tree_as_text(tree=tree) == f"What?\n└─ so: do → setfit, magic*\n\n{NOT_YET}"
    whole = dataclasses.replace(lacking, suggestions=lacking.suggestions[:1])
    tree = dataclasses.replace(tree, branches=(Branch("so", lambda found: True, whole),))
    assert NOT_YET not in tree_as_text(tree=tree)


def test_the_picture_is_written(tmp_path):
    """The documentation's picture is a file."""
    made = plot_decision_tree(tmp_path / "tree.png", ["labels"])
    assert made[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "tree.png").read_bytes() == made != plot_decision_tree()
