"""Tables on the terminal: the few shapes that verbs print."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def print_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, title: str | None = None) -> None:
    """Print rows on standard output.

    Parameters
    ----------
    rows : sequence of mapping
    columns : mapping of str to str
        Key in a row → heading.
    title : str, optional
    """
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for key, heading in columns.items():
        numeric = all(not isinstance(row.get(key), str) or _begins_with_digit(row[key]) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in columns))
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, highlight=False).print(table)


def percent(mean: float | None, sd: float | None = None) -> str:
    """Return a share as percent with its standard deviation.

    Examples
    --------
    >>> percent(0.8512, 0.011), percent(0.5), percent(None)
    ('85.1 ± 1.1', '50.0', '')
    """
    if mean is None:
        return ""
    return f"{100 * mean:.1f}" + ("" if sd is None else f" ± {100 * sd:.1f}")


def _begins_with_digit(text: str) -> bool:
    return text.lstrip("*~ ")[:1].isdigit()  # scores may be marked as the best, or as near it


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
