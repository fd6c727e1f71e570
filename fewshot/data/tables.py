"""The raw table between a source and its texts: every row with all its columns, as it was written.

What the columns mean is left to ``loading``; where tables come from, to ``readers`` and ``sources``.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError, did_you_mean


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of a source, unchanged and in order.

    Parameters
    ----------
    columns : tuple of str
        Column names in the order of their first appearance.
    rows : list of dict
        One dict a row; JSON rows may lack columns.
    numbers : list of int
        Row number of each in the source, from 0.
    source : str
        Where they came from, for messages.
    rejected : dict of int to str
        Numbers of malformed rows (too many or too few fields), with the reason. They stand in ``rows`` all the same.
    is_named : bool, default True
        Whether the source names its columns. One that does not has a single one, the text, whatever it is asked for.

    Examples
    --------
    >>> table = Table.of_records([{"text": "a"}, {"text": "b", "label": "x"}], source="memory")
    >>> table.columns, len(table), table.head(1).rows
    (('text', 'label'), 2, [{'text': 'a'}])
    """

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    numbers: list[int]
    source: str
    rejected: dict[int, str] = dataclasses.field(default_factory=dict)
    is_named: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of_records(cls, records: Iterable[Any], *, source: str) -> "Table":
        """Build a table from dicts.

        Raises
        ------
        InputError
            If an element is no dict.
        """
        rows = []
        for number, record in enumerate(records):
            if not isinstance(record, Mapping):
                raise InputError(f"{source}, row {number}: expected an object of columns, got {_shown(record)}")
            rows.append({str(column): value for column, value in record.items()})
        columns = dict.fromkeys(column for row in rows for column in row)
        return cls(tuple(columns), rows, list(range(len(rows))), source)

    @classmethod
    def of_columns(cls, columns: Mapping[Any, Sequence[Any]], *, source: str) -> "Table":
        """Build a table from columns of one length.

        Raises
        ------
        InputError
            If a column is no list, or lengths differ.
        """
        for name, values in columns.items():
            if not isinstance(values, (list, tuple, np.ndarray)):
                raise InputError(f"{source}: column {name!r} must be a list of cells, got {_shown(values)}")
        lengths = {str(name): len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"{source}: columns must have the same length, got {lengths}")
        names = tuple(lengths)
        rows = [dict(zip(names, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        return cls(names, rows, list(range(len(rows))), source)

    def head(self, max_rows: int | None) -> "Table":
        """Return the first ``max_rows`` rows, or all of them for ``None``."""
        return self if max_rows is None else self.select(range(min(max_rows, len(self))))

    def select(self, positions: Iterable[int]) -> "Table":
        """Return the rows at ``positions``, which keep their source numbers."""
        chosen = list(positions)
        numbers = [self.numbers[i] for i in chosen]
        rejected = {number: self.rejected[number] for number in numbers if number in self.rejected}
        return dataclasses.replace(self, rows=[self.rows[i] for i in chosen], numbers=numbers, rejected=rejected)

    def check_column(self, name: str, *, argument: str) -> None:
        """Raise unless the column ``name``, asked for by ``argument``, is there."""
        if name not in self.columns:
            flag = f"--{argument.replace('_', '-')}"
            raise InputError(
                f"{self.source} has no column {name!r}; columns there: {', '.join(map(repr, self.columns))}; "
                f"name one of them by {argument}= ({flag}).{did_you_mean(name, self.columns)}"
            )

    def select_split(self, split: str, *, column: str) -> "Table":
        """Return the rows whose ``column`` holds ``split``.

        All malformed rows stay in ``rejected``: nobody knows to which split they belong.

        Raises
        ------
        InputError
            If there is no such column, or no such row.
        """
        if column not in self.columns:
            raise InputError(
                f"{self.source} has no column {column!r}, by which rows of {split!r} could be told; columns there: "
                f"{', '.join(map(repr, self.columns))}. Leave the split out to take all rows, or name another column "
                f"by split_column= (from Python).{did_you_mean(column, self.columns)}"
            )
        values = [str(row.get(column)) for row in self.rows]
        chosen = [i for i, value in enumerate(values) if value == split]
        if not chosen:
            there = list(dict.fromkeys(values))
            raise InputError(
                f"{self.source} has no split {split!r} in column {column!r}; splits there: "
                f"{', '.join(map(repr, there[:20]))}.{did_you_mean(split, there)}"
            )
        return dataclasses.replace(self.select(chosen), rejected=self.rejected)


def is_null(value: Any) -> bool:
    """Return whether a cell is ``None``, NaN, or pandas' NA or NaT.

    Examples
    --------
    >>> is_null(None), is_null(float("nan")), is_null("")
    (True, True, False)
    """
    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    return value is None or type(value).__name__ in {"NAType", "NaTType"}


def is_missing(value: Any) -> bool:
    """Return whether a cell is null, or text of nothing but white space.

    Examples
    --------
    >>> is_missing(" "), is_missing(0), is_missing([])
    (True, False, False)
    """
    return not value.strip() if isinstance(value, str) else is_null(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}{'…' if len(text) > 60 else ''} ({type(value).__name__})"
