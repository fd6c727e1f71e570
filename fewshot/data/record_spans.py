"""CSV and TSV records known by the places of their cells alone; cells are copied only where they are needed.

Where every quote opens or closes a cell, which is nearly everywhere, NumPy finds the cells' places in a third of the
time in which ``csv`` makes strings of all of them. All else, broken records above all, is left to ``delimited_rows``.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

_QUOTE, _LINE_END, _RETURN = map(ord, '"\n\r')


class RecordSpans:
    r"""Some records of a text. Made by :func:`find_spans`.

    Parameters
    ----------
    text : str
    delimiter : str
    bounds : ndarray of shape (n, width + 1)
        Where each record begins, and behind each cell the place of the sign that ends it.
    cells : ndarray of shape (n, width, 2)
        First and last place of what each cell holds, within its quotes where it has any.
    has_doubled : bool
        Whether cells hold quotes, which are doubled in the text.
    is_shortest : bool
        Whether no cell has quotes that it could do without, so that the records are written as they were read.

    Examples
    --------
    >>> spans = find_spans('1,"a, b"\n2,c\n', ",", 2)
    >>> len(spans), spans.column(1), spans.lines(), spans[1:].column(1)
    (2, ['a, b', 'c'], ['1,"a, b"', '2,c'], ['c'])
    """

    def __init__(
        self,
        text: str,
        delimiter: str,
        bounds: np.ndarray,
        cells: np.ndarray,
        has_doubled: bool,
        is_shortest: bool,
    ) -> None:
        self._text, self.delimiter, self.is_shortest = text, delimiter, is_shortest
        self._bounds, self._cells, self._has_doubled = bounds, cells, has_doubled

    def __len__(self) -> int:
        return len(self._bounds)

    def __getitem__(self, places: slice) -> "RecordSpans":
        bounds, cells = self._bounds[places], self._cells[places]
        return RecordSpans(self._text, self.delimiter, bounds, cells, self._has_doubled, self.is_shortest)

    @classmethod
    def joined(cls, pieces: "Sequence[RecordSpans]") -> "RecordSpans":
        """Return the records of several, of one delimiter and width, with no more of their texts than needed."""
        texts, bounds, cells, size = [], [], [], 0
        for piece in pieces:
            first, last = int(piece._bounds[0, 0]), int(piece._bounds[-1, -1])
            texts.append(piece._text[first:last])
            bounds.append(piece._bounds + (size - first))
            cells.append(piece._cells + (size - first))
            size += last - first
        has_doubled, is_shortest = any(p._has_doubled for p in pieces), all(p.is_shortest for p in pieces)
        text, delimiter = "".join(texts), pieces[0].delimiter
        return cls(text, delimiter, np.concatenate(bounds), np.concatenate(cells), has_doubled, is_shortest)

    def __iter__(self) -> Iterator[list[str]]:
        return map(list, zip(*map(self.column, range(self.width)), strict=True))

    @property
    def width(self) -> int:
        """How many cells a record has."""
        return int(self._cells.shape[1])

    def column(self, number: int) -> list[str]:
        """Return the cells of a column."""
        cells = _pieces(self._text, self._cells[:, number, 0], self._cells[:, number, 1])
        if self._has_doubled:
            return [cell.replace('""', '"') if '"' in cell else cell for cell in cells]
        return cells

    def lines(self) -> list[str]:
        """Return the records as they stand in the text, without their line ends."""
        return _pieces(self._text, self._bounds[:, 0], self._bounds[:, -1])


def _pieces(text: str, starts: np.ndarray, stops: np.ndarray) -> list[str]:
    return [text[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


def find_spans(text: str, delimiter: str, width: int) -> RecordSpans | None:
    r"""Find the records of a text, if there is no doubt about any of them.

    Parameters
    ----------
    text : str
        Whole records.
    delimiter : str
        ``","`` or a tab.
    width : int
        How many fields a record has.

    Returns
    -------
    RecordSpans or None
        ``None`` unless ``csv`` reads exactly these records: where one has another number of fields, a quote stands
        within a cell without any, lines are empty, line ends differ, or the last one has none.

    Examples
    --------
    >>> [find_spans(text, ",", 2) for text in ("a,b,c\n", 'a,b "c"\n', "a,b")]
    [None, None, None]
    """
    if not text.endswith("\n") or "\0" in text:
        return None
    signs = _signs(text)
    is_quote, is_end = signs == _QUOTE, signs == _LINE_END
    places = np.flatnonzero(is_quote | is_end | (signs == ord(delimiter))).astype(np.int32)
    is_quote = is_quote[places]
    quotes = np.flatnonzero(is_quote)
    marks = places[(np.cumsum(is_quote) % 2 == 0) & ~is_quote]  # an odd number of quotes before it: within a cell
    if len(quotes) % 2 or not _are_records(is_end[marks], width):
        return None
    if "\r" in text and not np.array_equal(np.flatnonzero(signs == _RETURN) + 1, marks[width - 1 :: width]):
        return None
    doubled = _doubled(signs, places[quotes], delimiter)
    if doubled is None:
        return None
    bounds = _bounds(marks, width, signs)
    if width == 1 and (bounds[:, 0] == bounds[:, 1]).any():
        return None
    # A cell needs its quotes for a delimiter or a line end, which then stands between two quotes, or for a quote.
    is_needed = (np.diff(quotes)[::2] > 1) | doubled
    is_needed[1:] |= doubled[:-1]
    return RecordSpans(text, delimiter, bounds, _cells(bounds, signs), bool(doubled.any()), bool(is_needed.all()))


def _signs(text: str) -> np.ndarray:
    """Return the number of each sign."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _are_records(is_end: np.ndarray, width: int) -> bool:
    """Return whether every ``width``-th mark, and no other, ends a line."""
    if not len(is_end) or len(is_end) % width:
        return False
    is_end = is_end.reshape(-1, width)
    return bool(is_end[:, -1].all() and not is_end[:, :-1].any())


def _doubled(signs: np.ndarray, quotes: np.ndarray, delimiter: str) -> np.ndarray | None:
    """Return which second quotes have another one behind them; ``None`` if one neither opens nor closes a cell."""
    opening, closing = quotes[::2], quotes[1::2]
    before, after = signs[opening - 1], signs[closing + 1]  # at 0 it is the last sign, which is a line end
    is_start = (before == ord(delimiter)) | (before == _LINE_END)
    again = after == _QUOTE
    is_end = (after == ord(delimiter)) | (after == _LINE_END) | (after == _RETURN) | again
    is_start[1:] |= again[:-1]
    return np.asarray(again) if is_start.all() and is_end.all() else None


def _bounds(marks: np.ndarray, width: int, signs: np.ndarray) -> np.ndarray:
    bounds = np.empty((len(marks) // width, width + 1), dtype=np.int32)
    bounds[:, 1:] = marks.reshape(-1, width)
    bounds[0, 0], bounds[1:, 0] = 0, bounds[:-1, -1] + 1
    bounds[:, -1] -= signs[bounds[:, -1] - 1] == _RETURN
    return bounds


def _cells(bounds: np.ndarray, signs: np.ndarray) -> np.ndarray:
    cells = np.stack([bounds[:, :-1], bounds[:, 1:]], axis=2)
    cells[:, 1:, 0] += 1
    is_quoted = signs[cells[:, :, 0]] == _QUOTE
    cells[:, :, 0] += is_quoted
    cells[:, :, 1] -= is_quoted
    return cells


class SpanColumn(Sequence[str]):
    r"""A column of records, whose cells are copied from the text when they are first asked for.

    Parameters
    ----------
    records : RecordSpans
        Shared with the other columns.
    number : int

    Examples
    --------
    >>> column = SpanColumn(find_spans("1,a\n2,b\n", ",", 2), 1)
    >>> len(column), column[1], column.take([1, 1])
    (2, 'b', ['b', 'b'])
    """

    def __init__(self, records: RecordSpans, number: int) -> None:
        self.records, self.number = records, number

    @functools.cached_property
    def cells(self) -> list[str]:
        """All cells."""
        return self.records.column(self.number)

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: Any) -> Any:
        return self.cells[place]

    def take(self, places: Sequence[int]) -> list[str]:
        """Return the cells at some places."""
        return [self.cells[place] for place in places]


def whole_records(columns: Sequence[Any], delimiter: str) -> RecordSpans | None:
    r"""Return the records of which these are the first columns, if they are written as they were read.

    Parameters
    ----------
    columns : sequence of sequence
        In the order in which they are to be written.
    delimiter : str
        Of what is to be written.

    Examples
    --------
    >>> records = find_spans("1,a\n2,b\n", ",", 2)
    >>> columns = [SpanColumn(records, 0), SpanColumn(records, 1), ["x", "y"]]
    >>> whole_records(columns, ",") is records, whole_records(columns[1:], ","), whole_records(columns, ";")
    (True, None, None)
    """
    records = getattr(columns[0], "records", None)
    if not isinstance(records, RecordSpans) or not records.is_shortest or records.delimiter != delimiter:
        return None
    found = [(getattr(column, "records", None), getattr(column, "number", None)) for column in columns[: records.width]]
    return records if found == [(records, number) for number in range(records.width)] else None
