"""Rows to files: CSV, TSV, JSONL, JSON and Parquet, each also gzipped, whole or not at all.

Rows that do not fit into memory are left to ``row_writers``.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import atomic_path
from fewshot.core.errors import InputError
from fewshot.data.formats import written_format
from fewshot.data.row_writers import Layout

Rows = Sequence[Mapping[str, Any]]


def write_rows(
    path: str | Path,
    rows: Rows,
    *,
    columns: Sequence[str] | None = None,
    label_separator: str = "|",
    joined: Collection[str] = ("label", "labels"),
) -> None:
    """Write rows in the format that the file name says.

    Parameters
    ----------
    path : str or Path
        Ends in ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson``, ``.json`` or ``.parquet``, perhaps with ``.gz``. A file
        that stood there is replaced when the new one is whole.
    rows : sequence of dict
        Missing keys are written as empty or null.
    columns : sequence of str, optional
        Columns and their order; by default all, in the order of their first appearance.
    label_separator : str, default "|"
        Between the labels of one cell in CSV and TSV.
    joined : collection of str, default ("label", "labels")
        Columns whose lists are joined so. Lists elsewhere, and objects, are written as JSON in the cell.

    Raises
    ------
    InputError
        If there is nothing to write, the suffix is unknown, a label that must be joined contains the separator, or
        Parquet cannot hold a column's mixed types.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> write_rows(path, [{"text": "good, really", "labels": ["a", "b"]}])
    >>> print(path.read_text().strip())
    text,labels
    "good, really",a|b
    """
    written_format(path)
    names = list(dict.fromkeys(name for row in rows for name in row)) if columns is None else list(columns)
    if not names:
        raise InputError(f"rows for {str(path)!r} hold no columns; there is nothing to write")
    layout = Layout(path, names, separator=label_separator, joined=joined)
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as raw,
        layout.opened(raw, whole=True) as writer,
    ):
        if rows or layout.form == "parquet":
            writer.write({name: [row.get(name) for row in rows] for name in names})
