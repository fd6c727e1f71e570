"""CSV and TSV lines."""

import csv

import pytest

from fewshot.core.errors import InputError
from fewshot.data.delimited import parse_delimited


def parse(*lines, delimiter=",", **settings):
    """Parse the lines of "file 'x'"."""
    return parse_delimited(lines, delimiter=delimiter, source="file 'x'", **settings)


def test_fields_longer_than_the_limit_of_python_are_read():
    """Prevents the crash at 131,072 characters that issue bodies exceed."""
    before = csv.field_size_limit(131_072)
    try:
        assert len(parse("text\n", "a" * 200_000 + "\n").rows[0]["text"]) == 200_000
    finally:
        csv.field_size_limit(before)


def test_rows_of_the_wrong_width_are_kept_and_noted():
    """Prevents a crash, and a label column that silently shifts, at an unquoted comma."""
    table = parse("text,label\n", "a,x\n", "b,c,x\n", "\n", "d\n")
    assert table.rejected == {1: "3 fields where the header has 2", 2: "1 fields where the header has 2"}
    assert table.rows == [{"text": "a", "label": "x"}, {"text": "b", "label": "c"}, {"text": "d", "label": None}]


def test_line_ends_inside_quotes_belong_to_the_field():
    """Prevents cutting a text with several lines into rows."""
    assert parse("text\r\n", '"a\r\n', 'b"\r\n').rows == [{"text": "a\r\nb"}]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("text\n", "ok\n", '"open\n', "end\n"), "file 'x', line 3: .*quotes inside it must be doubled"),
        (("text\n", '"a" b\n'), "line 2: .*expected after"),
        ((), "is empty"),
        (("text,label,text\n",), "column 'text' twice"),
    ],
)
def test_malformed_files_name_the_line(lines, message):
    """Prevents an open quote from swallowing the rest of the file in one text."""
    with pytest.raises(InputError, match=message):
        parse(*lines)
