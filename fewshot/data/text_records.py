"""Lines and delimited records of a text file, in bounded memory, where one broken record does not spoil the rest."""

import collections
import csv
from collections.abc import Iterator
from typing import Any

from fewshot.data.delimited import MAX_FIELD

MAX_RECORD = 2**24
"""Characters of one record; a longer one is broken (an open quote would otherwise swallow the file)."""

MAX_RECORD_LINES = 2**16


class RecordLines:
    r"""Lines of a file, of which those of the present record can be given back, all but its first.

    Parameters
    ----------
    handle : text file
        Opened with ``newline=""`` for CSV.

    Attributes
    ----------
    number : int
        Of the line given last, from 1.

    Examples
    --------
    >>> import io
    >>> lines = RecordLines(io.StringIO("a\nb\nc\n"))
    >>> lines.begin_record()
    >>> next(lines), next(lines), lines.number
    ('a\n', 'b\n', 2)
    >>> lines.give_back()
    >>> lines.number, next(lines)
    (1, 'b\n')
    """

    def __init__(self, handle: Any) -> None:
        self.number = 0
        self._handle = handle
        self._returned: collections.deque[str] = collections.deque()
        self._taken: list[str] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._fresh()
        if not line:
            raise StopIteration
        self.number += 1
        self._taken.append(line)
        self._size += len(line)
        if self._size > MAX_RECORD or len(self._taken) > MAX_RECORD_LINES:
            raise csv.Error(f"a row of more than {MAX_RECORD:,} characters or {MAX_RECORD_LINES:,} lines")
        return line

    def begin_record(self) -> None:
        """Keep the lines from here on, to be given back if need be."""
        self._taken.clear()
        self._size = 0

    def give_back(self) -> None:
        """Let the lines of this record, but for its first, come again."""
        self._returned.extendleft(reversed(self._taken[1:]))
        self.number -= len(self._taken) - 1

    @property
    def waiting(self) -> bool:
        """Whether lines that were given back have yet to come again."""
        return bool(self._returned)

    def _fresh(self) -> str:
        return read_line(self._handle)


def read_line(handle: Any) -> str:
    r"""Return the next line of a file; of one that is too long no more than :data:`MAX_RECORD` signs and one.

    Parameters
    ----------
    handle : text file
        Or anything with its ``readline``.

    Examples
    --------
    >>> import io
    >>> read_line(io.StringIO("a\nb"))
    'a\n'
    """
    line = rest = handle.readline(MAX_RECORD + 1)
    while len(rest) > MAX_RECORD and not rest.endswith(("\n", "\r")):  # what is too long is not kept
        rest = handle.readline(MAX_RECORD + 1)
    return str(line)


def delimited_records(lines: RecordLines, delimiter: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    r"""Parse CSV or TSV, record by record.

    Parameters
    ----------
    lines : RecordLines
    delimiter : str
        ``","`` or a tab.

    Yields
    ------
    (int, list of str or csv.Error)
        Number of the record's first line, and its fields or what is wrong with it. After a broken record, such as one
        with an open quote, reading goes on with the line after its first. Empty lines are skipped.

    Examples
    --------
    >>> import io
    >>> lines = RecordLines(io.StringIO('a,b\n"open,c\nd,e\n'))
    >>> list(delimited_records(lines, ","))
    [(1, ['a', 'b']), (2, Error('unexpected end of data')), (3, ['d', 'e'])]
    """
    csv.field_size_limit(max(MAX_FIELD, csv.field_size_limit()))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_record()
        first = lines.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.give_back()
            yield first, error
        else:
            if fields:
                yield first, fields


def is_text(text: str) -> bool:
    r"""Return whether UTF-8 can hold ``text``: no half surrogate pairs, which stand for bytes that are no text.

    Examples
    --------
    >>> is_text("café"), is_text(b"caf\xe9".decode("utf-8", "surrogateescape"))
    (True, False)
    """
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def mended(text: str) -> str:
    r"""Return ``text`` with the sign U+FFFD where bytes were that are no text.

    Examples
    --------
    >>> mended(b"caf\xe9".decode("utf-8", "surrogateescape"))
    'caf\ufffd'
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
