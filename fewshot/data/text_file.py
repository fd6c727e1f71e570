"""Texts in one Arrow file that is mapped into memory: any row at once, and memory that does not grow with the rows."""

import bisect
import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from fewshot.core.errors import InputError

BATCH_ROWS = 2**13
BATCH_CHARACTERS = 2**22


def write_text_file(path: str | Path, chunks: Iterable[Sequence[str]]) -> int:
    """Write texts to a file that :class:`TextFile` opens, one batch in memory at a time.

    Parameters
    ----------
    path : str or Path
        It is written in place; give a temporary path to have it appear whole.
    chunks : iterable of sequence of str
        Texts in order, in chunks of any size. Lone surrogates cannot be written.

    Returns
    -------
    int
        How many texts were written.
    """
    import pyarrow as pa

    schema, n_texts = _schema(), 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for texts in _batches(chunks):
            writer.write_batch(pa.record_batch([pa.array(texts, schema.field(0).type)], schema=schema))
            n_texts += len(texts)
    return n_texts


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema([pa.field("text", pa.large_string())])


def _batches(chunks: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Regroup chunks of any size, so that neither a thousand tiny batches come out nor one of long texts only."""
    batch: list[str] = []
    size = 0
    for text in itertools.chain.from_iterable(chunks):
        batch.append(text)
        size += len(text)
        if len(batch) == BATCH_ROWS or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class TextFile(Sequence[str]):
    """A read-only sequence of the texts in a file of :func:`write_text_file`.

    Parameters
    ----------
    path : str or Path
        The file must not change while it is open.

    Raises
    ------
    InputError
        If it is no such file, or a damaged one. Every offset and sign is checked, at about a gigabyte a second.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "texts.arrow"
    >>> write_text_file(path, [["a", "b"], ["c"]])
    3
    >>> texts = TextFile(path)
    >>> len(texts), texts[-1], texts[:2], texts.take([2, 0])
    (3, 'c', ['a', 'b'], ['c', 'a'])
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._columns = _map_columns(self.path)
        self._starts = [0, *itertools.accumulate(map(len, self._columns))]

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._at(row) for row in range(*index.indices(len(self)))]
        row = operator.index(index)
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} texts")
        return self._at(row % len(self))

    def __iter__(self) -> Iterator[str]:
        for column in self._columns:
            yield from column.to_pylist()

    def take(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Return the texts at ``rows``, in that order; a row may come twice.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        return [self[row] for row in np.asarray(rows, dtype=np.int64).tolist()]

    def _at(self, row: int) -> str:
        batch = bisect.bisect_right(self._starts, row) - 1
        return self._columns[batch][row - self._starts[batch]].as_py()


def _map_columns(path: Path) -> list[Any]:
    import pyarrow as pa

    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if reader.schema != _schema():
            raise pa.ArrowInvalid(f"it holds {', '.join(map(repr, reader.schema.names))}, not one column 'text'")
        columns = [reader.get_batch(i).column(0) for i in range(reader.num_record_batches)]
        for column in columns:
            column.validate(full=True)  # a hostile offset would read beyond the file
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"file {str(path)!r} is not a whole file of texts ({error}); write it again") from None
    if any(column.null_count or not len(column) for column in columns):
        raise InputError(f"file {str(path)!r} holds nulls or empty batches, so it is not ours; write it again")
    return columns
