"""Files to raw tables: CSV, TSV, JSONL, JSON, Parquet and lines of text, each also gzipped.

Every row comes with all its columns; which of them are the text and the label is left to ``loading``.
"""

import codecs
import contextlib
import gzip
import io
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError, SourceNotFoundError, did_you_mean
from fewshot.data.delimited import parse_delimited
from fewshot.data.formats import format_of, open_bytes
from fewshot.data.tables import Table

TEXT_COLUMN = ("text",)
"""What the column of a file is called that has lines instead of columns."""

MOST_OF_HEADER = 2**16
"""Signs of the first line that are looked at for what separates fields."""


def read_rows(path: str | Path, *, encoding: str = "utf-8", max_rows: int | None = None) -> Table:
    """Read a file's rows as they are.

    Parameters
    ----------
    path : str or Path
        A ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson``, ``.json`` (a list of objects, or an object of columns) or
        ``.parquet`` file, a ``.txt`` of one text a line (empty lines are skipped), or one of these with ``.gz``.
    encoding : str, default "utf-8"
        Of the text formats. A byte-order mark is skipped.
    max_rows : int, optional
        Read the first so many rows only.

    Returns
    -------
    Table
        ``rows`` is a list of dicts. Cells of CSV and TSV are strings, the others keep their types.

    Raises
    ------
    SourceNotFoundError
        If the file is not there.
    InputError
        If it is a folder, of another format, empty, undecodable or malformed.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.jsonl"
    >>> _ = path.write_text('{"text": "good", "label": 1}')
    >>> read_rows(path).rows
    [{'text': 'good', 'label': 1}]
    """
    path = Path(path)
    check_max_rows(max_rows)
    check_file(path)
    reader = _READERS[format_of(path)]
    with explained(path, encoding):
        table: Table = reader(path, encoding, max_rows)
    if not table.rows:
        raise InputError(f"{table.source} is empty: it holds no rows of data")
    return table.head(max_rows)


def check_max_rows(max_rows: Any) -> None:
    """Raise unless ``max_rows`` is a positive integer or ``None``.

    Examples
    --------
    >>> check_max_rows(0)
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: max_rows must be a positive integer or None, got 0
    """
    if max_rows is not None and (isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 1):
        raise InputError(f"max_rows must be a positive integer or None, got {max_rows!r}")


def check_file(path: Path) -> None:
    """Raise unless ``path`` is a file; the message names the nearest one in its folder."""
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; name a file in it")
    if path.is_file():
        return
    if not path.parent.is_dir():
        raise SourceNotFoundError(f"no file {str(path)!r}: there is no folder {str(path.parent)!r}")
    whole, colon, split = str(path).rpartition(":")
    if colon and Path(whole).is_file():
        raise SourceNotFoundError(
            f"no file {str(path)!r}: a split cannot be chosen here, files are read whole; give {whole!r}, or a file of "
            f"the rows of {split!r} alone"
        )
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    raise SourceNotFoundError(f"no file {path.name!r} in folder {str(path.parent)!r}.{did_you_mean(path.name, names)}")


@contextlib.contextmanager
def explained(path: Path, encoding: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into errors that say what to do."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(_undecodable(path, error.encoding, encoding)) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{called(path)} is not a whole gzip file ({error}); copy or download it again") from None
    except PermissionError:
        raise InputError(f"{called(path)} may not be read by this user; change its permissions") from None


def _undecodable(path: Path, codec: str, encoding: str) -> str:
    with open_bytes(path) as handle:
        data = handle.read()
    advice = "name its encoding by encoding= (--encoding), such as 'cp1252' or 'utf-16'"
    try:
        data.decode(codec)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(codec, "replace").count("\n") + 1
        return f"{called(path)}, line {line}: byte 0x{data[error.start]:02x} is not valid {encoding}; {advice}"
    return f"{called(path)} is not valid {encoding}; {advice}"  # pragma: no cover - it failed a moment ago


def called(path: Path) -> str:
    """Return what messages call a file."""
    return f"file {str(path)!r}"


@contextlib.contextmanager
def open_text(
    path: Path, encoding: str, newline: str | None = None, *, errors: str = "strict"
) -> Iterator[io.TextIOWrapper]:
    """Open a file of text, gzipped or not; a byte order mark is left out.

    With ``errors="surrogateescape"`` bytes that are no text come as half a surrogate pair each, which no text is.
    """
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise InputError(f"encoding {encoding!r} is not known; try 'utf-8', 'cp1252' or 'utf-16'") from None
    with open_bytes(path) as handle:
        yield io.TextIOWrapper(
            handle, encoding="utf-8-sig" if codec == "utf-8" else codec, newline=newline, errors=errors
        )


def delimiter_of(path: Path, encoding: str) -> str:
    r"""Return what stands between the fields of a CSV or TSV file.

    A CSV file whose first line has a semicolon or a tab and no comma, quoted ones aside, is separated by these, as
    spreadsheets write it where the comma stands in numbers.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text('id;"text, all of it"\n1;good\n')
    >>> delimiter_of(path, "utf-8")
    ';'
    """
    if format_of(path) == "tsv":
        return "\t"
    with open_text(path, encoding, newline="", errors="surrogateescape") as lines:
        header = re.sub(r'"[^"]*"', "", lines.readline(MOST_OF_HEADER))
    return "," if "," in header else next((sign for sign in ";\t" if sign in header), ",")


def _read_delimited(path: Path, encoding: str, max_rows: int | None) -> Table:
    delimiter = delimiter_of(path, encoding)
    with open_text(path, encoding, newline="") as lines:
        return parse_delimited(lines, delimiter=delimiter, source=called(path), max_rows=max_rows)


def _read_jsonl(path: Path, encoding: str, max_rows: int | None) -> Table:
    with open_text(path, encoding) as lines:
        filled = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
        records = [_json_object(line, number, path) for number, line in itertools.islice(filled, max_rows)]
    return Table.of_records(records, source=called(path))


def _json_object(line: str, number: int, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{called(path)}, line {number}: not valid JSON ({error}); expected one object a line"
        ) from None
    if not isinstance(value, dict):
        raise InputError(f'{called(path)}, line {number}: expected an object such as {{"text": …}}, got {line[:60]!r}')
    return value


def _read_json(path: Path, encoding: str, max_rows: int | None) -> Table:
    with open_text(path, encoding) as handle:
        content = handle.read()
    try:
        value = json.loads(content) if content.strip() else []
    except (ValueError, RecursionError) as error:
        raise InputError(f"{called(path)} is not valid JSON ({error}); a file of one object a line is .jsonl") from None
    if isinstance(value, dict):
        return Table.of_columns(value, source=called(path))
    if not isinstance(value, list):
        raise InputError(
            f"{called(path)} must hold a list of objects or an object of columns, got {type(value).__name__}"
        )
    return Table.of_records(value[:max_rows], source=called(path))


def _read_parquet(path: Path, encoding: str, max_rows: int | None) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_bytes(path) as handle:
        content = handle.read()
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{called(path)} is not a Parquet file that can be read: {error}") from None
    records = table.slice(0, max_rows).to_pylist()
    return Table(tuple(table.column_names), records, list(range(len(records))), called(path))


def _read_lines(path: Path, encoding: str, max_rows: int | None) -> Table:
    with open_text(path, encoding) as lines:
        texts = [line.rstrip("\n") for line in itertools.islice(filter(str.strip, lines), max_rows)]
    return Table(TEXT_COLUMN, [{"text": text} for text in texts], list(range(len(texts))), called(path), is_named=False)


_READERS = {
    "csv": _read_delimited,
    "tsv": _read_delimited,
    "jsonl": _read_jsonl,
    "json": _read_json,
    "parquet": _read_parquet,
    "lines": _read_lines,
}
