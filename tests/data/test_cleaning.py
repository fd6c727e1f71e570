"""Cleaning."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.data.cleaning import CleaningReport, clean_texts, strip_text
from fewshot.data.texts import TextData


def table(*pairs, multi_label=False):
    """Build a table of (text, label) pairs, source rows 10, 11, …"""
    texts, labels = zip(*pairs, strict=True)
    return TextData(list(texts), list(labels), multi_label=multi_label, rows=list(range(10, 10 + len(pairs))))


ROWS = st.lists(st.tuples(st.sampled_from(["", " a", "A", "b ", "b\n b", "c\x00"]), st.sampled_from([None, "x", "y"])))


@given(ROWS, st.booleans(), st.sampled_from(["drop", "keep-first"]))
def test_every_row_is_kept_or_rejected_once(pairs, drop_duplicates, on_conflict):
    """Prevents rows that vanish without a reason, reports that do not add up, and altered inputs."""
    data = TextData([p[0] for p in pairs], [p[1] for p in pairs], multi_label=False, rows=list(range(len(pairs))))
    before = copy.deepcopy(data)
    kept, report = clean_texts(data, drop_duplicates=drop_duplicates, on_conflict=on_conflict)
    assert data == before
    assert sorted(kept.rows + [row for row, _ in report.rejected]) == data.rows
    assert report.n_before - report.n_after == report.empty + report.duplicates + report.conflicting + report.over_long
    assert kept.rejected == report.rejected
    labels = {}
    for text, label in zip(kept.texts, kept.labels, strict=True):
        if label is not None:
            assert labels.setdefault(" ".join(text.casefold().split()), label) == label
    again, second = clean_texts(kept, drop_duplicates=drop_duplicates, on_conflict=on_conflict)
    assert (again.texts, second.rejected) == (kept.texts, [])


def test_texts_change_only_at_their_ends_and_where_they_cannot_be_printed():
    """Prevents cleaning that rewrites words, and NUL bytes or lone surrogates that crash tokenizers."""
    assert strip_text("  Two  words\n\there\u00a0 ") == "Two  words\n\there"
    assert strip_text("a\x00b\x1b\ud83dc\u200d👩\u200d🔬") == "abc\u200d👩\u200d🔬"


def test_a_labelled_copy_wins():
    """Prevents the loss of a label because the pool came first."""
    kept, report = clean_texts(table(("Good", None), ("good ", "pos"), ("other", None)))
    assert (kept.texts, kept.labels, kept.rows) == (["good", "other"], ["pos", None], [11, 12])
    assert report.rejected == [(10, "duplicate")]


@pytest.mark.parametrize(
    ("on_conflict", "rows", "reasons"),
    [
        ("drop", [], ["conflicting labels"] * 4),
        ("keep-first", [11], ["duplicate", "conflicting labels", "duplicate"]),
    ],
)
def test_contradictions(on_conflict, rows, reasons):
    """Prevents one text with two truths."""
    data = table(("a", None), ("a", "x"), ("A", "y"), ("a ", "x"))
    kept, report = clean_texts(data, on_conflict=on_conflict)
    assert kept.rows == rows
    assert [reason for _, reason in report.rejected] == reasons


def test_contradictions_can_raise():
    """Prevents a silent choice where the user wants to correct the file."""
    with pytest.raises(InputError, match="label 'x' in row 10 and 'y' in row 11"):
        clean_texts(table(("a", "x"), ("A", "y")), on_conflict="raise")


def test_label_sets_contradict_unless_they_are_equal_as_sets():
    """Prevents calling ("a", "b") and ("b", "a") a contradiction, or () the same as unlabeled."""
    data = table(
        ("t", ("a", "b")), ("t", ("b", "a")), ("u", ()), ("u", ("a",)), ("v", None), ("v", ()), multi_label=True
    )
    kept, report = clean_texts(data)
    assert (kept.rows, kept.labels) == ([10, 15], [("a", "b"), ()])
    assert (report.duplicates, report.conflicting) == (2, 2)


def test_duplicates_can_stay():
    """Prevents dropping copies from a test set whose frequencies matter."""
    kept, report = clean_texts(table(("a", "x"), ("a", "x"), ("a", None)), drop_duplicates=False)
    assert (len(kept), report.duplicates) == (3, 0)


def test_long_texts_are_left_out_at_the_limit():
    """Prevents one log file of a million words from filling the memory."""
    data = table(("w " * 10_000, None), ("v " * 10_001, None))
    kept, report = clean_texts(data)
    assert (kept.rows, report.over_long) == ([10], 1)
    assert len(clean_texts(data, max_words=None)[0]) == 2


def test_the_report_reads_as_a_sentence():
    """Prevents counts that nobody prints."""
    _, report = clean_texts(table((" a", "x"), ("a", "x"), ("", None)))
    assert report.summary() == (
        "1 of 3 texts kept; left out: 1 empty, 1 duplicate. White space or unprintable characters were removed from 1."
    )
    assert CleaningReport(2, 2).summary() == "2 of 2 texts kept."


@pytest.mark.parametrize(
    ("settings", "message"), [({"max_words": 0}, "max_words must be"), ({"on_conflict": "keep"}, "on_conflict must be")]
)
def test_bad_settings_are_refused(settings, message):
    """Prevents a misspelt setting from meaning its default."""
    with pytest.raises(InputError, match=message):
        clean_texts(table(("a", "x")), **settings)
