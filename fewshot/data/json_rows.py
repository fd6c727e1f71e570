"""Rows of JSONL and JSON, whose columns any row may add to: so they are read through once before."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.formats import format_of
from fewshot.data.json_array import JsonArray
from fewshot.data.readers import read_rows
from fewshot.data.row_blocks import Chunk
from fewshot.data.row_sources import RowSource
from fewshot.data.row_streams import Broken, json_value
from fewshot.data.text_records import MAX_RECORD, is_text, mended, read_line

_JsonRow = tuple[dict[str, Any], str, int]
"""A row, why it cannot be used (or the empty string), and about how long it is."""


def _object_of(value: Any) -> tuple[dict[str, Any], str]:
    if isinstance(value, dict):
        return value, ""
    return {}, value.reason if isinstance(
        value, Broken
    ) else f"expected an object such as {{'text': …}}, got {_shown(value)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}{'…' if len(text) > 60 else ''}"


class JsonRows(RowSource):
    """The rows of a JSONL file, or of a JSON file that holds a list of objects or an object of columns."""

    def __init__(self, path: Path, encoding: str, typed: bool) -> None:
        super().__init__(path, encoding)
        self._table: list[dict[str, Any]] | None = None
        columns: dict[str, None] = {}
        n_rows, types = 0, _Types(self.source) if typed else None
        for rows, _, _ in self._chunks(lambda first, n: True):
            columns.update(dict.fromkeys(itertools.chain.from_iterable(rows)))
            n_rows += len(rows)
            if types:
                types.learn(rows)
        if not n_rows:
            raise InputError(f"{self.source} is empty: it holds no rows of data")
        self.columns, self.n_rows = tuple(columns), n_rows
        self.schema = types and types.schema(self.columns)
        if not columns:
            raise InputError(f"{self.source} holds no row with columns; expected objects such as {{'text': …}}")

    def _chunks(self, wanted: Callable[[int, int], bool]) -> Iterator[Chunk]:
        return self._gathered(self._read())

    def _read(self) -> Iterator[_JsonRow]:
        if self._table is not None:
            return ((row, "", 0) for row in self._table)
        return self._lines() if format_of(self.path) == "jsonl" else self._elements()

    def _lines(self) -> Iterator[_JsonRow]:
        with self._open() as handle:
            while line := read_line(handle):
                if len(line) > MAX_RECORD:
                    yield {}, f"too long: a line of more than {MAX_RECORD:,} characters", 0
                elif not line.isspace():
                    clean = is_text(line)
                    row, reason = _object_of(json_value(line if clean else mended(line)))
                    yield row, reason if clean else self._not_text, len(line)

    def _elements(self) -> Iterator[_JsonRow]:
        with self._open() as handle:
            array = JsonArray(handle, self.source)
            opening = array.next_sign()
            if opening == "[":
                for value in array.elements():
                    row, reason = _object_of(value)
                    yield row, reason, sum(len(cell) for cell in row.values() if isinstance(cell, str))
        if opening and opening != "[":  # an object of columns, which cannot be read row by row, or a mistake
            self._table = read_rows(self.path, encoding=self.encoding).rows
            yield from ((row, "", 0) for row in self._table)

    def _columns_of(self, rows: Any) -> dict[str, Sequence[Any]]:
        return {name: [row.get(name) for row in rows] for name in self.columns}


class _Types:
    """What Arrow types the columns of rows have, learnt some rows at a time."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._fields: dict[str, Any] = {}

    def learn(self, rows: list[dict[str, Any]]) -> None:
        """Look at some rows more."""
        import pyarrow as pa

        for name in dict.fromkeys(itertools.chain.from_iterable(rows)):
            try:
                field = pa.field(name, pa.array([row.get(name) for row in rows]).type)
                known = [pa.schema([self._fields[name]])] if name in self._fields else []
                merged = pa.unify_schemas([*known, pa.schema([field])], promote_options="permissive")
            except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
                raise InputError(
                    f"{self._source}: column {name!r} cannot be written to Parquet ({error}); write .jsonl"
                ) from None
            self._fields[name] = merged.field(0)

    def schema(self, columns: Sequence[str]) -> Any:
        """Return the types of all columns."""
        import pyarrow as pa

        return pa.schema([self._fields[name] for name in columns])
