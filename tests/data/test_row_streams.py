"""Files to the cells of one column."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fewshot.core.errors import InputError, SourceNotFoundError
from fewshot.data import row_streams
from fewshot.data.row_streams import Broken, ColumnWatch, check_column, check_text_file, stream_rows
from fewshot.data.writers import write_rows

ROWS = [
    {"id": str(i), "text": text} for i, text in enumerate(['naïve, "quoted"\nlines', "\tzwei 日本", "", "x" * 200_000])
]
SUFFIXES = [".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet"]


def cells(path, column="text", encoding="utf-8"):
    """Return the cells alone."""
    check_text_file(path, encoding)
    return [cell for _, cell in stream_rows(path, column, encoding)]


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_back_one_column(tmp_path, suffix, packed):
    """Prevents a format that loses quotes, line ends, other scripts or long fields, and the wrong column."""
    path = tmp_path / f"data{suffix}{packed}"
    write_rows(path, ROWS)
    assert cells(path) == [row["text"] for row in ROWS]
    assert cells(path, "id") == ["0", "1", "2", "3"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_column_names_what_is_there(tmp_path, suffix):
    """Prevents a KeyError, and a pool of empty texts."""
    path = tmp_path / f"data{suffix}"
    write_rows(path, ROWS)
    with pytest.raises(InputError, match=r"no column 'Texts'; columns there: 'id', 'text'; .*Did you mean 'text'"):
        cells(path, "Texts")


def test_broken_rows_are_numbered_and_the_rest_is_read(tmp_path):
    """Prevents one bad row among millions from ending the work, and line numbers that do not help to find it."""
    (tmp_path / "a.csv").write_text('id,text\n1,a\n2\n"3,b\n4,c,d\n\n5,"e\ne"\n6,f\n')
    rows = list(stream_rows(tmp_path / "a.csv", "text"))
    assert [(n, c) for n, c in rows if isinstance(c, str)] == [(2, "a"), (7, "e\ne"), (9, "f")]
    assert [n for n, c in rows if isinstance(c, Broken)] == [3, 4, 5]
    (tmp_path / "a.jsonl").write_text(
        '{"text": "a"}\n\n{"text": \n[1]\n{"label": 1}\n' + "[" * 50_000 + '\n{"text": "b"}'
    )
    rows = list(stream_rows(tmp_path / "a.jsonl", "text"))
    assert [(n, c) for n, c in rows if not isinstance(c, Broken)] == [(1, "a"), (5, None), (7, "b")]
    assert [n for n, c in rows if isinstance(c, Broken)] == [3, 4, 6]
    (tmp_path / "a.json").write_text('[{"text": "a"}, 1, {"text": "b"}]')
    assert cells(tmp_path / "a.json") == ["a", Broken("expected an object such as {'text': …}, got 1"), "b"]


def test_a_json_line_without_end_is_broken(tmp_path, monkeypatch):
    """Prevents a line of gigabytes from coming into memory."""
    monkeypatch.setattr("fewshot.data.text_records.MAX_RECORD", 50)
    (tmp_path / "a.jsonl").write_text('{"text": "' + "x" * 200 + '"}\n{"text": "b"}\n')
    (first, broken), second = stream_rows(tmp_path / "a.jsonl", "text")
    assert (first, second) == (1, (2, "b"))
    assert "more than 50 characters" in broken.reason


def test_a_line_separator_of_unicode_does_not_end_a_json_line(tmp_path):
    """Prevents ``str.splitlines``, which cuts at U+2028 inside a text."""
    (tmp_path / "a.jsonl").write_text('{"text": "a\u2028b"}\n{"text": "c"}\n', encoding="utf-8")
    assert cells(tmp_path / "a.jsonl") == ["a\u2028b", "c"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "UTF_16_LE"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_an_encoding_can_be_named(tmp_path, suffix, encoding):
    """Prevents mangled umlauts, and UTF-16 taken for a binary file."""
    content = {".csv": "text\nschön\n", ".jsonl": '{"text": "schön"}\n', ".json": '[{"text": "schön"}]'}[suffix]
    (tmp_path / f"a{suffix}").write_bytes(content.encode(encoding))
    assert cells(tmp_path / f"a{suffix}", encoding=encoding) == ["schön"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".json"])
def test_undecodable_bytes_name_line_byte_and_encoding(tmp_path, suffix, monkeypatch):
    """Prevents a pool without its umlauts, and a search for them; also where a block ends inside a sign."""
    monkeypatch.setattr(row_streams, "_BLOCK", 5)
    content = {"c": b"text\nsch\xc3\xb6n\nsch\xf6n\n", "j": b'[{"text":\n"sch\xc3\xb6n",\n"x": "sch\xf6n"}]'}[suffix[1]]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    with pytest.raises(InputError, match=r"line 3: byte 0xf6 is not valid utf-8; .*--encoding"):
        cells(path)


def test_a_byte_order_mark_and_objects_of_columns(tmp_path):
    """Prevents the invisible sign before the first column's name, and refusing what pandas writes."""
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext\na\n")
    assert cells(tmp_path / "a.csv") == ["a"]
    (tmp_path / "a.json").write_text(json.dumps({"text": ["x", None], "label": [1, 2]}))
    assert cells(tmp_path / "a.json") == ["x", None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b'"text\na\n', "line 1: unexpected end of data; expected column names"),
        ("a.csv", b"text,text\na,b\n", "names the column 'text' twice"),
        ("a.csv", b"text\na\0\0\n", "binary file"),
        ("a.csv", gzip.compress(b"text\na\n", mtime=0), r"rename it to end in \.gz"),
        ("a.csv.gz", b"text\na\n", "not a whole gzip file"),
        ("a.csv.gz", gzip.compress(b"text\n" + bytes(range(32, 99)) * 99, mtime=0)[:-20], "not a whole gzip file"),
        ("a.json", b'[{"text": "a"}', "not valid JSON"),
        ("a.json", b'{"text": "a"}\n{"text": "b"}', r"one object a line is \.jsonl"),
        ("a.json", b'"x"', "must hold a list of objects"),
        ("a.parquet", b"PAR1 and no more", "not a Parquet file"),
        ("a.parquet.gz", gzip.compress(b"no", mtime=0), "not a Parquet file"),
        ("a.xlsx", b"x", "expected one of"),
        ("a.csv", b"text\nsch\xc3", "ends in the middle of a sign"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, name, content, message):
    """Prevents a parser's own exception, without a name, from reaching the user."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        cells(tmp_path / name)


def test_missing_files_folders_and_unknown_encodings(tmp_path):
    """Prevents a search for a typing mistake."""
    (tmp_path / "pool.csv").write_text("text\na\n")
    with pytest.raises(SourceNotFoundError, match=r"Did you mean 'pool\.csv'"):
        check_text_file(tmp_path / "pol.csv")
    with pytest.raises(InputError, match="is a folder"):
        check_text_file(tmp_path)
    with pytest.raises(InputError, match="'utf-9' is not known"):
        cells(tmp_path / "pool.csv", encoding="utf-9")


def test_parquet_by_pages_of_row_groups(tmp_path, monkeypatch):
    """Prevents lost rows where groups and batches meet, and encodings of strings that only Arrow knows."""
    monkeypatch.setattr(row_streams, "_PARQUET_ROWS", 3)
    texts = [f"text {i % 4}" if i % 5 else None for i in range(20)]
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        pq.write_table(
            pa.table({"n": range(20), "text": pa.array(texts).cast(kind)}), tmp_path / "a.parquet", row_group_size=7
        )
        assert list(stream_rows(tmp_path / "a.parquet", "text")) == list(enumerate(texts, start=1))
    pq.write_table(pa.table({"text": pa.array([b"a", b"\xff"]).cast(pa.binary())}), tmp_path / "a.parquet")
    assert cells(tmp_path / "a.parquet") == [b"a", b"\xff"]  # refused as texts by whoever asks for them


def test_a_column_may_come_late_but_not_never():
    """Prevents an error over one sparse row, and an hour's reading of a file that has no such column."""
    watch = ColumnWatch("text", "memory")
    assert [watch.cell({"id": i}) for i in range(999)] == [None] * 999
    assert watch.cell({"text": "a"}) == "a"
    assert watch.cell({"id": 1}) is None
    watch.check()
    watch = ColumnWatch("text", "memory")
    for _ in range(999):
        watch.cell({"Text": 1})
    with pytest.raises(InputError, match="Did you mean 'Text'"):
        watch.cell({})
    ColumnWatch("text", "memory").check()  # no rows at all are another matter
    with pytest.raises(InputError, match="columns there: none"):
        check_column("text", [], "memory")


def test_a_reader_that_stops_early_closes_its_file(tmp_path):
    """Prevents files that stay open (a ResourceWarning is an error here)."""
    for suffix in SUFFIXES:
        write_rows(tmp_path / f"a{suffix}", ROWS)
        rows = stream_rows(tmp_path / f"a{suffix}", "text")
        next(rows)
        rows.close()
