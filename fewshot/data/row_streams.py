"""Files to the cells of one column, row by row in constant memory: each format that ``readers`` knows, also gzipped.

A row that cannot be read is given as :class:`Broken`, and the next one follows. Only a file of which nothing can be
trusted (wrong encoding, torn gzip, no such column) is an error. Whole tables are left to ``readers``.
"""

import codecs
import contextlib
import csv
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from fewshot.core.errors import InputError, did_you_mean
from fewshot.data.formats import format_of, is_gzipped, open_bytes
from fewshot.data.json_array import JsonArray
from fewshot.data.readers import called, check_file, delimiter_of, explained, open_text, read_rows
from fewshot.data.text_records import RecordLines, delimited_records

ROWS_WITHOUT_COLUMN = 1_000
"""After so many rows of JSON without the column it is an error; before, a row may leave it out."""

_BLOCK = 2**16
_PARQUET_ROWS = 1_000

Row = tuple[int, Any]
"""Number, from 1, of a row's first line (in JSON and Parquet: of the row), and its cell or why there is none."""


@dataclasses.dataclass(frozen=True)
class Broken:
    """Stands where a cell cannot be read.

    Parameters
    ----------
    reason : str
    """

    reason: str


class ColumnWatch:
    """Picks one column's cell from row after row of objects, and raises if the column does not turn up.

    Parameters
    ----------
    column : str
    source : str
        Name for messages.

    Examples
    --------
    >>> watch = ColumnWatch("text", "memory")
    >>> watch.cell({"text": "a"}), watch.cell({}), watch.cell(["a"])
    ('a', None, Broken(reason="expected an object such as {'text': …}, got ['a']"))
    """

    def __init__(self, column: str, source: str) -> None:
        self._column, self._source = column, source
        self._others: dict[str, None] = {}
        self._n_without = 0
        self._found = False

    def cell(self, row: Any) -> Any:
        """Return the cell, ``None`` where the row leaves it out, or why there is none."""
        if not isinstance(row, Mapping):
            return Broken(f"expected an object such as {{{self._column!r}: …}}, got {_shown(row)}")
        if self._column in row:
            self._found = True
            return row[self._column]
        if not self._found:
            self._others.update(dict.fromkeys(map(str, row)))
            self._n_without += 1
            if self._n_without == ROWS_WITHOUT_COLUMN:
                self.check()
        return None

    def check(self) -> None:
        """Raise :class:`InputError` if there were rows and none of them had the column; call it after the last."""
        if not self._found and self._n_without:
            check_column(self._column, list(self._others), self._source)


def check_column(column: str, names: list[str], source: str) -> None:
    """Raise :class:`InputError` unless ``names`` holds ``column`` exactly once.

    Examples
    --------
    >>> check_column("txt", ["id", "text"], "memory")
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: memory has no column 'txt'; columns there: 'id', 'text'; name one of them by \
column= (--text). Did you mean 'text'?
    """
    if names.count(column) > 1:
        raise InputError(f"{source} names the column {column!r} twice; rename one")
    if column not in names:
        there = ", ".join(map(repr, names[:50])) or "none"
        raise InputError(
            f"{source} has no column {column!r}; columns there: {there}; name one of them by column= (--text)."
            f"{did_you_mean(column, names)}"
        )


def check_text_file(path: Path, encoding: str = "utf-8") -> None:
    """Raise unless ``path`` is a file of a known format that looks as its name says.

    Raises
    ------
    SourceNotFoundError
        If it is not there.
    InputError
        If it is a folder, of another format, packed without saying so, or binary.
    """
    check_file(path)
    if format_of(path) == "parquet":
        return
    with explained(path, encoding), open_bytes(path) as handle:
        head = handle.read(4096)
    if head.startswith(b"\x1f\x8b"):
        raise InputError(f"{called(path)} is packed by gzip and its name does not say so; rename it to end in .gz")
    if b"\0" in head and not encoding.lower().replace("_", "").replace("-", "").startswith(("utf16", "utf32")):
        raise InputError(
            f"{called(path)} holds zero bytes, so it is not {encoding} text but a binary file, or of an encoding to be "
            "named by encoding= (--encoding), such as 'utf-16'"
        )


def stream_rows(path: Path, column: str, encoding: str = "utf-8") -> Iterator[Row]:
    r"""Give number and cell of each row of a file.

    Parameters
    ----------
    path : Path
        Check it by :func:`check_text_file` first.
    column : str
    encoding : str, default "utf-8"
        Of the text formats.

    Yields
    ------
    (int, object)
        See :data:`Row`.

    Raises
    ------
    InputError
        If the file has no such column, or cannot be decoded or unpacked to its end.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("id,text\n1,good\n2\n")
    >>> list(stream_rows(path, "text"))
    [(2, 'good'), (3, Broken(reason='1 fields where the header has 2'))]
    """
    with explained(path, encoding):
        try:
            yield from _READERS[format_of(path)](path, column, encoding)
        except UnicodeDecodeError as error:
            raise InputError(undecodable(path, error.encoding, encoding)) from None


def undecodable(path: Path, codec: str, encoding: str) -> str:
    """Say in which line a file cannot be decoded; it is decoded again, a block at a time."""
    decoder, line = codecs.getincrementaldecoder(codec)(), 1
    reason = f"it ends in the middle of a sign, so it is torn or not {encoding}"
    with open_bytes(path) as handle:
        while block := handle.read(_BLOCK):
            try:
                line += decoder.decode(block).count("\n")
            except UnicodeDecodeError as error:
                line += error.object[: error.start].decode(codec, "replace").count("\n")
                reason = f"byte 0x{error.object[error.start]:02x} is not valid {encoding}"
                break
    return (
        f"{called(path)}, line {line}: {reason}; name its encoding by encoding= (--encoding), such as 'cp1252' or "
        "'utf-16'"
    )


def _delimited_rows(path: Path, column: str, encoding: str) -> Iterator[Row]:
    delimiter = delimiter_of(path, encoding)
    with open_text(path, encoding, newline="") as handle:
        records = delimited_records(RecordLines(handle), delimiter)
        _, header = next(records, (1, None))
        if header is None:
            raise InputError(f"{called(path)} is empty; expected a first line of column names, then rows")
        if isinstance(header, csv.Error):
            raise InputError(f"{called(path)}, line 1: {header}; expected column names")
        check_column(column, header, called(path))
        place, width = header.index(column), len(header)
        for line, fields in records:
            if isinstance(fields, csv.Error):
                yield line, Broken(str(fields))
            elif len(fields) != width:
                yield line, Broken(f"{len(fields)} fields where the header has {width}")
            else:
                yield line, fields[place]


def _jsonl_rows(path: Path, column: str, encoding: str) -> Iterator[Row]:
    watch = ColumnWatch(column, called(path))
    for number, line in _filled_lines(path, encoding):
        row = line if isinstance(line, Broken) else json_value(line)
        yield number, row if isinstance(row, Broken) else watch.cell(row)
    watch.check()


def _text_rows(path: Path, column: str, encoding: str) -> Iterator[Row]:
    for number, line in _filled_lines(path, encoding):
        yield number, line if isinstance(line, Broken) else line.rstrip("\n")


def _filled_lines(path: Path, encoding: str) -> Iterator[tuple[int, str | Broken]]:
    """Give number and content of each line that is not empty, or why it is too long."""
    with open_text(path, encoding) as handle:
        lines = RecordLines(handle)
        while True:
            lines.begin_record()
            try:
                line = next(lines, "")
            except csv.Error as error:
                yield lines.number, Broken(str(error))
                continue
            if not line:
                break
            if not line.isspace():
                yield lines.number, line


def json_value(line: str) -> Any:
    """Return what a line of JSON holds, or why it holds nothing."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return Broken(f"not valid JSON ({error}); expected one object a line")


def _json_rows(path: Path, column: str, encoding: str) -> Iterator[Row]:
    with open_text(path, encoding) as handle:
        array = JsonArray(handle, called(path))
        opening = array.next_sign()
        if opening == "[":
            watch = ColumnWatch(column, called(path))
            yield from enumerate(map(watch.cell, array.elements()), start=1)
            watch.check()
            return
    if opening:  # an object of columns, which cannot be read row by row, or a mistake
        table = read_rows(path, encoding=encoding)
        check_column(column, list(table.columns), called(path))
        yield from enumerate((row[column] for row in table.rows), start=1)


@contextlib.contextmanager
def seekable(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that can be read from its end; a gzipped one is unpacked to disk."""
    with open_bytes(path) as handle:
        if not is_gzipped(path):
            yield handle
            return
        with tempfile.TemporaryFile() as unpacked:
            shutil.copyfileobj(handle, unpacked, _BLOCK)
            unpacked.seek(0)
            yield unpacked


def _parquet_rows(path: Path, column: str, encoding: str) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    with seekable(path) as handle:
        try:
            # Row group by row group, and of these a page at a time: one may hold millions of rows.
            file = pq.ParquetFile(handle, pre_buffer=False, buffer_size=2**20)
            check_column(column, file.schema_arrow.names, called(path))
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=[column]):
                yield from enumerate(batch.column(column).to_pylist(), start=number + 1)
                number += batch.num_rows
        except UnicodeDecodeError:
            raise InputError(
                f"{called(path)}, after row {number}: column {column!r} holds bytes that are not UTF-8; write it again"
            ) from None
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{called(path)} is not a Parquet file that can be read: {error}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}{'…' if len(text) > 60 else ''}"


_READERS = {
    "csv": _delimited_rows,
    "tsv": _delimited_rows,
    "jsonl": _jsonl_rows,
    "json": _json_rows,
    "parquet": _parquet_rows,
    "lines": _text_rows,
}
