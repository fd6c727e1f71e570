"""Describing."""

import json
from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from fewshot.data.describe import describe
from fewshot.data.texts import TextData


def table(texts, labels, multi_label=False):
    """Build a table."""
    return TextData(texts, labels, multi_label=multi_label, rows=list(range(len(texts))))


def test_counts():
    """Prevents counting unlabeled rows as a class, and rows without labels as unlabeled."""
    description = describe(table(["a b", "c", "d", "e"], [("x", "y"), ("y",), (), None], multi_label=True))
    assert (description.n_texts, description.n_labeled, description.n_unlabeled) == (4, 3, 1)
    assert list(description.class_counts.items()) == [("y", 2), ("x", 1)]
    assert description.labels_per_text == {0: 1, 1: 1, 2: 1}
    assert description.words_per_text["mean"] == 1.25


@given(st.lists(st.integers(0, 3000), min_size=1))
def test_the_histogram_holds_every_text(lengths):
    """Prevents texts that fall between bins or off the last edge."""
    description = describe(table(["w " * n for n in lengths], [None] * len(lengths)))
    edges, counts = description.histogram
    assert sum(counts) == len(lengths)
    assert len(edges) == len(counts) + 1
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        assert count == sum(low <= n < high for n in lengths)


def test_it_prints_without_texts_labels_or_room():
    """Prevents a crash on the empty table, and pages of classes."""
    assert "texts" in str(describe(table([], [])))
    many = describe(table([f"t{i}" for i in range(99)], list(range(99))))
    assert "… and 69 more classes, down to 1" in str(many)
    assert "labels per text → texts  1: 1" in str(describe(table(["a"], [("x",)], multi_label=True)))


def test_it_can_be_written_as_json():
    """Prevents NumPy numbers in what ``--json`` prints."""
    assert json.loads(json.dumps(asdict(describe(table(["a b"], ["x"])))))["histogram"] == [[2, 4], [1]]
