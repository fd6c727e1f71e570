"""The decision tree as text, as values and as a picture: three views of the one object that decides."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fewshot.evaluation.charts.tree_plot import Box, plot_tree
from fewshot.recipes.decision_tree import TREE
from fewshot.recipes.decisions import Leaf, Question, walk

NOT_YET = "* not in this version"


def tree_as_text(taken: Sequence[str] = (), *, tree: Question = TREE) -> str:
    r"""Return the tree as lines of text.

    Parameters
    ----------
    taken : sequence of str, default ()
        Keys of the questions and the leaf of a decision, to be marked by ``▶``.
    tree : Question

    Examples
    --------
    >>> print("\n".join(tree_as_text().splitlines()[:2]))
    How many labels has a class?
    ├─ none: Are the class names words?
    """
    notes = ["", NOT_YET] if _lacks_methods(tree) else []
    return "\n".join([tree.text, *_lines_below(tree, "", set(taken)), *notes])


def _lines_below(question: Question, indent: str, taken: set[str]) -> Iterator[str]:
    for branch in question.branches:
        node, is_last = branch.then, branch is question.branches[-1]
        mark = "▶ " if node.key in taken else ""
        said = node.text if isinstance(node, Question) else " → ".join(filter(None, [node.summary, _methods(node)]))
        yield f"{indent}{'└─' if is_last else '├─'} {mark}{branch.answer}: {said}"
        if isinstance(node, Question):
            yield from _lines_below(node, indent + ("   " if is_last else "│  "), taken)


def tree_as_json(node: Question | Leaf = TREE) -> dict[str, Any]:
    """Return the tree as values for JSON."""
    if isinstance(node, Leaf):
        methods = [dataclasses.asdict(suggestion) | {"known": suggestion.is_known} for suggestion in node.suggestions]
        return {"key": node.key, "summary": node.summary, "methods": methods}
    branches = [{"answer": branch.answer, "then": tree_as_json(branch.then)} for branch in node.branches]
    return {"key": node.key, "question": node.text, "why": node.why, "branches": branches}


def plot_decision_tree(
    path: str | Path | None = None, taken: Sequence[str] | None = None, *, tree: Question = TREE
) -> bytes:
    """Draw the tree.

    Parameters
    ----------
    path : str or Path, optional
        Where to write the PNG, whole or not at all.
    taken : sequence of str, optional
        Keys of the questions and the leaf of a decision, to be drawn strong.
    tree : Question

    Returns
    -------
    bytes
        The PNG.
    """
    footnote = NOT_YET if _lacks_methods(tree) else ""
    return plot_tree(_box("", tree, set(taken or ())), path, footnote=footnote)


def _box(answer: str, node: Question | Leaf, taken: set[str]) -> Box:
    if isinstance(node, Leaf):
        return Box(answer, node.summary, _methods(node), node.key in taken)
    below = tuple(_box(branch.answer, branch.then, taken) for branch in node.branches)
    return Box(answer, node.text, taken=node.key in taken, below=below)


def _methods(leaf: Leaf) -> str:
    """Return the methods of a leaf with commas between; those that this version lacks have a star."""
    return ", ".join(suggestion.method + "*" * (not suggestion.is_known) for suggestion in leaf.suggestions)


def _lacks_methods(tree: Question) -> bool:
    ends = [node for node in walk(tree) if isinstance(node, Leaf)]
    return not all(suggestion.is_known for end in ends for suggestion in end.suggestions)
