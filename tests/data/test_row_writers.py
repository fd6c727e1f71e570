"""Files that are written in parts."""

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.data import row_writers
from fewshot.data.readers import read_rows
from fewshot.data.row_parts import join_parts
from fewshot.data.row_writers import Layout
from fewshot.data.writers import write_rows

ROWS = [{"text": f'line {n}\n"quoted", é', "labels": ["a", "b"][: n % 3], "p": n / 7, "n": None} for n in range(7)]
SCHEMA = pa.schema([("text", pa.string()), ("labels", pa.list_(pa.string())), ("p", pa.float64()), ("n", pa.int64())])


CELLS = st.one_of(
    st.text(st.sampled_from('ab,"\n\r\t ü\udce9'), max_size=5), st.integers(), st.floats(), st.none(), st.booleans()
)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1), st.sampled_from(["a.csv", "a.tsv"]))
def test_cells_are_quoted_as_csv_quotes_them(rows, name):
    """Prevents the shortcut past the module csv from writing what the module would not."""
    writer = Layout(name, ["x", "y"]).writer(io.BytesIO())
    cells = dict(zip("xy", map(list, zip(*rows, strict=True)), strict=True))
    plain = [[None if cell != cell else cell for cell in row] for row in rows]
    assert writer.body(cells) == writer._lines(plain)


def columns(rows):
    """Return rows as columns."""
    return {name: [row[name] for row in rows] for name in ROWS[0]}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.csv.gz", "a.json.gz", "a.parquet"])
def test_parts_make_the_file_that_one_hand_writes(tmp_path, name):
    """Prevents a header in mid-file, a comma too many, or shards that only our own reader can put together."""
    layout, parts = Layout(name, list(ROWS[0]), schema=SCHEMA), []
    for number, some in enumerate((ROWS[:3], ROWS[3:4], ROWS[4:])):
        parts.append(tmp_path / f"{number}-{name}")
        with parts[-1].open("wb") as raw, layout.opened(raw, whole=False) as writer:
            writer.write(columns(some[:1]))
            if some[1:]:
                writer.write(columns(some[1:]))
    join_parts(parts, tmp_path / name, layout)
    write_rows(tmp_path / f"whole-{name}", ROWS)
    unpacked = gzip.decompress if name.endswith(".gz") else bytes
    if name == "a.parquet":
        assert pq.read_table(tmp_path / name).to_pylist() == ROWS
        assert pq.read_schema(tmp_path / name) == SCHEMA
    else:
        whole = (tmp_path / f"whole-{name}").read_bytes()
        assert unpacked((tmp_path / name).read_bytes()) == unpacked(whole)
        assert read_rows(tmp_path / name).rows == read_rows(tmp_path / f"whole-{name}").rows


@pytest.mark.parametrize(("name", "content"), [("a.csv", b"text,n\n"), ("a.json", b"[]\n"), ("a.jsonl", b"")])
def test_a_file_without_rows_is_one(tmp_path, name, content):
    """Prevents a list that is opened and not closed."""
    layout = Layout(name, ["text", "n"])
    join_parts([], tmp_path / name, layout)
    assert (tmp_path / name).read_bytes() == content
    out = io.BytesIO()
    with layout.opened(out, whole=True):
        pass
    assert out.getvalue() == content


def test_row_groups_are_written_when_they_are_large(tmp_path, monkeypatch):
    """Prevents a shard of long texts from lying in memory until its end."""
    monkeypatch.setattr(row_writers, "_ROW_GROUP_BYTES", 300)
    layout = Layout("a.parquet", list(ROWS[0]), schema=SCHEMA)
    with (tmp_path / "a.parquet").open("wb") as raw, layout.opened(raw, whole=True) as writer:
        for _ in range(6):
            writer.write(columns(ROWS))
    with pq.ParquetFile(tmp_path / "a.parquet") as file:
        assert file.num_row_groups > 1
        assert file.read().to_pylist() == ROWS * 6


def test_arrow_types_stay_as_they_are(tmp_path):
    """Prevents dates that become words, and integers that become fractions, on their way from Parquet to Parquet."""
    table = pa.table({"day": pa.array([1, None], pa.date32()), "n": pa.array([1, None], pa.uint8())})
    layout = Layout("a.parquet", ["day", "n"], schema=table.schema)
    with (tmp_path / "a.parquet").open("wb") as raw, layout.opened(raw, whole=True) as writer:
        writer.write({"day": table["day"], "n": table["n"]})
    assert pq.read_table(tmp_path / "a.parquet") == table
