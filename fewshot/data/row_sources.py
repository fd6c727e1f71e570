"""What every file of rows promises: its columns before a row is read, and its rows in blocks, in constant memory.

Formats fill in how chunks of rows are read: ``delimited_rows``, ``json_rows``, ``line_rows``, ``parquet_rows``. Cells
of one column alone are left to ``row_streams``, whole tables to ``readers``.
"""

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.readers import called, explained, open_text
from fewshot.data.row_blocks import BLOCK_ROWS, Chunk, RowBlock, cut
from fewshot.data.row_streams import undecodable

_CHUNK_CHARACTERS = 2**20

NOT_TEXT = "bytes that are not {}; if the whole file is of another encoding, name it by encoding= (--encoding)"


class RowSource(ABC):
    """The rows of a file. Made by :func:`~fewshot.data.row_files.open_rows`.

    Parameters
    ----------
    path : Path
    encoding : str

    Attributes
    ----------
    source : str
        Name for messages.
    columns : tuple of str
        In the order of their first appearance.
    is_named : bool
        Whether the file names its columns; else there is one, the text.
    n_rows : int or None
        How many rows there are; ``None`` where only reading them tells.
    n_read : int
        Rows read so far, those passed over included.
    schema : pyarrow.Schema or None
        Types of the columns, where the file has types, or where they were asked for.
    size, position : int
        How long the file is, and how far it was read: in rows where ``n_rows`` is known, else in bytes.
    """

    columns: tuple[str, ...]
    is_named = True
    schema: Any = None
    n_rows: int | None = None

    def __init__(self, path: Path, encoding: str) -> None:
        self.path, self.encoding = path, encoding
        self.source = called(path)
        self.n_read = self.position = 0

    @property
    def size(self) -> int:
        """Of the whole file; see the class."""
        return self.path.stat().st_size if self.n_rows is None else self.n_rows

    def blocks(self, rows_per_shard: int, wanted: Callable[[int], bool] = lambda shard: True) -> Iterator[RowBlock]:
        """Read the file from its beginning.

        Parameters
        ----------
        rows_per_shard : int
            No block spans two shards of so many rows.
        wanted : callable, optional
            Tells by its number, once a shard and in order, whether a shard's blocks shall be made. What is not wanted
            is only passed over.

        Yields
        ------
        RowBlock

        Raises
        ------
        InputError
            If the file cannot be decoded or unpacked to its end.
        """
        wanted = functools.cache(wanted)
        self.n_read = self.position = 0
        with explained(self.path, self.encoding):
            try:
                chunks = self._chunks(lambda first, n: any(map(wanted, _shards_of(first, n, rows_per_shard))))
                for shard, start, rows, broken in cut(chunks, rows_per_shard, self._joined):
                    self.n_read = start + len(rows)
                    if wanted(shard):
                        yield RowBlock(shard, start, self._columns_of(rows), broken)
            except UnicodeDecodeError as error:
                raise InputError(undecodable(self.path, error.encoding, self.encoding)) from None
        self.position = self.size

    @abstractmethod
    def _chunks(self, wanted: Callable[[int, int], bool]) -> Iterator[Chunk]:
        """Give the rows; ``wanted(first, n)`` says whether any of ``n`` rows from number ``first`` on are wanted."""

    def _gathered(self, rows: Iterable[tuple[Any, str, int]]) -> Iterator[Chunk]:
        """Give rows that come one by one, each with why it cannot be used (or "") and how long it is, in chunks."""
        chunk: list[Any] = []
        broken: dict[int, str] = {}
        size = n_rows = 0
        for row, reason, characters in rows:
            if reason:
                broken[len(chunk)] = reason
            chunk.append(row)
            size += characters
            if len(chunk) == BLOCK_ROWS or size >= _CHUNK_CHARACTERS:
                n_rows += len(chunk)
                self.position = n_rows
                yield chunk, broken, size
                chunk, broken, size = [], {}, 0
        if chunk:
            yield chunk, broken, size

    @abstractmethod
    def _columns_of(self, rows: Any) -> dict[str, Sequence[Any]]:
        """Turn rows as they were read into columns."""

    def _joined(self, pieces: list[Any]) -> Any:
        return list(itertools.chain.from_iterable(pieces))

    @property
    def _not_text(self) -> str:
        """What to say of a row with bytes that are no text."""
        return NOT_TEXT.format(self.encoding)

    def _open(self, newline: str | None = None) -> Any:
        return open_text(self.path, self.encoding, newline, errors="surrogateescape")


def _shards_of(first: int, n: int, rows_per_shard: int) -> range:
    return range(first // rows_per_shard, (first + n - 1) // rows_per_shard + 1)
