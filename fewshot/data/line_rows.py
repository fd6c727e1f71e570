"""Rows of a file without columns, each line of which is a text."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.readers import TEXT_COLUMN
from fewshot.data.row_blocks import Chunk
from fewshot.data.row_sources import RowSource
from fewshot.data.text_records import MAX_RECORD, is_text, mended, read_line


class LineRows(RowSource):
    """The lines of a file that are not empty; they are counted first."""

    columns = TEXT_COLUMN
    is_named = False

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, encoding)
        self.n_rows = sum(1 for _ in self._lines())
        if not self.n_rows:
            raise InputError(f"{self.source} is empty: it holds no rows of data")

    def _chunks(self, wanted: Callable[[int, int], bool]) -> Iterator[Chunk]:
        return self._gathered(map(self._row, self._lines()))

    def _row(self, line: str) -> tuple[str | None, str, int]:
        if len(line) > MAX_RECORD:
            return None, f"too long: a line of more than {MAX_RECORD:,} characters", 0
        text = line.rstrip("\n")
        return (text, "", len(line)) if is_text(line) else (mended(text), self._not_text, len(line))

    def _lines(self) -> Iterator[str]:
        with self._open() as handle:
            while line := read_line(handle):
                if not line.isspace():
                    yield line

    def _columns_of(self, rows: Any) -> dict[str, Sequence[Any]]:
        return {TEXT_COLUMN[0]: rows}
