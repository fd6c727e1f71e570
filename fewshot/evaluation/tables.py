"""Tables as people read them: CSV files, Markdown, and numbers with as many digits as they deserve.

A table is a list of dicts; a value that is ``None`` or absent is an empty field.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.artifacts import write_text
from fewshot.evaluation.metrics import SCORES

Row = Mapping[str, Any]


def csv_line(values: Iterable[Any]) -> str:
    r"""Return one line of CSV, with its line end; ``None`` is empty.

    Examples
    --------
    >>> csv_line(["a,b", None, 0.5])
    '"a,b",,0.5\n'
    """
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)  # its own line end is \r\n; told of \n alone, it leaves \r unquoted
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def write_csv(path: str | Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write rows as CSV with exactly these columns, whole or not at all."""
    lines = [csv_line(columns), *(csv_line(row.get(name) for name in columns) for row in rows)]
    write_text(path, "".join(lines))


def format_value(value: Any) -> str:
    """Return a value for reading: three significant digits for a small float, none after the point for a large one.

    Examples
    --------
    >>> [format_value(value) for value in (None, 12, 0.123456, 12345.6, "knn")]
    ['', '12', '0.123', '12,346', 'knn']
    """
    if value is None:
        return ""
    if isinstance(value, (float, np.floating)):
        return f"{float(value):,.0f}" if abs(float(value)) >= 100 else f"{float(value):.3g}"
    return str(value)


def format_score(mean: float | None, sd: float | None = None) -> str:
    """Return a score from 0 to 1 in percent, with its standard deviation where there is one.

    Examples
    --------
    >>> format_score(0.8333, 0.012), format_score(0.8333), format_score(None)
    ('83.3 ± 1.2', '83.3', '')
    """
    if mean is None:
        return ""
    return f"{100 * mean:.1f}" if sd is None else f"{100 * mean:.1f} ± {100 * sd:.1f}"


def readable_summary(summary: Iterable[Row]) -> list[dict[str, str]]:
    """Turn the rows of ``summarize`` into text: a score and its sd share a column, columns empty everywhere go.

    Bands and verdicts go too: they are shown by marks, or in a table of their own.

    Examples
    --------
    >>> readable_summary([{"method": "knn", "pool": None, "accuracy_mean": 0.5, "accuracy_sd": 0.1}])
    [{'method': 'knn', 'accuracy': '50.0 ± 10.0'}]
    """
    table = [_readable_row(row) for row in summary]
    used = {name for row in table for name, value in row.items() if value}
    return [{name: value for name, value in row.items() if name in used} for row in table]


def _readable_row(row: Row) -> dict[str, str]:
    readable = {}
    for name, value in row.items():
        score = name.removesuffix("_mean")
        if score in SCORES:
            readable[score] = format_score(value, row.get(f"{score}_sd"))
        elif name.rpartition("_")[0] not in SCORES:
            readable[name] = format_value(value)
    return readable


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Return the column names of rows, in the order of their first appearance.

    Examples
    --------
    >>> columns_of([{"a": 1}, {"b": 2, "a": 3}])
    ['a', 'b']
    """
    return list(dict.fromkeys(name for row in rows for name in row))


def markdown_table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    r"""Return rows as a Markdown table, aligned for the terminal too; numbers stand right.

    Parameters
    ----------
    rows : sequence of mappings
        One a line.
    columns : sequence of str, optional
        Which columns, in which order; all by default.

    Returns
    -------
    str
        Lines without a final line end.

    Examples
    --------
    >>> print(markdown_table([{"method": "knn", "accuracy": 0.5}, {"method": "a|b"}], ["method", "accuracy"]))
    | method | accuracy |
    | ------ | -------: |
    | knn    |      0.5 |
    | a\|b   |          |
    """
    columns = columns_of(rows) if columns is None else columns
    cells = [[_markdown_cell(row.get(name)) for name in columns] for row in rows]
    heads = [_markdown_cell(name) for name in columns]
    widths = [max(3, *(len(line[i]) for line in [heads, *cells])) for i in range(len(columns))]
    right = [all(looks_numeric(row.get(name)) for row in rows) for name in columns]
    rule = ["-" * (width - 1) + ":" if stands else "-" * width for width, stands in zip(widths, right, strict=True)]
    return "\n".join(_markdown_line(line, widths, right) for line in [heads, rule, *cells])


def looks_numeric(value: Any) -> bool:
    """Whether a value is absent, a number, or text that begins as one (``"83.3 ± 1.2"``).

    Examples
    --------
    >>> [looks_numeric(value) for value in (None, 3, "83.3 ± 1.2", "12,346", "knn")]
    [True, True, True, True, False]
    """
    return value is None or value == "" or sort_value(value) is not None


def sort_value(value: Any) -> float | None:
    """Return the number by which a table sorts this value, ``None`` for what is no number."""
    try:
        return float(str(value).partition(" ± ")[0].replace(",", ""))
    except ValueError:
        return None


def _markdown_cell(value: Any) -> str:
    return " ".join(format_value(value).split()).replace("\\", "\\\\").replace("|", "\\|")


def _markdown_line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if stands else cell.ljust(width)
        for cell, width, stands in zip(cells, widths, right, strict=True)
    ]
    return f"| {' | '.join(padded)} |"
