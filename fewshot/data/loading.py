"""Load texts and labels from any source: choose the columns, read the cells, say which rows were left out.

Sources are read by ``sources``, label cells by ``cells``; empty and doubled texts are left to ``cleaning``.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.cells import LabelColumn, holds_lists, listed, read_label_map
from fewshot.data.sources import read_source
from fewshot.data.tables import Table, is_missing, is_null
from fewshot.data.texts import Label, TextData

GITHUB_TEXT = ("title", "body")


def load_texts(
    source: Any,
    *,
    text: str | Sequence[str] = "text",
    label: str | None = None,
    label_separator: str = "|",
    empty_labels: str | None = None,
    split: str | None = None,
    split_column: str = "split",
    multi_label: bool | None = None,
    label_map: Mapping[Any, Label] | str | Path | None = None,
    encoding: str = "utf-8",
    max_rows: int | None = None,
) -> TextData:
    """Load texts, with labels where there are any.

    Parameters
    ----------
    source : str, Path, DataFrame, Dataset, DatasetDict, list of dict, Table or TextData
        A CSV, TSV, JSONL, JSON or Parquet file, or a ``.txt`` of one text a line, each also gzipped; ``"FILE:SPLIT"``;
        ``"hub:NAME"`` or ``"hub:NAME:SPLIT"`` for a data set of the Hugging Face Hub; or rows in memory. ``TextData``
        is returned as it is. A list of issues as GitHub's API gives it needs no settings: title and body become the
        text, label objects their names, pull requests are rejected.
    text : str or sequence of str, default "text"
        Column of the text. Several are joined by an empty line, leaving out what is null.
    label : str, optional
        Column of the label. By default ``label``, else ``labels``, else all rows are unlabeled.
    label_separator : str, default "|"
        Between labels in one cell of multi-label data, unless the cell is a list as JSON or Python writes it. In a
        single-label cell it is an error, unless ``""``.
    empty_labels : {"unlabeled", "none"}, optional
        What an entry without labels means in multi-label data. By default an empty list means that none applies,
        ``()``, and an empty cell *unlabeled*, ``None``; this makes both the one or the other. A null in JSON or
        Parquet is always unlabeled.
    split : str, optional
        Take only this split: of a DatasetDict or Hub data set by name, else the rows that hold it in
        ``split_column``.
    split_column : str, default "split"
        See ``split``.
    multi_label : bool, optional
        By default, whether the column is called ``labels`` or holds lists.
    label_map : mapping or path of a JSON file, optional
        Raw name → class name, many to one. A label that is not in it is dropped, which leaves a single-label row
        unlabeled and a multi-label row perhaps with an empty list.
    encoding : str, default "utf-8"
        Of text files.
    max_rows : int, optional
        Load at most so many rows.

    Returns
    -------
    TextData
        In the order of the source. ``rows`` are source row numbers, from 0; ``rejected`` names the rows that could
        not be used. Labels stay strings or integers as they were (in CSV and TSV, strings).

    Raises
    ------
    SourceNotFoundError
        If the file or data set is not there, or the Hub cannot be reached.
    InputError
        If a column, split, encoding, label or the file itself cannot be used.

    Warns
    -----
    DataWarning
        If two labels differ only by case or spaces.

    Examples
    --------
    >>> data = load_texts([{"text": "good", "label": "pos"}, {"text": "hm", "label": None}])
    >>> data.texts, data.labels
    (['good', 'hm'], ['pos', None])
    """
    if isinstance(source, TextData):
        return source
    if empty_labels not in (None, "unlabeled", "none"):
        raise InputError(f"empty_labels must be 'unlabeled', 'none' or None, got {empty_labels!r}")
    table = read_source(source, split=split, split_column=split_column, encoding=encoding, max_rows=max_rows)
    columns = text_columns(table, text)
    label = _label_column(table, label)
    if label in columns:
        raise InputError(f"text and label both name the column {label!r} of {table.source}; each needs its own")
    table, rejected = _without_rejected(table)
    cells = [None if label is None else listed(row.get(label)) for row in table.rows]
    if multi_label is None:
        multi_label = label == "labels" or holds_lists(cells)
    column = LabelColumn(
        f"{table.source}, column {label!r}", multi_label, label_separator, empty_labels, read_label_map(label_map)
    )
    texts = [
        text_of_cells([row.get(name) for name in columns], f"{table.source}, row {number}")
        for row, number in _numbered(table)
    ]
    labels = column.read(cells, rows=table.numbers) if label is not None else cells
    return TextData(texts, labels, multi_label, list(table.numbers), source=table.source, rejected=rejected)


def text_columns(table: Table, text: str | Sequence[str]) -> tuple[str, ...]:
    """Return the columns that make up the text: those named, the only one, or title and body of GitHub's issues.

    Raises
    ------
    InputError
        If one is not there, or none is named.

    Examples
    --------
    >>> text_columns(Table(("title", "body"), [], [], "memory"), "text")
    ('title', 'body')
    """
    if not table.is_named:
        return table.columns
    if text == "text" and is_github(table):
        return GITHUB_TEXT
    columns = (text,) if isinstance(text, str) else tuple(text)
    if not columns:
        raise InputError("text must name at least one column, got none")
    for column in columns:
        table.check_column(column, argument="text")
    return columns


def _label_column(table: Table, label: str | None) -> str | None:
    if label is not None:
        table.check_column(label, argument="label")
        return label
    return next((name for name in ("label", "labels") if name in table.columns), None)


def is_github(table: Table) -> bool:
    """Return whether the columns are those of issues as GitHub's API gives them."""
    return "text" not in table.columns and set(GITHUB_TEXT) <= set(table.columns)


def _without_rejected(table: Table) -> tuple[Table, list[tuple[int, str]]]:
    """Leave out malformed rows and, among GitHub's issues, pull requests."""
    reasons = dict(table.rejected)
    if is_github(table):
        requests = (number for row, number in _numbered(table) if not is_missing(row.get("pull_request")))
        reasons = {**dict.fromkeys(requests, "pull request"), **reasons}
    if not reasons:
        return table, []
    kept = table.select(i for i, number in enumerate(table.numbers) if number not in reasons)
    if not kept.rows:
        row, reason = min(reasons.items())
        raise InputError(f"{table.source} has no row that can be used; row {row}, for one: {reason}")
    return kept, sorted(reasons.items())


def _numbered(table: Table) -> Iterable[tuple[dict[str, Any], int]]:
    return zip(table.rows, table.numbers, strict=True)


def text_of_cells(cells: Sequence[Any], where: str) -> str:
    r"""Return the text of one row: its cells joined by an empty line, leaving out what is null.

    Parameters
    ----------
    cells : sequence
        One a text column.
    where : str
        Source and row, for messages.

    Raises
    ------
    InputError
        If a cell is a list or an object.

    Examples
    --------
    >>> text_of_cells(["Title", None], "row 1"), text_of_cells(["Title", 5], "row 2")
    ('Title', 'Title\n\n5')
    """
    skipped = is_null if len(cells) == 1 else is_missing
    return "\n\n".join(_string(cell, where) for cell in cells if not skipped(cell))


def _string(cell: Any, where: str) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, (list, tuple, dict, set, bytes)):
        raise InputError(f"{where}: a text must be a string, got {type(cell).__name__}; choose another text column")
    return str(cell)
