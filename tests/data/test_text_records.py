"""Records of CSV, whole and broken."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data import text_records
from fewshot.data.text_records import RecordLines, delimited_records

FIELDS = st.text(st.sampled_from('ab,"\n\r\t ü'), max_size=6)


def read(content, delimiter=","):
    """Return line and fields, or line and message, of each record."""
    records = delimited_records(RecordLines(io.StringIO(content, newline="")), delimiter)
    return [(line, str(fields) if isinstance(fields, csv.Error) else fields) for line, fields in records]


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=3), max_size=6), st.sampled_from(",\t"))
@settings(deadline=None)
def test_what_was_written_is_read(rows, delimiter):
    """Prevents quotes, line ends inside fields or delimiters from moving a field."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    assert [fields for _, fields in read(written.getvalue(), delimiter)] == rows


def test_the_line_after_a_broken_record_is_read():
    """Prevents an open quote that swallows the rest of the file, and line numbers that are off after it."""
    assert read('a,b\n"open,1\nc,"d\nd"\n"x"y,2\n\ne,f\n') == [
        (1, ["a", "b"]),
        (2, "',' expected after '\"'"),
        (3, ["c", "d\nd"]),
        (5, "',' expected after '\"'"),
        (7, ["e", "f"]),
    ]
    assert read('a\n"open\nb\nc') == [(1, ["a"]), (2, "unexpected end of data"), (3, ["b"]), (4, ["c"])]


@given(st.text(st.sampled_from('a,"\n'), max_size=40))
@settings(deadline=None)
def test_every_file_comes_to_an_end(content):
    """Prevents a loop over lines that are given back for ever, and two records that begin on one line."""
    lines = [line for line, _ in read(content)]
    assert lines == sorted(set(lines))
    assert all(1 <= line <= content.count("\n") + 1 for line in lines)


def test_a_record_without_end_is_given_up(monkeypatch):
    """Prevents memory that grows with the file after one open quote, or one line of gigabytes."""
    monkeypatch.setattr(text_records, "MAX_RECORD", 20)
    (one, two, three, four) = read("a\n" + "x" * 100 + "\n" + '"' + "y\n" * 30)[:4]
    assert (one, two[0], three[0]) == ((1, ["a"]), 2, 3)
    assert two[1].startswith("a row of more than 20 characters")
    assert three[1].startswith("a row of more than 20 characters")
    assert four == (4, ["y"])
    monkeypatch.setattr(text_records, "MAX_RECORD", 1_000)
    monkeypatch.setattr(text_records, "MAX_RECORD_LINES", 3)
    assert [line for line, _ in read('"\n\n\n\nz\n')] == [1, 5]


@pytest.mark.parametrize("length", [131_072, 1_000_000])
def test_long_fields(length):
    """Prevents Python's limit of 131,072 characters a field."""
    assert read(f"a,{'x' * length}\n") == [(1, ["a", "x" * length])]
