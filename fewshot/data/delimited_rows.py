"""Rows of CSV and TSV many at a time, by the reader in C; where one is broken, record by record.

What a record is and where reading goes on after a broken one is said by ``text_records``; here the same answer is found
faster, because most files have no broken record at all.
"""

import csv
import functools
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.delimited import checked_header
from fewshot.data.readers import delimiter_of
from fewshot.data.record_spans import RecordSpans, SpanColumn, find_spans
from fewshot.data.row_blocks import Chunk
from fewshot.data.row_sources import RowSource
from fewshot.data.text_records import MAX_RECORD, RecordLines, delimited_records, is_text, mended, read_line

CHUNK_CHARACTERS = 2**20


class Replayed:
    r"""Text that was read already, then the file that it came from.

    Parameters
    ----------
    text : str
    handle : text file

    Examples
    --------
    >>> replayed = Replayed("a\n", io.StringIO("b\n"))
    >>> replayed.readline(9), replayed.is_over, replayed.readline(9)
    ('a\n', True, 'b\n')
    """

    def __init__(self, text: str, handle: Any) -> None:
        self._text, self._handle, self._left = io.StringIO(text, newline=""), handle, len(text)

    @property
    def is_over(self) -> bool:
        """Whether all of the text was given."""
        return not self._left

    def readline(self, limit: int) -> str:
        """Return the next line, or the piece of it that was read."""
        line = self._text.readline(limit) or str(self._handle.readline(limit))
        self._left = max(0, self._left - len(line))
        return line


def delimited_chunks(handle: Any, delimiter: str, width: int, not_text: str = "not text") -> Iterator[Chunk]:
    r"""Give the records of a file.

    Parameters
    ----------
    handle : text file
        Opened with ``newline=""``, behind its header.
    delimiter : str
        ``","`` or a tab.
    width : int
        How many fields a record has.
    not_text : str
        What to say of a record with bytes that are no text.

    Yields
    ------
    (list of list or RecordSpans, dict, int)
        Records of ``width`` fields each. One with more or fewer fields is cut or filled with ``None`` and noted as
        broken; of one that cannot be read the fields are ``None``. Bytes that are no text, which came as half surrogate
        pairs, are the sign U+FFFD.

    Examples
    --------
    >>> list(delimited_chunks(io.StringIO('a,b\n"open,c\nd\n'), ",", 2))
    [([['a', 'b'], [None, None], ['d', None]], {1: 'unexpected end of data', 2: '1 fields where the header has 2'}, 14)]
    """
    while text := _some_lines(handle):
        are_all_text = is_text(text)
        spans = find_spans(text, delimiter, width) if are_all_text and len(text) <= MAX_RECORD else None
        if spans is not None:
            yield spans, {}, len(text)
            continue
        records = _whole_records(text, delimiter)
        is_clean = are_all_text and records is not None
        if records is None:
            records = list(_one_by_one(text, handle, delimiter))
        rows, broken = _of_width(records, width)
        if not is_clean:
            _mend(rows, broken, not_text)
        yield rows, broken, len(text)


def _some_lines(handle: Any) -> str:
    """Read about a megabyte to the end of a line, and then on to where no quote is open, if that is near."""
    lines = [handle.read(CHUNK_CHARACTERS)]
    size, is_open = len(lines[0]), _has_open_quote(lines[0])
    at_line_end = lines[0].endswith("\n")
    while (is_open or not at_line_end) and size < 2 * CHUNK_CHARACTERS:
        line = handle.readline(MAX_RECORD + 1)
        if not line:
            break
        lines.append(line)
        size, is_open, at_line_end = size + len(line), is_open ^ _has_open_quote(line), True
    return "".join(lines)


def _has_open_quote(text: str) -> bool:
    return text.count('"') % 2 == 1


def _whole_records(text: str, delimiter: str) -> list[Any] | None:
    """Parse lines that make whole records; ``None`` where they do not, or one may be too long."""
    if len(text) > MAX_RECORD:
        return None
    lines = io.StringIO(text, newline="")
    try:
        return [fields for fields in csv.reader(lines, delimiter=delimiter, strict=True) if fields]
    except csv.Error:
        return None


def _one_by_one(text: str, handle: Any, delimiter: str) -> Iterator[list[str] | csv.Error]:
    """Parse at least these lines; a record that they begin is read to its end."""
    replayed = Replayed(text, handle)
    lines = RecordLines(replayed)
    records = delimited_records(lines, delimiter)
    while not replayed.is_over or lines.waiting:
        _, fields = next(records, (0, None))
        if fields is not None:
            yield fields


def _of_width(records: list[Any], width: int) -> tuple[list[list[str | None]], dict[int, str]]:
    rows: list[list[str | None]] = records
    broken: dict[int, str] = {}
    if {type(fields) for fields in records} <= {list} and set(map(len, records)) <= {width}:
        return rows, broken
    for place, fields in enumerate(records):
        if isinstance(fields, csv.Error):
            broken[place], rows[place] = str(fields), [None] * width
        elif len(fields) != width:
            broken[place] = f"{len(fields)} fields where the header has {width}"
            rows[place] = [*fields[:width], *[None] * (width - len(fields))]
    return rows, broken


def _mend(rows: list[list[str | None]], broken: dict[int, str], reason: str) -> None:
    for place, fields in enumerate(rows):
        if not is_text("".join(filter(None, fields))):
            broken.setdefault(place, reason)
            rows[place] = [cell and mended(cell) for cell in fields]


class DelimitedRows(RowSource):
    """The rows of a CSV or TSV file; all cells are strings."""

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, encoding)
        self._delimiter = delimiter_of(path, encoding)
        with self._open("") as handle:
            header = self._header(handle)
            if not is_text("".join(header)):
                raise InputError(f"{self.source}, line 1: {self._not_text}")
            lines = iter(functools.partial(read_line, handle), "")
            if not any(line.strip("\r\n") for line in lines):
                raise InputError(f"{self.source} is empty: it holds no rows of data")
        self.columns = tuple(header)

    def _header(self, handle: Any) -> list[str]:
        _, header = next(delimited_records(RecordLines(handle), self._delimiter), (1, None))
        if isinstance(header, csv.Error):
            raise InputError(f"{self.source}, line 1: {header}; expected column names")
        return checked_header(header, self.source)

    def _chunks(self, wanted: Callable[[int, int], bool]) -> Iterator[Chunk]:
        with self._open("") as handle:
            self._header(handle)
            for chunk in delimited_chunks(handle, self._delimiter, len(self.columns), self._not_text):
                self.position = _bytes_read(handle)
                yield chunk

    def _joined(self, pieces: list[Any]) -> Any:
        if all(isinstance(piece, RecordSpans) for piece in pieces):
            return RecordSpans.joined(pieces)
        return super()._joined(pieces)

    def _columns_of(self, rows: Any) -> dict[str, Sequence[Any]]:
        if isinstance(rows, RecordSpans):
            return {name: SpanColumn(rows, number) for number, name in enumerate(self.columns)}
        return dict(zip(self.columns, map(list, zip(*rows, strict=True)), strict=True))


def _bytes_read(handle: Any) -> int:
    """Return how far the file below a text file was read, packed or not."""
    binary: Any = handle.buffer
    if isinstance(binary, gzip.GzipFile):
        binary = binary.fileobj
    return int(binary.tell())
