"""Files to raw tables."""

import gzip
import json

import pytest

from fewshot.core.errors import InputError, SourceNotFoundError
from fewshot.data.readers import delimiter_of, read_rows
from fewshot.data.row_files import open_rows
from fewshot.data.row_streams import stream_rows
from fewshot.data.writers import write_rows

ROWS = [{"text": 'naïve, "quoted"\nlines', "label": "a"}, {"text": "\tzwei 日本", "label": "b"}]


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet"])
def test_every_format_gives_back_what_was_written(tmp_path, suffix, packed):
    """Prevents a format that loses quotes, line ends or other scripts."""
    path = tmp_path / f"data{suffix}{packed}"
    write_rows(path, ROWS)
    table = read_rows(path)
    assert (table.rows, table.columns, table.numbers) == (ROWS, ("text", "label"), [0, 1])
    assert read_rows(path, max_rows=1).rows == ROWS[:1]


def test_json_may_be_an_object_of_columns(tmp_path):
    """Prevents refusing what pandas' ``to_json(orient="list")`` writes."""
    (tmp_path / "a.json").write_text(json.dumps({"text": ["x", "y"], "label": [1, None]}))
    assert read_rows(tmp_path / "a.json").rows == [{"text": "x", "label": 1}, {"text": "y", "label": None}]


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
def test_a_byte_order_mark_is_skipped(tmp_path, name):
    """Prevents the invisible first character in the name of the first column that Excel's files give."""
    write_rows(tmp_path / name, ROWS)
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + (tmp_path / name).read_bytes())
    assert read_rows(tmp_path / name).rows == ROWS


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_an_encoding_can_be_named(tmp_path, encoding):
    """Prevents mangled umlauts."""
    (tmp_path / "a.csv").write_bytes("text\nschön\n".encode(encoding))
    assert read_rows(tmp_path / "a.csv", encoding=encoding).rows == [{"text": "schön"}]


def test_undecodable_bytes_name_file_line_byte_and_encoding(tmp_path):
    """Prevents a UnicodeDecodeError that says a position and nothing to do."""
    (tmp_path / "a.csv").write_bytes(b"text\nok\nsch\xf6n\n")
    with pytest.raises(InputError, match=r"a\.csv', line 3: byte 0xf6 is not valid utf-8; .*--encoding"):
        read_rows(tmp_path / "a.csv")


def test_a_line_separator_of_unicode_does_not_end_a_json_line(tmp_path):
    """Prevents ``str.splitlines``, which cuts at U+2028 inside a text."""
    (tmp_path / "a.jsonl").write_text('{"text": "a\u2028b"}\n\n{"text": "c"}\n', encoding="utf-8")
    assert [row["text"] for row in read_rows(tmp_path / "a.jsonl").rows] == ["a\u2028b", "c"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,label\n", "holds no rows"),
        ("a.jsonl", b"\n", "holds no rows"),
        ("a.json", b"[]", "holds no rows"),
        ("a.json", b"", "holds no rows"),
        ("a.json", b"[1]", "row 0: expected an object"),
        ("a.json", b'"x"', "must hold a list of objects or an object of columns, got str"),
        ("a.json", b"{]", "is not valid JSON"),
        ("a.json", b"[" * 100_000, "is not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n\n{"text": \n', r"line 3: not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n[1]\n', "line 2: expected an object"),
        ("a.parquet", b"not parquet", "is not a Parquet file"),
        ("a.csv.gz", b"not gzip", "is not a whole gzip file"),
        ("a.csv.gz", gzip.compress(b"text\n" + bytes(range(32, 99)) * 99, mtime=0)[:-20], "is not a whole gzip file"),
        ("a.xlsx", b"x", "expected one of"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, name, content, message):
    """Prevents a parser's own exception, without file or line, from reaching the user."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / name)


def test_a_missing_file_names_its_neighbours(tmp_path):
    """Prevents a search for a typing mistake."""
    (tmp_path / "tickets.csv").write_text("text\na\n")
    with pytest.raises(SourceNotFoundError, match=r"'tickts\.csv'.*Did you mean 'tickets\.csv'"):
        read_rows(tmp_path / "tickts.csv")
    with pytest.raises(SourceNotFoundError, match="there is no folder"):
        read_rows(tmp_path / "nowhere" / "a.csv")


def test_a_folder_is_refused(tmp_path):
    """Prevents an IsADirectoryError."""
    with pytest.raises(InputError, match="is a folder"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"encoding": "utf-9"}, "'utf-9' is not known"), ({"max_rows": 0}, "max_rows"), ({"max_rows": True}, "max_rows")],
)
def test_bad_settings_are_refused(tmp_path, settings, message):
    """Prevents a LookupError, and an empty table for ``max_rows=0``."""
    write_rows(tmp_path / "a.csv", ROWS)
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / "a.csv", **settings)


def test_a_split_of_a_file_that_is_read_whole(tmp_path):
    """Prevents the advice to name the file that was named, where a part of it cannot be had."""
    write_rows(tmp_path / "a.csv", ROWS)
    with pytest.raises(SourceNotFoundError, match=r"a\.csv:test'.* read whole; give .*a\.csv', or .* rows of 'test'"):
        read_rows(tmp_path / "a.csv:test")


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("sign", [";", "\t"])
def test_csv_of_spreadsheets_that_write_no_commas(tmp_path, sign, encoding, packed):
    """Prevents the file that most of Europe's spreadsheets save from being a single column, in any of three readers."""
    content = f'id{sign}"text, all of it"\n1{sign}"a, {sign} b"\n2{sign}c, d\n'.encode(encoding)
    path = tmp_path / f"a.csv{packed}"
    path.write_bytes(gzip.compress(content) if packed else content)
    texts = [f"a, {sign} b", "c, d"]
    assert read_rows(path, encoding=encoding).columns == ("id", "text, all of it")
    assert [row["text, all of it"] for row in read_rows(path, encoding=encoding).rows] == texts
    assert [cell for _, cell in stream_rows(path, "text, all of it", encoding)] == texts
    blocks = open_rows(path, encoding=encoding).blocks(10)
    assert [cell for block in blocks for cell in block.cells("text, all of it")] == texts


@pytest.mark.parametrize("header", ["text,a;b", "text", '"text;note"', "id,text\tc"])
def test_a_comma_decides(tmp_path, header):
    """Prevents a semicolon in a column's name, or a file of one column, from changing what separates fields."""
    (tmp_path / "a.csv").write_text(f"{header}\n")
    assert delimiter_of(tmp_path / "a.csv", "utf-8") == ","
