"""Whatever holds unlabelled texts → chunks of texts, in constant memory where the source allows it.

What a row is, is left to ``row_streams``; which texts are worth keeping, to ``pool``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.row_streams import Broken, ColumnWatch, Row, check_column, check_text_file, stream_rows
from fewshot.data.sources import is_a, read_source
from fewshot.data.tables import Table, is_null
from fewshot.data.texts import TextData

CHUNK_ROWS = 10_000
MAX_CHUNK_CHARACTERS = 2**24
"""A chunk ends here even if it has fewer rows than asked for: 10,000 books are more than memory holds."""

MAX_EXAMPLES = 20
_DATASET_ROWS = 1_000


class TextStream:
    """Chunks of texts, with an account of what could not be read. Iterate over it.

    Parameters
    ----------
    rows : callable
        Gives an iterator of numbered cells, see :data:`~fewshot.data.row_streams.Row`.
    source : str
        Name for messages.
    unit : {"line", "row"}
        What the numbers count.
    chunk_rows : int, default 10,000

    Attributes
    ----------
    n_rows, n_broken : int
        Rows read so far, the broken ones among them included, and those that could not be read.
    broken : list of str
        The first 20 of these with line or row number and reason.

    Examples
    --------
    >>> stream = TextStream(lambda: iter([(1, "a"), (2, ["b"]), (3, None)]), "memory")
    >>> list(stream), stream.n_rows, stream.broken
    ([['a', '']], 3, ['row 2: a text must be a string, got list'])
    """

    def __init__(
        self, rows: Callable[[], Iterator[Row]], source: str, *, unit: str = "row", chunk_rows: int = CHUNK_ROWS
    ) -> None:
        if isinstance(chunk_rows, bool) or not isinstance(chunk_rows, int) or chunk_rows < 1:
            raise InputError(f"chunk_rows must be a positive integer, got {chunk_rows!r}")
        self.source = source
        self.n_rows = self.n_broken = 0
        self.broken: list[str] = []
        self._rows, self._unit, self._chunk_rows = rows, unit, chunk_rows

    def __iter__(self) -> Iterator[list[str]]:
        self.n_rows = self.n_broken = 0
        self.broken = []
        texts: list[str] = []
        size = 0
        for number, cell in self._rows():
            self.n_rows += 1
            text = cell if type(cell) is str else self._text_of(number, cell)
            if text is None:
                continue
            texts.append(text)
            size += len(text)
            if len(texts) == self._chunk_rows or size >= MAX_CHUNK_CHARACTERS:
                yield texts
                texts, size = [], 0
        if texts:
            yield texts

    def _text_of(self, number: int, cell: Any) -> str | None:
        if isinstance(cell, str):
            return str(cell)
        if not isinstance(cell, Broken):
            if is_null(cell):
                return ""
            if not isinstance(cell, Iterable):
                return str(cell)
            cell = Broken(f"a text must be a string, got {type(cell).__name__}")
        self.n_broken += 1
        if len(self.broken) < MAX_EXAMPLES:
            self.broken.append(f"{self._unit} {number}: {cell.reason}")
        return None


def stream_texts(
    path: str | Path, column: str = "text", *, chunk_rows: int = CHUNK_ROWS, encoding: str = "utf-8"
) -> TextStream:
    r"""Read one column of a file of any size, a chunk at a time.

    Parameters
    ----------
    path : str or Path
        A ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson``, ``.json`` (a list of objects; an object of columns is read
        whole) or ``.parquet`` file, a ``.txt`` of one text a line, or one of these with ``.gz`` (Parquet is unpacked to
        the temporary folder).
    column : str, default "text"
        Not asked for in a ``.txt``.
    chunk_rows : int, default 10,000
        Texts in a chunk at most; a chunk of long texts ends at 16 million characters.
    encoding : str, default "utf-8"
        Of the text formats. A byte-order mark is skipped.

    Returns
    -------
    TextStream
        Iterating over it gives lists of texts as they are written, in order; null cells give empty texts. Each
        iteration reads the file anew. Rows with a wrong number of fields, an open quote, no JSON, no object, no text in
        the cell, or more than 16 million characters are left out, counted in ``n_broken`` and named in ``broken``.

    Raises
    ------
    SourceNotFoundError
        If the file is not there.
    InputError
        At once if it is a folder, binary, or of another format; while reading if it has no such column, or is not
        of this encoding or torn.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.jsonl"
    >>> _ = path.write_text('{"text": "good"}\n{"text": \n{"text": "bad"}\n')
    >>> stream = stream_texts(path)
    >>> list(stream), stream.n_broken, stream.broken[0][:22]
    ([['good', 'bad']], 1, 'line 2: not valid JSON')
    """
    path = Path(path)
    check_text_file(path, encoding)
    unit = "row" if path.name.lower().removesuffix(".gz").endswith((".json", ".parquet")) else "line"
    return TextStream(
        lambda: stream_rows(path, column, encoding), f"file {str(path)!r}", unit=unit, chunk_rows=chunk_rows
    )


def stream_source(source: Any, column: str = "text", *, encoding: str = "utf-8") -> TextStream:
    """Read the texts of any source that :func:`~fewshot.data.pool.open_pool` takes; see there.

    Examples
    --------
    >>> list(stream_source(["a", {"text": "b"}, None]))
    [['a', 'b', '']]
    """
    if isinstance(source, (str, Path)):
        return _stream_named(source, column, encoding)
    name = type(source).__name__
    if isinstance(source, TextData):
        return TextStream(lambda: enumerate(source.texts, start=1), source.source)
    if isinstance(source, Table):
        return _stream_table(source, column)
    if is_a(source, "pandas", "DataFrame"):
        return TextStream(lambda: _frame_rows(source, column), name)
    if is_a(source, "datasets", "Dataset"):
        return TextStream(lambda: _dataset_rows(source, column), name)
    if isinstance(source, (Mapping, set, frozenset, bytes)) or not isinstance(source, Iterable):
        raise InputError(
            f"source must be a path, 'hub:NAME', a list or another iterable of texts or of dicts, a DataFrame or a "
            f"Dataset, got {name}{_advice(source)}"
        )
    return TextStream(lambda: _item_rows(source, column, name), name)


def _stream_named(source: str | Path, column: str, encoding: str) -> TextStream:
    if isinstance(source, Path) or Path(source).exists():
        return stream_texts(source, column, encoding=encoding)
    return _stream_table(read_source(source, encoding=encoding), column)  # the Hub, or FILE:SPLIT


def _advice(source: Any) -> str:
    if isinstance(source, (set, frozenset)):
        return ", which has no order; pass sorted(source)"
    if is_a(source, "datasets", "DatasetDict"):
        return f"; choose one of its splits: {', '.join(map(repr, source))}"
    return "; pass the list of its texts" if isinstance(source, Mapping) else ""


def _stream_table(table: Table, column: str) -> TextStream:
    check_column(column, list(table.columns), table.source)
    cells = (
        Broken(table.rejected[number]) if number in table.rejected else row.get(column)
        for row, number in zip(table.rows, table.numbers, strict=True)
    )
    return TextStream(lambda: enumerate(cells, start=1), table.source)


def _frame_rows(frame: Any, column: str) -> Iterator[Row]:
    names = [str(name) for name in frame.columns]
    check_column(column, names, type(frame).__name__)
    return enumerate(frame.iloc[:, names.index(column)], start=1)


def _dataset_rows(dataset: Any, column: str) -> Iterator[Row]:
    check_column(column, dataset.column_names, type(dataset).__name__)
    texts = dataset.with_format(None).select_columns([column])
    slices = (texts[start : start + _DATASET_ROWS][column] for start in range(0, len(texts), _DATASET_ROWS))
    return enumerate((cell for cells in slices for cell in cells), start=1)


def _item_rows(items: Iterable[Any], column: str, source: str) -> Iterator[Row]:
    watch = ColumnWatch(column, source)
    for number, item in enumerate(items, start=1):
        if isinstance(item, Mapping):
            yield number, watch.cell(item)
        elif isinstance(item, str) or is_null(item):
            yield number, item
        else:
            yield number, Broken(f"a text must be a string, got {type(item).__name__}")
    watch.check()
