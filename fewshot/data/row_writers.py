"""Columns to files, some rows at a time: CSV, TSV, JSONL, JSON and Parquet, each also gzipped.

A file may be written in parts by several hands: each part holds rows alone, and ``row_parts`` puts what belongs before,
between and behind them. That files appear whole or not at all is left to those who name them.
"""

import contextlib
import csv
import gzip
import io
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.formats import is_gzipped, written_format
from fewshot.data.record_spans import whole_records
from fewshot.data.row_blocks import listed
from fewshot.data.tables import is_null

Columns = Mapping[str, Sequence[Any]]

_PLAIN = {str, int, bool, float, type(None)}
_MOST_NUMBERS = 2**14
_ROW_GROUP_BYTES = 2**26


class RowWriter(ABC):
    """Writes rows to an open file.

    Parameters
    ----------
    handle : binary file
    layout : Layout

    Attributes
    ----------
    has_rows : bool
        Whether any were written.
    """

    between = tail = empty = b""
    """What stands between two parts, behind the last, and in a file without any row."""

    def __init__(self, handle: IO[bytes], layout: "Layout") -> None:
        self._handle, self._layout = handle, layout
        self.has_rows = False

    @property
    def head(self) -> bytes:
        """What stands before the first part."""
        return b""

    @abstractmethod
    def write(self, columns: Columns) -> None:
        """Write rows, given as columns of one length."""

    def close(self) -> None:
        """Write what is still to be written; the file stays open."""
        self._handle.flush()


class TextWriter(RowWriter):
    """Writes rows as text."""

    def write(self, columns: Columns) -> None:
        """Write rows, given as columns of one length."""
        body = self.body(columns)
        self._handle.write(self.between + body if self.has_rows else body)
        self.has_rows = True

    @abstractmethod
    def body(self, columns: Columns) -> bytes:
        """Return rows as they stand in the file."""


class Layout:
    r"""What a file of rows looks like, whoever writes it.

    Parameters
    ----------
    path : str or Path
        Its name says the format: ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson``, ``.json`` or ``.parquet``, perhaps with
        ``.gz``.
    names : sequence of str
        Columns, in order.
    separator : str, default "|"
        Between the labels of one cell in CSV and TSV.
    joined : collection of str, default ("label", "labels")
        Columns whose lists are joined so. Lists elsewhere, and objects, are written as JSON in the cell.
    schema : pyarrow.Schema, optional
        Types of the columns in Parquet; default: what the first rows to be written say.

    Examples
    --------
    >>> layout = Layout("a.csv", ["text", "labels"])
    >>> out = io.BytesIO()
    >>> with layout.opened(out, whole=True) as writer:
    ...     writer.write({"text": ["good"], "labels": [["a", "b"]]})
    >>> out.getvalue()
    b'text,labels\ngood,a|b\n'
    """

    def __init__(
        self,
        path: str | Path,
        names: Sequence[str],
        *,
        separator: str = "|",
        joined: Collection[str] = ("label", "labels"),
        schema: Any = None,
    ) -> None:
        self.form, self.is_gzipped = written_format(path), is_gzipped(path)
        self.names, self.separator, self.joined, self.schema = list(names), separator, joined, schema

    @contextlib.contextmanager
    def opened(self, raw: IO[bytes], *, whole: bool) -> Iterator[RowWriter]:
        """Give a writer to an open file: of a whole file, or of a part of one."""
        with self.packed(raw) as handle:
            writer = self.writer(handle)
            if whole:
                handle.write(writer.head)
            yield writer
            writer.close()
            if whole:
                handle.write(writer.tail if writer.has_rows else writer.empty)

    def writer(self, handle: IO[bytes]) -> RowWriter:
        """Return what writes this format to an open file."""
        return _WRITERS[self.form](handle, self)

    @contextlib.contextmanager
    def packed(self, raw: IO[bytes]) -> Iterator[IO[bytes]]:
        """Give what packs all that is written to it, if the file is to be packed."""
        if not self.is_gzipped:
            yield raw
            return
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
            yield cast(IO[bytes], packed)

    def cells(self, columns: Columns, names: Sequence[str] | None = None) -> Iterator[tuple[str, list[Any]]]:
        """Give each column, or those of these names, with values that JSON knows: no NumPy, no NaN."""
        for name in self.names if names is None else names:
            cells = listed(columns[name])
            kinds = set(map(type, cells))
            plain = kinds <= _PLAIN and not (float in kinds and _may_hold_nan(cells, kinds))
            yield name, cells if plain else list(map(_plain, cells))


def _may_hold_nan(cells: list[Any], kinds: set[type]) -> bool:
    return math.isnan(sum(cells)) if kinds == {float} else any(cell != cell for cell in cells)


def _plain(value: Any) -> Any:
    """Return what JSON and Parquet know: no NumPy, no NaN."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if is_null(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


class _NumberTexts(dict[float, str]):
    """Numbers as they are written, each found out once: confidences of four digits come again and again."""

    def __missing__(self, number: float) -> str:
        text = str(number)
        if number and len(self) < _MOST_NUMBERS:  # 0.0 is equal to -0.0
            self[number] = text
        return text


class DelimitedWriter(TextWriter):
    """CSV, or with another delimiter TSV."""

    delimiter = ","

    def __init__(self, handle: IO[bytes], layout: Layout) -> None:
        super().__init__(handle, layout)
        self._numbers = _NumberTexts()

    @property
    def head(self) -> bytes:
        """The column names."""
        return self._lines([self._layout.names])

    def body(self, columns: Columns) -> bytes:
        """Return one record a row."""
        names = self._layout.names
        records = whole_records([columns[name] for name in names], self.delimiter)
        if records is not None and len(names) > records.width:
            rest = self._layout.cells(columns, names[records.width :])
            added = [_quoted(self._texts(name, values), self.delimiter) for name, values in rest]
            if all(added):  # what was read is written as it stands
                return _joined([records.lines(), *added], self.delimiter)
        cells = [self._texts(name, values) for name, values in self._layout.cells(columns)]
        quoted = [_quoted(values, self.delimiter) for values in cells]
        if len(cells) > 1 and all(quoted):
            return _joined(quoted, self.delimiter)
        return self._lines(list(zip(*cells, strict=True)))

    def _lines(self, rows: Sequence[Sequence[Any]]) -> bytes:
        text = io.StringIO()
        plain = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        quoted = csv.writer(text, delimiter=self.delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in rows:
            # csv leaves a carriage return bare where it does not end its own lines, and then cannot read it.
            bare = any("\r" in cell for cell in row if isinstance(cell, str))
            (quoted if bare else plain).writerow(row)
        return _encoded(text.getvalue())

    def _texts(self, name: str, values: list[Any]) -> list[Any]:
        kinds = set(map(type, values))
        if kinds == {float}:
            return list(map(self._numbers.__getitem__, values))
        if not any(issubclass(kind, (list, dict)) for kind in kinds):
            return values
        return [self._text(value, name) if isinstance(value, (list, dict)) else value for value in values]

    def _text(self, value: Any, column: str) -> str:
        layout = self._layout
        if column not in layout.joined or not all(isinstance(part, (str, int)) for part in value):
            return json.dumps(value, ensure_ascii=False, default=str)
        labels = [str(part) for part in value]
        for label in labels:
            if not layout.separator or layout.separator in label:
                raise InputError(
                    f"label {label!r} contains the label_separator {layout.separator!r} and cannot be joined with "
                    "others in a cell; choose another label_separator (--label-separator), or write .jsonl"
                )
        return layout.separator.join(labels)


class TabbedWriter(DelimitedWriter):
    """TSV."""

    delimiter = "\t"


class JsonLinesWriter(TextWriter):
    """One object a line."""

    def body(self, columns: Columns) -> bytes:
        """Return one line a row."""
        encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
        names, cells = zip(*self._layout.cells(columns), strict=True)
        return _encoded(
            "".join([f"{encode(dict(zip(names, row, strict=True)))}\n" for row in zip(*cells, strict=True)])
        )


class JsonWriter(TextWriter):
    """One list of objects."""

    between, tail, empty = b",", b"\n]\n", b"]\n"

    @property
    def head(self) -> bytes:
        """The opening bracket."""
        return b"["

    def body(self, columns: Columns) -> bytes:
        """Return the objects, with commas between."""
        names, cells = zip(*self._layout.cells(columns), strict=True)
        rows = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
        return _encoded(json.dumps(rows, ensure_ascii=False, indent=1, default=str)[1:-2])


class ParquetWriter(RowWriter):
    """Parquet; rows are kept until there are enough for a row group of 64 MB."""

    def __init__(self, handle: IO[bytes], layout: Layout) -> None:
        super().__init__(handle, layout)
        self._writer: Any = None
        self._tables: list[Any] = []
        self._bytes = 0

    def write(self, columns: Columns) -> None:
        """Take rows, given as columns of one length."""
        import pyarrow as pa

        self.has_rows = True
        schema = self._layout.schema
        types = (
            dict.fromkeys(self._layout.names) if schema is None else dict(zip(schema.names, schema.types, strict=True))
        )
        arrays = [self._array(name, columns[name], types[name]) for name in self._layout.names]
        table = pa.table(arrays, names=self._layout.names) if schema is None else pa.table(arrays, schema=schema)
        self._tables.append(table)
        self._bytes += table.nbytes
        if self._bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def _array(self, name: str, values: Sequence[Any], kind: Any) -> Any:
        import pyarrow as pa

        try:
            if isinstance(values, (pa.Array, pa.ChunkedArray)):
                return values if kind is None else values.cast(kind)
            return pa.array(values if kind is not None and pa.types.is_string(kind) else map(_plain, values), kind)
        except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
            raise InputError(f"column {name!r} cannot be written to Parquet ({error}); write .jsonl") from None

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.concat_tables(self._tables)
        self._writer = self._writer or pq.ParquetWriter(self._handle, table.schema)
        self._writer.write_table(table)
        self._tables, self._bytes = [], 0

    def close(self) -> None:
        """Write the last row group, and what a Parquet file ends with."""
        if self._tables:
            self._flush()
        if self._writer:
            self._writer.close()


def _quoted(values: list[Any], delimiter: str) -> list[str]:
    r"""Return cells as ``csv`` writes them in rows of several, at a fraction of its time.

    Empty where there are none, and where a cell has a carriage return, for which whole rows are quoted.

    Examples
    --------
    >>> _quoted(["a", 'say "b" ', None, 0.5], ","), _quoted(["a\r"], ",")
    (['a', '"say ""b"" "', '', '0.5'], [])
    """
    if set(map(type, values)) == {str}:
        cells = values
    else:
        cells = ["" if value is None else value if type(value) is str else str(value) for value in values]
    together = "".join(cells)
    if "\r" in together:
        return []
    special = [sign for sign in (delimiter, '"', "\n") if sign in together]
    if not special:
        return cells
    if special == [delimiter]:
        return [f'"{cell}"' if delimiter in cell else cell for cell in cells]
    return [
        '"' + cell.replace('"', '""') + '"' if delimiter in cell or '"' in cell or "\n" in cell else cell
        for cell in cells
    ]


def _joined(quoted: list[list[str]], delimiter: str) -> bytes:
    return _encoded("\n".join(map(delimiter.join, zip(*quoted, strict=True))) + "\n")


def _encoded(text: str) -> bytes:
    # A lone surrogate, which JSON can hold and UTF-8 cannot, is written as the escape that JSON reads back.
    return text.encode("utf-8", "backslashreplace")


_WRITERS: dict[str, type[RowWriter]] = {
    "csv": DelimitedWriter,
    "tsv": TabbedWriter,
    "jsonl": JsonLinesWriter,
    "json": JsonWriter,
    "parquet": ParquetWriter,
}
