"""Test texts on which the best methods do not agree: what to read to understand how they differ."""

from collections.abc import Sequence
from typing import Any

from fewshot.evaluation.checks.findings import Evidence, cut, told

METHODS = 3
"""So many of the best are held against each other."""


def disagreements(evidence: Evidence, *, most: int = 20) -> list[dict[str, Any]]:
    """List test texts that the best methods answer differently.

    Parameters
    ----------
    evidence : Evidence
        Of a comparison. The three best methods at the largest slice are taken, by mean accuracy, each by its first
        seed.
    most : int, default 20
        Texts to list. First those that one method alone has right, then those that one alone has wrong, then others.

    Returns
    -------
    list of dict
        ``row`` in the test set, ``text`` (its beginning), ``label``, and under each method's name what it says; empty
        where fewer than two methods have finished.

    Examples
    --------
    >>> from fewshot.data.texts import TextData
    >>> test = TextData(["x", "y"], ["a", "b"], multi_label=False, rows=[0, 1])
    >>> row = {"slice": 8, "seed": 0, "accuracy": 0.5}
    >>> answers = [(row | {"method": "one"}, ["a", "a"]), (row | {"method": "two"}, ["a", "b"])]
    >>> disagreements(Evidence(test, test, {}, [], answers))
    [{'row': 1, 'text': 'y', 'label': 'b', 'one': 'a', 'two': 'b'}]
    """
    said = _of_the_best(evidence)
    if len(said) < 2:
        return []
    found = []
    for number, true in enumerate(evidence.test.labels):
        given = {name: told(answers[number]) for name, answers in said.items()}
        label = told(true)
        if len(set(given.values())) > 1:
            found.append((_rank([answer == label for answer in given.values()]), number, label, given))
    test = evidence.test
    lines = sorted(found, key=lambda line: line[:2])[:most]
    return [{"row": test.rows[n], "text": cut(test.texts[n]), "label": label, **given} for _, n, label, given in lines]


def _rank(right: Sequence[bool]) -> int:
    return {1: 0, len(right) - 1: 1}.get(sum(right), 2)


def _of_the_best(evidence: Evidence) -> dict[str, list[Any]]:
    """Return the answers of the best methods, the best first, each label set in one order."""
    scores: dict[str, list[float]] = {}
    first: dict[str, tuple[int, Sequence[Any]]] = {}
    for row, answers in evidence.named_answers():
        name = row["name"]
        scores.setdefault(name, []).append(row["accuracy"])
        if name not in first or row["seed"] < first[name][0]:
            first[name] = row["seed"], answers
    best = sorted(scores, key=lambda name: -sum(scores[name]) / len(scores[name]))[:METHODS]
    return {name: list(first[name][1]) for name in best}
