"""Rows to files: CSV, TSV, JSONL, JSON and Parquet, each also gzipped, whole or not at all."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from fewshot.core.artifacts import atomic_path
from fewshot.core.errors import InputError
from fewshot.data.formats import format_of, is_gzipped
from fewshot.data.tables import is_null

Rows = Sequence[Mapping[str, Any]]


def write_rows(
    path: str | Path,
    rows: Rows,
    *,
    columns: Sequence[str] | None = None,
    label_separator: str = "|",
    joined: Collection[str] = ("label", "labels"),
) -> None:
    """Write rows in the format that the file name says.

    Parameters
    ----------
    path : str or Path
        Ends in ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson``, ``.json`` or ``.parquet``, perhaps with ``.gz``. A file
        that stood there is replaced when the new one is whole.
    rows : sequence of dict
        Missing keys are written as empty or null.
    columns : sequence of str, optional
        Columns and their order; by default all, in the order of their first appearance.
    label_separator : str, default "|"
        Between the labels of one cell in CSV and TSV.
    joined : collection of str, default ("label", "labels")
        Columns whose lists are joined so. Lists elsewhere, and objects, are written as JSON in the cell.

    Raises
    ------
    InputError
        If there is nothing to write, the suffix is unknown, a label that must be joined contains the separator, or
        Parquet cannot hold a column's mixed types.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> write_rows(path, [{"text": "good, really", "labels": ["a", "b"]}])
    >>> print(path.read_text().strip())
    text,labels
    "good, really",a|b
    """
    form = format_of(path)
    names = list(dict.fromkeys(name for row in rows for name in row)) if columns is None else list(columns)
    if not names:
        raise InputError(f"rows for {str(path)!r} hold no columns; there is nothing to write")
    table = [{name: _plain(row.get(name)) for name in names} for row in rows]
    if form in ("csv", "tsv"):
        table = [{name: _cell(row[name], name, label_separator, joined) for name in names} for row in table]
    with atomic_path(path) as temporary, temporary.open("wb") as raw:
        if is_gzipped(path):
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                _WRITERS[form](cast(IO[bytes], packed), table, names)
        else:
            _WRITERS[form](raw, table, names)


def _plain(value: Any) -> Any:
    """Return what JSON and Parquet know: no NumPy, no NaN."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if is_null(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _cell(value: Any, column: str, separator: str, joined: Collection[str]) -> Any:
    if not isinstance(value, (list, dict)):
        return value
    if column not in joined or not all(isinstance(part, (str, int)) for part in value):
        return json.dumps(value, ensure_ascii=False, default=str)
    labels = [str(part) for part in value]
    for label in labels:
        if not separator or separator in label:
            raise InputError(
                f"label {label!r} contains the label_separator {separator!r} and cannot be joined with others in a "
                "cell; choose another label_separator (--label-separator), or write .jsonl"
            )
    return separator.join(labels)


def _as_text(handle: IO[bytes]) -> io.TextIOWrapper:
    # A lone surrogate, which JSON can hold and UTF-8 cannot, is written as the escape that JSON reads back.
    return io.TextIOWrapper(handle, encoding="utf-8", errors="backslashreplace", newline="", write_through=True)


def _write_delimited(handle: IO[bytes], rows: Rows, names: Sequence[str], delimiter: str) -> None:
    text = _as_text(handle)
    plain = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    quoted = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for cells in [list(names), *([row[name] for name in names] for row in rows)]:
        # csv leaves a carriage return bare where it does not end its own lines, and then cannot read it.
        bare = any("\r" in cell for cell in cells if isinstance(cell, str))
        (quoted if bare else plain).writerow(cells)
    text.detach()


def _write_csv(handle: IO[bytes], rows: Rows, names: Sequence[str]) -> None:
    _write_delimited(handle, rows, names, ",")


def _write_tsv(handle: IO[bytes], rows: Rows, names: Sequence[str]) -> None:
    _write_delimited(handle, rows, names, "\t")


def _write_jsonl(handle: IO[bytes], rows: Rows, names: Sequence[str]) -> None:
    text = _as_text(handle)
    for row in rows:
        text.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    text.detach()


def _write_json(handle: IO[bytes], rows: Rows, names: Sequence[str]) -> None:
    text = _as_text(handle)
    text.write(json.dumps(rows, ensure_ascii=False, indent=1, default=str) + "\n")
    text.detach()


def _write_parquet(handle: IO[bytes], rows: Rows, names: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name in names:
        try:
            arrays[name] = pa.array([row[name] for row in rows])
        except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
            raise InputError(f"column {name!r} cannot be written to Parquet ({error}); write .jsonl") from None
    pq.write_table(pa.table(arrays), handle)


_WRITERS: dict[str, Callable[[IO[bytes], Rows, Sequence[str]], None]] = {
    "csv": _write_csv,
    "tsv": _write_tsv,
    "jsonl": _write_jsonl,
    "json": _write_json,
    "parquet": _write_parquet,
}
