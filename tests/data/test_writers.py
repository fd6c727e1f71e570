"""Writing rows."""

import datetime
import errno
import json

import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.data import row_writers
from fewshot.data.readers import read_rows
from fewshot.data.writers import write_rows


def test_columns_keep_their_order_and_gaps(tmp_path):
    """Prevents columns that move, and values that slide into a gap."""
    rows = [{"b": "1"}, {"a": "2", "b": "3"}]
    write_rows(tmp_path / "a.csv", rows)
    assert (tmp_path / "a.csv").read_text() == "b,a\n1,\n3,2\n"
    write_rows(tmp_path / "b.csv", rows, columns=["a"])
    assert (tmp_path / "b.csv").read_text() == 'a\n""\n2\n'


def test_parquet_takes_columns_that_the_first_row_lacks(tmp_path):
    """Prevents pyarrow's habit of reading the columns from the first row."""
    write_rows(tmp_path / "a.parquet", [{"b": 1}, {"a": 2}])
    assert read_rows(tmp_path / "a.parquet").rows == [{"b": 1, "a": None}, {"b": None, "a": 2}]


def test_numbers_of_numpy_and_nan_are_written_plainly(tmp_path):
    """Prevents "np.float64(0.5)" in a file, and NaN, which is no JSON."""
    day = datetime.date(2024, 1, 2)
    row = {"n": np.int64(1), "p": np.float32(0.5), "x": float("nan"), "v": np.array([1, 2]), "day": day}
    write_rows(tmp_path / "a.jsonl", [row])
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"n": 1, "p": 0.5, "x": None, "v": [1, 2], "day": str(day)}


def test_lists_in_cells(tmp_path):
    """Prevents "['a']" in a cell: labels are joined, anything else is JSON."""
    write_rows(tmp_path / "a.csv", [{"labels": ["a", 1], "tags": ["x|y"], "user": {"id": 1}}])
    assert read_rows(tmp_path / "a.csv").rows == [{"labels": "a|1", "tags": '["x|y"]', "user": '{"id": 1}'}]


def test_a_label_with_the_separator_cannot_be_joined(tmp_path):
    """Prevents one label from coming back as two."""
    with pytest.raises(InputError, match=r"label 'x\|y' contains the label_separator '\|'.*--label-separator"):
        write_rows(tmp_path / "a.csv", [{"labels": ["x|y"]}])
    write_rows(tmp_path / "a.csv", [{"labels": ["x|y", "z"]}], label_separator=";")
    assert read_rows(tmp_path / "a.csv").rows == [{"labels": "x|y;z"}]
    write_rows(tmp_path / "a.jsonl", [{"labels": ["x|y"]}])


def test_a_lone_surrogate_does_not_stop_the_writing(tmp_path):
    """Prevents a crash after an hour of predicting, for one broken emoji."""
    write_rows(tmp_path / "a.jsonl", [{"text": "\ud83d!"}])
    assert read_rows(tmp_path / "a.jsonl").rows == [{"text": "\ud83d!"}]
    write_rows(tmp_path / "a.csv", [{"text": "\ud83d!"}])


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("a.csv", [], "hold no columns"),
        ("a.xls", [{"a": 1}], "expected one of"),
        ("a.parquet", [{"a": 1}, {"a": "x"}], "column 'a' cannot be written to Parquet"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, rows, message):
    """Prevents an empty file that looks like a result."""
    with pytest.raises(InputError, match=message):
        write_rows(tmp_path / name, rows)
    assert list(tmp_path.iterdir()) == []


def test_packed_files_are_the_same_for_the_same_rows(tmp_path):
    """Prevents a time stamp in the gzip header from changing a fingerprint."""
    write_rows(tmp_path / "a.csv.gz", [{"a": 1}])
    write_rows(tmp_path / "b.csv.gz", [{"a": 1}])
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    """Prevents half a result in the place of a whole one."""
    path = tmp_path / "a.csv"
    write_rows(path, [{"a": "old"}])

    def full(self, columns):
        self._handle.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(row_writers.DelimitedWriter, "write", full)
    with pytest.raises(OSError, match="No space"):
        write_rows(path, [{"a": "new"}])
    assert path.read_text() == "a\nold\n"
    assert list(tmp_path.iterdir()) == [path]
