"""A file of any size and format → its rows, with all their columns."""

from pathlib import Path

from fewshot.core.errors import InputError
from fewshot.data.delimited_rows import DelimitedRows
from fewshot.data.formats import format_of
from fewshot.data.json_rows import JsonRows
from fewshot.data.line_rows import LineRows
from fewshot.data.parquet_rows import ParquetRows
from fewshot.data.readers import explained
from fewshot.data.row_sources import RowSource
from fewshot.data.row_streams import check_text_file, undecodable


def open_rows(path: str | Path, *, encoding: str = "utf-8", typed: bool = False) -> RowSource:
    r"""Open a file for reading all its rows, whatever their number.

    Parameters
    ----------
    path : str or Path
        CSV, TSV, JSONL, JSON, Parquet or ``.txt`` of one text a line, each also gzipped (then Parquet is unpacked to
        the temporary folder). JSON files are read through once here, as any row may have columns of its own; an object
        of columns is read whole.
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
            if form == "lines":
                return LineRows(path, encoding)
            return DelimitedRows(path, encoding) if form in ("csv", "tsv") else JsonRows(path, encoding, typed)
        except UnicodeDecodeError as error:
            raise InputError(undecodable(path, error.encoding, encoding)) from None
