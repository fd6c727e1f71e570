"""Texts that the best methods answer differently."""

import dataclasses

from fewshot.data.texts import TextData
from fewshot.evaluation.checks.disagreements import disagreements
from fewshot.evaluation.checks.findings import Evidence


def evidence_of(said, labels, *, multi=False):
    """Return a comparison of methods by what each says of every text, at slice 8."""
    test = TextData(
        [f"text {i}" for i in range(len(labels))], labels, multi_label=multi, rows=[*range(10, 10 + len(labels))]
    )
    answers = []
    for method, rows in said.items():
        accuracy = sum(a == b for a, b in zip(rows, labels, strict=True)) / len(labels)
        answers.append(({"method": method, "slice": 8, "seed": 0, "accuracy": accuracy}, rows))
    return Evidence(test, test, {}, [], answers)


def test_what_one_alone_has_right_comes_first():
    """Prevents texts that tell nothing of the methods from filling the page."""
    labels = [*"aaaaaa"]
    evidence = evidence_of({"x": [*"aaabba"], "y": [*"aaacba"], "z": [*"abaaca"], "w": [*"bbbbbb"]}, labels)
    lines = disagreements(evidence)
    assert [list(line)[3:] for line in lines] == [["x", "y", "z"]] * 3  # w is the worst of four
    assert [(line["row"], line["x"], line["y"], line["z"]) for line in lines] == [
        (13, "b", "c", "a"),
        (11, "a", "a", "b"),
        (14, "b", "b", "c"),
    ]
    assert len(disagreements(evidence, most=1)) == 1


def test_order_of_labels_is_no_disagreement():
    """Prevents the same labels in another order from being listed."""
    evidence = evidence_of({"x": [("a", "b"), ()], "y": [("b", "a"), ("a",)]}, [("a", "b"), ()], multi=True)
    assert [(line["row"], line["label"], line["y"]) for line in disagreements(evidence)] == [(11, "none", "a")]


def test_encoders_are_kept_apart():
    """Prevents the answers of one encoder from standing under the name of a method that ran with two."""
    evidence = evidence_of({"x": [*"aaab"]}, [*"aaaa"])
    rows = [(evidence.answers[0][0] | {"encoder": name}, said) for name, said in (("e", "aaab"), ("f", "abaa"))]
    lines = disagreements(dataclasses.replace(evidence, answers=rows))
    assert [(line["row"], line["x (e)"], line["x (f)"]) for line in lines] == [(11, "a", "b"), (13, "b", "a")]


def test_one_method_is_no_contest():
    """Prevents an error where everything else failed."""
    assert disagreements(evidence_of({"x": ["a"]}, ["a"])) == []
