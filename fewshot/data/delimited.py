"""CSV and TSV lines to a table. Files, encodings and gzip are left to ``readers``."""

import csv
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.tables import Table

# Python's default of 131,072 characters is less than some issue bodies; 2**31 - 1 fits a C long everywhere.
MAX_FIELD = 2**31 - 1


def parse_delimited(lines: Iterable[str], *, delimiter: str, source: str, max_rows: int | None = None) -> Table:
    r"""Parse lines, the first of which holds the column names.

    Parameters
    ----------
    lines : iterable of str
        Lines with their ends, as a file opened with ``newline=""`` gives them. Empty ones are skipped.
    delimiter : str
        ``","`` or a tab.
    source : str
        Name for messages.
    max_rows : int, optional
        Stop after so many rows.

    Returns
    -------
    Table
        All cells are strings. A row with too many or too few fields is kept, cut or filled with ``None``, and noted
        in ``rejected``.

    Raises
    ------
    InputError
        If quotes are not closed, there is no header, or it names a column twice.

    Examples
    --------
    >>> parse_delimited(["text,label\n", "good,pos\n"], delimiter=",", source="memory").rows
    [{'text': 'good', 'label': 'pos'}]
    """
    csv.field_size_limit(max(MAX_FIELD, csv.field_size_limit()))
    records = _records(csv.reader(lines, delimiter=delimiter, strict=True), source)
    header = checked_header(next(records, None), source)
    rows: list[dict[str, Any]] = []
    rejected = {}
    for number, fields in enumerate(itertools.islice(records, max_rows)):
        rows.append({**dict.fromkeys(header), **dict(zip(header, fields, strict=False))})
        if len(fields) != len(header):
            rejected[number] = f"{len(fields)} fields where the header has {len(header)}"
    return Table(tuple(header), rows, list(range(len(rows))), source, rejected)


def _records(reader: Any, source: str) -> Iterator[list[str]]:
    while True:
        first_line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{source}, line {first_line}: {error}; a field that begins with a quote must end with one, "
                "and quotes inside it must be doubled"
            ) from None
        if fields:
            yield fields


def checked_header(header: list[str] | None, source: str) -> list[str]:
    """Return the column names of a first record, or raise if there is none or one stands there twice."""
    if header is None:
        raise InputError(f"{source} is empty; expected a first line of column names, then rows")
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if twice:
        raise InputError(f"{source} names the column {twice[0]!r} twice in its first line; rename one")
    return header
