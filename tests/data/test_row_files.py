"""Files as blocks of rows with all their columns."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError, SourceNotFoundError
from fewshot.data import delimited_rows, row_blocks
from fewshot.data.readers import read_rows
from fewshot.data.row_files import open_rows

CELLS = st.text(st.sampled_from('ab,"\n\r\t üß😀'), max_size=6)


def rows_of(path, rows_per_shard=1000, **options):
    """Return all rows as dicts, and why some of them are broken, by their number."""
    source, rows, broken = open_rows(path, **options), [], {}
    for block in source.blocks(rows_per_shard):
        assert block.start == len(rows)
        assert block.start // rows_per_shard == block.shard == (block.start + len(block) - 1) // rows_per_shard
        columns = [block.cells(name) for name in source.columns]
        rows += [dict(zip(source.columns, cells, strict=True)) for cells in zip(*columns, strict=True)]
        broken |= {block.start + place: reason for place, reason in block.broken.items()}
    assert source.n_read == len(rows)
    assert source.position == source.size
    return rows, broken


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 60))
def test_csv_comes_as_it_was_written(tmp_path_factory, rows, rows_per_shard, chunk):
    """Prevents quotes, line ends in cells or the end of a chunk from moving, losing or doubling a row."""
    path = tmp_path_factory.mktemp("rows") / "a.csv"
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([["x", "y"], *rows])
    path.write_bytes(written.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited_rows, "CHUNK_CHARACTERS", chunk)
        found, broken = rows_of(path, rows_per_shard)
    assert found == [{"x": x, "y": y} for x, y in rows]
    assert not broken


@given(st.lists(st.sampled_from(["a,b\n", '"a\nb",c\n', '"open,c\n', "a\n", "a,b,c\n", "\n", '"x"y,z\n']), max_size=12))
def test_chunks_of_any_size_find_the_same_broken_rows(lines):
    """Prevents a record that is broken, or only begun, at the end of a chunk from being read in two ways."""
    content, found = "x,y\n" + "".join(lines), []
    for chunk in (1, 7, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delimited_rows, "CHUNK_CHARACTERS", chunk)
            handle = io.StringIO(content, newline="")
            handle.readline()
            rows, broken = [], {}
            for some, reasons, _ in delimited_rows.delimited_chunks(handle, ",", 2):
                broken |= {len(rows) + place: reason for place, reason in reasons.items()}
                rows += some
        found.append((rows, broken))
    slow = list(delimited_rows._one_by_one(content.partition("\n")[2], io.StringIO(""), ","))
    assert found == [delimited_rows._of_width(slow, 2)] * 3


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.jsonl", "a.json", "a.json.gz", "a.parquet", "a.parquet.gz"])
def test_every_format_gives_the_rows_that_readers_give(tmp_path, name, monkeypatch):
    """Prevents a format whose cells differ from what other commands read, and blocks that depend on what is wanted."""
    from fewshot.data.writers import write_rows

    path = tmp_path / name
    rows = [{"n": n, "text": f"text, {n}", "tags": ["a", "b"][: n % 3]} for n in range(50)]
    write_rows(path, rows)
    monkeypatch.setattr(row_blocks, "BLOCK_ROWS", 4)
    assert rows_of(path, 6) == (read_rows(path).rows, {})
    source = open_rows(path)
    whole = [(block.start, len(block)) for block in source.blocks(6)]
    asked = []
    some = list(source.blocks(6, lambda shard: bool(asked.append(shard)) or shard % 3 == 1))
    assert [(block.start, len(block)) for block in some] == [found for found in whole if found[0] // 6 % 3 == 1]
    assert asked == list(range(9)), "a shard is asked for once, in order"
    assert source.n_read == 50


def test_row_groups_that_nobody_wants_are_not_read(tmp_path, monkeypatch):
    """Prevents each of ten machines from decoding the whole file for its tenth, or taking another machine's rows."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": list(range(100))}), path, row_group_size=7)
    read = []
    real = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile, "iter_batches", lambda self, **how: read.extend(how["row_groups"]) or real(self, **how)
    )
    blocks = list(open_rows(path).blocks(20, lambda shard: shard == 2))
    assert [n for block in blocks for n in block.cells("n")] == list(range(40, 60))
    assert read == [5, 6, 7, 8]


def test_broken_rows_keep_their_place(tmp_path):
    """Prevents one bad line from ending a run of hours, or from shifting every row after it."""
    (tmp_path / "a.csv").write_bytes(b'id,text\n1,good\n2,caf\xe9\n"3,open\n4\n5,"a\nb"\n')
    rows, broken = rows_of(tmp_path / "a.csv")
    assert [row["id"] for row in rows] == ["1", "2", None, "4", "5"]
    assert rows[1]["text"] == "caf\ufffd"
    assert sorted(broken) == [1, 2, 3]
    assert "utf-8" in broken[1]
    assert "--encoding" in broken[1]
    assert "1 fields" in broken[3]
    lines = [b'{"text": "a"}', b"{", b"[1]", b'{"text": "caf\xe9", "id": 3}', b"", b'{"id": 4}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    rows, broken = rows_of(tmp_path / "a.jsonl")
    assert [row["id"] for row in rows] == [None, None, None, 3, 4]
    assert sorted(broken) == [1, 2, 3]
    assert "not valid JSON" in broken[1]
    assert "expected an object" in broken[2]


def test_one_endless_line_is_one_broken_row(tmp_path, monkeypatch):
    """Prevents a line without end, or an open quote, from taking all memory and all rows behind it."""
    for module in ("text_records", "delimited_rows", "json_rows"):
        monkeypatch.setattr(f"fewshot.data.{module}.MAX_RECORD", 50)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "x" * 500}) + '\n{"text": "b"}\n')
    assert rows_of(tmp_path / "a.jsonl")[1].keys() == {0}
    (tmp_path / "a.csv").write_text("text,n\n" + "x" * 500 + ',1\nb,2\n"open,3\n' + "c,4\n" * 40)
    rows, broken = rows_of(tmp_path / "a.csv")
    assert broken.keys() == {0, 2}
    assert [row["n"] for row in rows][1:4] == ["2", None, "4"]
    assert len(rows) == 43


def test_long_rows_end_a_block_early(tmp_path, monkeypatch):
    """Prevents a block of ten thousand books."""
    monkeypatch.setattr(row_blocks, "BLOCK_CHARACTERS", 100)
    monkeypatch.setattr(delimited_rows, "CHUNK_CHARACTERS", 30)
    (tmp_path / "a.csv").write_text("text\n" + f"{'x' * 39}\n" * 10)
    sizes = [len(block) for block in open_rows(tmp_path / "a.csv").blocks(1000)]
    assert sum(sizes) == 10
    assert max(sizes) <= 3


def test_json_columns_and_types_are_known_before_the_rows(tmp_path):
    """Prevents a column that only the last row has from being lost, and types that change in mid-file."""
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": "b", "n": 1}\n{"n": 2.5, "tags": ["x"]}\n')
    source = open_rows(tmp_path / "a.jsonl", typed=True)
    assert source.columns == ("text", "n", "tags")
    assert source.schema.types == [pa.string(), pa.float64(), pa.list_(pa.string())]
    assert open_rows(tmp_path / "a.jsonl").schema is None
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": "x"}\n')
    with pytest.raises(InputError, match=r"column 'n' cannot be written to Parquet.*write \.jsonl"):
        open_rows(tmp_path / "a.jsonl", typed=True)


def test_an_object_of_columns_is_rows_too(tmp_path):
    """Prevents what other commands read from being refused here."""
    (tmp_path / "a.json").write_text('{"text": ["a", "b"], "n": [1, 2]}')
    assert rows_of(tmp_path / "a.json")[0] == [{"text": "a", "n": 1}, {"text": "b", "n": 2}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text\n\n", "holds no rows"),
        ("a.csv", b"text,text\na,b\n", "twice"),
        ("a.csv", b"caf\xe9\na\n", "--encoding"),
        ("a.csv.gz", gzip.compress(b"text\na\nb\n", mtime=0)[:-9], "not a whole gzip file"),
        ("a.jsonl", b"\n", "holds no rows"),
        ("a.jsonl", b"[1]\n", "no row with columns"),
        ("a.json", b'[{"text": "a"}, ', "not valid JSON"),
        ("a.parquet", b"PAR1", "not a Parquet file"),
        ("a.xlsx", b"a", "expected one of"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, message):
    """Prevents an error that comes after hours, or as a traceback of a library."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        rows_of(tmp_path / name)
    with pytest.raises(SourceNotFoundError):
        open_rows(tmp_path / "b.csv")


def test_an_encoding_that_cannot_go_on_is_an_error(tmp_path):
    """Prevents a traceback where bytes after a bad one have no meaning."""
    (tmp_path / "a.csv").write_bytes("text\na\n".encode("utf-16") + b"\x00\xd8\x00\x00")
    with pytest.raises(InputError, match="utf-16"):
        rows_of(tmp_path / "a.csv", encoding="utf-16")
