"""Rows of Parquet, as Arrow arrays; row groups of which nothing is wanted are not read."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.delimited import checked_header
from fewshot.data.row_blocks import Chunk
from fewshot.data.row_sources import RowSource
from fewshot.data.row_streams import seekable

_PARQUET_ROWS = 2_000


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
