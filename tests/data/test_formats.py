"""File names and what they promise."""

import pytest

from fewshot.core.errors import InputError
from fewshot.data.formats import format_of, is_gzipped, open_bytes, written_format
from fewshot.data.writers import write_rows


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", "csv"),
        ("A.TSV", "tsv"),
        ("a.b.jsonl", "jsonl"),
        ("a.ndjson.gz", "jsonl"),
        ("a.PARQUET.GZ", "parquet"),
        ("a.txt.gz", "lines"),
    ],
)
def test_the_suffix_says_the_format(name, form):
    """Prevents capitals, dots or .gz from hiding a format."""
    assert format_of(name) == form


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.gz", "csv"])
def test_an_unknown_suffix_lists_the_formats(name):
    """Prevents guessing at the content of a spreadsheet."""
    with pytest.raises(InputError, match=r"expected one of \.csv, \.tsv, \.jsonl"):
        format_of(name)


def test_rows_are_not_written_as_lines():
    """Prevents labels from being lost in a file without columns."""
    assert written_format("a.csv.gz") == "csv"
    with pytest.raises(InputError, match=r"'a.txt' would be lines of text without columns; write one of \.csv"):
        written_format("a.txt")
    with pytest.raises(InputError, match="without columns"):
        write_rows("a.txt", [{"text": "x", "label": "a"}])


def test_gzip_is_unpacked_on_opening(tmp_path):
    """Prevents handing packed bytes to a parser."""
    write_rows(tmp_path / "a.csv.gz", [{"text": "x"}])
    with open_bytes(tmp_path / "a.csv.gz") as handle:
        assert handle.read() == b"text\nx\n"
    assert not is_gzipped("a.csv")
