"""Rows of CSV and TSV many at a time, by the reader in C; where one is broken, record by record.

What a record is and where reading goes on after a broken one is said by ``text_records``; here the same answer is found
faster, because most files have no broken record at all.
"""

import collections
import csv
from collections.abc import Iterator
from typing import Any

from fewshot.data.row_blocks import Chunk
from fewshot.data.text_records import MAX_RECORD, RecordLines, delimited_records, is_text, mended

CHUNK_CHARACTERS = 2**20
_MOST_LINES = 2**14


class Replayed:
    r"""Lines that were read already, then the file that they came from.

    Parameters
    ----------
    lines : list of str
    handle : text file

    Examples
    --------
    >>> import io
    >>> replayed = Replayed(["a\n"], io.StringIO("b\n"))
    >>> replayed.readline(9), len(replayed), replayed.readline(9)
    ('a\n', 0, 'b\n')
    """

    def __init__(self, lines: list[str], handle: Any) -> None:
        self._lines, self._handle = collections.deque(lines), handle

    def __len__(self) -> int:
        return len(self._lines)

    def readline(self, limit: int) -> str:
        """Return the next line, or the piece of it that was read."""
        return self._lines.popleft() if self._lines else str(self._handle.readline(limit))


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
    (list of list, dict, int)
        Records of ``width`` fields each. One with more or fewer fields is cut or filled with ``None`` and noted as
        broken; of one that cannot be read the fields are ``None``. Bytes that are no text, which came as half surrogate
        pairs, are the sign U+FFFD.

    Examples
    --------
    >>> import io
    >>> list(delimited_chunks(io.StringIO('a,b\n"open,c\nd\n'), ",", 2))
    [([['a', 'b'], [None, None], ['d', None]], {1: 'unexpected end of data', 2: '1 fields where the header has 2'}, 14)]
    """
    while lines := _some_lines(handle):
        text = "".join(lines)
        records = _whole_records(lines, delimiter, len(text))
        is_clean = records is not None and is_text(text)
        if records is None:
            records = list(_one_by_one(lines, handle, delimiter))
        rows, broken = _of_width(records, width)
        if not is_clean:
            _mend(rows, broken, not_text)
        yield rows, broken, len(text)


def _some_lines(handle: Any) -> list[str]:
    """Read lines up to about a megabyte, and then on to where no quote is open, if that is near."""
    readline = handle.readline
    lines: list[str] = []
    size = 0
    while size < CHUNK_CHARACTERS and len(lines) < _MOST_LINES and (line := readline(MAX_RECORD + 1)):
        lines.append(line)
        size += len(line)
    is_open = _has_open_quote("".join(lines))
    while is_open and size < 2 * CHUNK_CHARACTERS and len(lines) < 2 * _MOST_LINES:
        if not (line := readline(MAX_RECORD + 1)):
            break
        lines.append(line)
        size += len(line)
        is_open ^= _has_open_quote(line)
    return lines


def _has_open_quote(text: str) -> bool:
    return text.count('"') % 2 == 1


def _whole_records(lines: list[str], delimiter: str, size: int) -> list[Any] | None:
    """Parse lines that make whole records; ``None`` where they do not, or one may be too long."""
    if size > MAX_RECORD:
        return None
    try:
        return [fields for fields in csv.reader(lines, delimiter=delimiter, strict=True) if fields]
    except csv.Error:
        return None


def _one_by_one(lines: list[str], handle: Any, delimiter: str) -> Iterator[list[str] | csv.Error]:
    """Parse at least these lines; a record that they begin is read to its end."""
    replayed = Replayed(lines, handle)
    record_lines = RecordLines(replayed)
    records = delimited_records(record_lines, delimiter)
    while len(replayed) or record_lines.waiting:
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
