"""Files of any size as blocks of rows with all their columns, in constant memory.

What can be known before the first row is read (columns, types, perhaps the number of rows) is found when a file is
opened; then :meth:`RowSource.blocks` gives its rows in order. Cells of one column alone are left to ``row_streams``,
whole tables to ``readers``.
"""

import contextlib
import csv
import functools
import gzip
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from fewshot.core.errors import InputError
from fewshot.data.delimited import checked_header
from fewshot.data.delimited_rows import CHUNK_CHARACTERS, delimited_chunks
from fewshot.data.formats import format_of
from fewshot.data.json_array import JsonArray
from fewshot.data.readers import called, explained, open_text, read_rows
from fewshot.data.row_blocks import BLOCK_ROWS, Chunk, RowBlock, cut
from fewshot.data.row_streams import Broken, check_text_file, json_value, seekable, undecodable
from fewshot.data.text_records import MAX_RECORD, RecordLines, delimited_records, is_text, mended, read_line

_PARQUET_ROWS = 2_000
_NOT_TEXT = "bytes that are not {}; if the whole file is of another encoding, name it by encoding= (--encoding)"


class RowSource(ABC):
    """The rows of a file. Made by :func:`open_rows`.

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

    @abstractmethod
    def _columns_of(self, rows: Any) -> dict[str, Sequence[Any]]:
        """Turn rows as they were read into columns."""

    def _joined(self, pieces: list[Any]) -> Any:
        return list(itertools.chain.from_iterable(pieces))

    def _open(self, newline: str | None = None) -> Any:
        return open_text(self.path, self.encoding, newline, errors="surrogateescape")


def open_rows(path: str | Path, *, encoding: str = "utf-8", typed: bool = False) -> RowSource:
    r"""Open a file for reading all its rows, whatever their number.

    Parameters
    ----------
    path : str or Path
        CSV, TSV, JSONL, JSON or Parquet, each also gzipped (then Parquet is unpacked to the temporary folder). JSON
        files are read through once here, as any row may have columns of its own; an object of columns is read whole.
    encoding : str, default "utf-8"
        Of the text formats. Rows with bytes that are not of it are given as broken, where the encoding allows it.
    typed : bool, default False
        Whether ``schema`` shall be known for JSON, too.

    Returns
    -------
    RowSource

    Raises
    ------
    SourceNotFoundError
        If the file is not there.
    InputError
        If it is a folder, of another format, binary, without rows or column names, with a column named twice; for
        JSON, where it is malformed, save for single lines of JSONL.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("id,text\n1,good\n2\n")
    >>> rows = open_rows(path)
    >>> rows.columns, [(block.columns, block.broken) for block in rows.blocks(100)]
    (('id', 'text'), [({'id': ['1', '2'], 'text': ['good', None]}, {1: '1 fields where the header has 2'})])
    """
    path = Path(path)
    check_text_file(path, encoding)
    form = format_of(path)
    with explained(path, encoding):
        if form == "parquet":
            return ParquetRows(path, encoding)
        try:
            return DelimitedRows(path, encoding) if form in ("csv", "tsv") else JsonRows(path, encoding, typed)
        except UnicodeDecodeError as error:
            raise InputError(undecodable(path, error.encoding, encoding)) from None


def _bytes_read(handle: Any) -> int:
    """Return how far the file below a text file was read, packed or not."""
    binary = handle.buffer
    return int((binary.fileobj if isinstance(binary, gzip.GzipFile) else binary).tell())


def _shards_of(first: int, n: int, rows_per_shard: int) -> range:
    return range(first // rows_per_shard, (first + n - 1) // rows_per_shard + 1)


class DelimitedRows(RowSource):
    """The rows of a CSV or TSV file; all cells are strings."""

    _DELIMITERS: ClassVar = {"csv": ",", "tsv": "\t"}

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, encoding)
        self._delimiter = self._DELIMITERS[format_of(path)]
        with self._open("") as handle:
            header = self._header(handle)
            if not is_text("".join(header)):
                raise InputError(f"{self.source}, line 1: {_NOT_TEXT.format(encoding)}")
            lines = iter(functools.partial(read_line, handle), "")
            if not any(line.strip("\r\n") for line in lines):
                raise InputError(f"{self.source} is empty: it holds no rows of data")
        self.columns = tuple(header)

    def _header(self, handle: Any) -> list[str]:
        _, header = next(delimited_records(RecordLines(handle), self._delimiter), (1, None))
        if isinstance(header, csv.Error):
            raise InputError(f"{self.source}, line 1: {header}; expected column names")
        return checked_header(header, self.source)

    def _chunks(self, wanted: Callable[[int, int], bool]) -> Iterator[Chunk]:
        with self._open("") as handle:
            self._header(handle)
            not_text = _NOT_TEXT.format(self.encoding)
            for chunk in delimited_chunks(handle, self._delimiter, len(self.columns), not_text):
                self.position = _bytes_read(handle)
                yield chunk

    def _columns_of(self, rows: Any) -> dict[str, Sequence[Any]]:
        return dict(zip(self.columns, map(list, zip(*rows, strict=True)), strict=True))


_JsonRow = tuple[dict[str, Any], str, int]
"""A row, why it cannot be used (or the empty string), and about how long it is."""


def _object_of(value: Any) -> tuple[dict[str, Any], str]:
    if isinstance(value, dict):
        return value, ""
    return {}, value.reason if isinstance(value, Broken) else f"expected an object such as {{'text': …}}, got {_shown(value)}"


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
        rows: list[dict[str, Any]] = []
        broken: dict[int, str] = {}
        size = n_rows = 0
        for row, reason, characters in self._read():
            if reason:
                broken[len(rows)] = reason
            rows.append(row)
            size += characters
            if len(rows) == BLOCK_ROWS or size >= CHUNK_CHARACTERS:
                n_rows += len(rows)
                self.position = n_rows
                yield rows, broken, size
                rows, broken, size = [], {}, 0
        if rows:
            yield rows, broken, size

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
                    yield row, reason if clean else _NOT_TEXT.format(self.encoding), len(line)

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


class ParquetRows(RowSource):
    """The rows of a Parquet file; cells stay Arrow arrays. Row groups of which nothing is wanted are not read."""

    n_rows: int

    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, encoding)
        with self._file() as file:
            self.schema, self.n_rows = file.schema_arrow, file.metadata.num_rows
        self.columns = tuple(checked_header(list(self.schema.names) or None, self.source))
        if not self.n_rows:
            raise InputError(f"{self.source} is empty: it holds no rows of data")

    @contextlib.contextmanager
    def _file(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with seekable(self.path) as handle:
            try:  # pages at a time: a row group may hold millions of rows
                yield pq.ParquetFile(handle, pre_buffer=False, buffer_size=2**20)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{self.source} is not a Parquet file that can be read: {error}") from None

    def _chunks(self, wanted: Callable[[int, int], bool]) -> Iterator[Chunk]:
        import pyarrow as pa

        with self._file() as file:
            first = 0
            for group in range(file.num_row_groups):
                n = file.metadata.row_group(group).num_rows
                if n and not wanted(first, n):
                    yield range(n), {}, 0
                elif n:
                    for batch in file.iter_batches(batch_size=_PARQUET_ROWS, row_groups=[group]):
                        yield pa.Table.from_batches([batch]), {}, batch.nbytes
                first += n
                self.position = first

    def _joined(self, pieces: list[Any]) -> Any:
        import pyarrow as pa

        # Row groups are skipped whole, so that a block of which a part was skipped is not wanted.
        skipped = any(isinstance(piece, range) for piece in pieces)
        return range(sum(map(len, pieces))) if skipped else pa.concat_tables(pieces)

    def _columns_of(self, rows: Any) -> dict[str, Sequence[Any]]:
        return dict(zip(self.columns, rows.columns, strict=True))
