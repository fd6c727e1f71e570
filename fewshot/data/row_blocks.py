"""Rows on their way through a program: blocks with all their columns, cut so that no block spans two shards.

Where a block ends depends on the rows alone, never on who reads them or which shards are wanted, so that whatever is
computed block by block comes out the same however often the work is begun again or shared out.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fewshot.data.record_spans import SpanColumn

BLOCK_ROWS = 10_000
BLOCK_CHARACTERS = 2**24
"""A block ends here even if it has fewer rows: 10,000 books are more than memory holds."""

Chunk = tuple[Any, dict[int, str], int]
"""Rows as a reader finds them (a list or an Arrow table, or a range where they were skipped), why some of them cannot
be read, by their place in the chunk, and how many characters they have."""


@dataclasses.dataclass(frozen=True)
class RowBlock:
    """Some rows of a source, in order.

    Parameters
    ----------
    shard : int
        Which shard they belong to, from 0.
    start : int
        Number of the first row in the source, from 0.
    columns : dict of str to sequence
        The cells of each column: a list, an Arrow array where the source has types of its own, or places in a text.
    broken : dict of int to str
        Places in the block, from 0, of rows that could not be read, with the reason. They stand in ``columns`` all the
        same, as far as there is anything.

    Examples
    --------
    >>> block = RowBlock(0, 0, {"text": ["a", "b"]}, {})
    >>> len(block), block.cells("text")
    (2, ['a', 'b'])
    """

    shard: int
    start: int
    columns: dict[str, Sequence[Any]]
    broken: dict[int, str]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def cells(self, name: str) -> list[Any]:
        """Return the cells of a column as Python's own values."""
        return listed(self.columns[name])


def listed(cells: Sequence[Any]) -> list[Any]:
    r"""Return cells as Python's own values; bytes of an Arrow array that are no text become half surrogate pairs.

    Examples
    --------
    >>> import pyarrow as pa
    >>> listed(pa.array([b"a", b"caf\xe9"]).cast(pa.string(), safe=False))
    ['a', 'caf\udce9']
    """
    if isinstance(cells, list):
        return cells
    if isinstance(cells, SpanColumn):
        return cells.cells
    array: Any = cells
    try:
        return list(array.to_pylist())
    except UnicodeDecodeError:
        import pyarrow as pa

        found = array.cast(pa.large_binary()).to_pylist()
        return [None if cell is None else cell.decode("utf-8", "surrogateescape") for cell in found]


def cut(
    chunks: Iterable[Chunk], rows_per_shard: int, joined: Callable[[list[Any]], Any]
) -> Iterator[tuple[int, int, Any, dict[int, str]]]:
    """Regroup rows into blocks of at most 10,000 rows, about 16 million characters, and one shard.

    Parameters
    ----------
    chunks : iterable of Chunk
        Of any sizes.
    rows_per_shard : int
    joined : callable
        Makes one of several pieces of rows.

    Yields
    ------
    (int, int, object, dict)
        Shard, number of the first row, rows, and why some of them are broken, by their place.

    Examples
    --------
    >>> chunks = [([1, 2, 3], {}, 3), ([4, 5], {1: "odd"}, 2)]
    >>> list(cut(chunks, 2, lambda parts: sum(parts, [])))
    [(0, 0, [1, 2], {}), (1, 2, [3, 4], {}), (2, 4, [5], {0: 'odd'})]
    """
    pieces: list[Any] = []
    broken: dict[int, str] = {}
    start = n = size = 0

    def block() -> tuple[int, int, Any, dict[int, str]]:
        why = {number - start: broken.pop(number) for number in sorted(broken) if number < start + n}
        return start // rows_per_shard, start, joined(pieces) if len(pieces) > 1 else pieces[0], why

    for rows, reasons, characters in chunks:
        broken |= {start + n + place: reason for place, reason in reasons.items()}
        at = 0
        while at < len(rows):
            room = min(BLOCK_ROWS - n, rows_per_shard - (start + n) % rows_per_shard)
            pieces.append(rows[at : at + room])
            n, at = n + len(pieces[-1]), at + room
            if n == BLOCK_ROWS or (start + n) % rows_per_shard == 0:
                yield block()
                pieces, start, n, size = [], start + n, 0, 0
        size += characters
        if n and size >= BLOCK_CHARACTERS:
            yield block()
            pieces, start, n, size = [], start + n, 0, 0
    if n:
        yield block()
