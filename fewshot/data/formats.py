"""File formats: which suffix means which, and how the bytes below a ``.gz`` are reached.

Parsing is left to ``readers``, writing to ``writers``.
"""

import gzip
from pathlib import Path
from typing import IO, cast

from fewshot.core.errors import InputError

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "lines",
}


def format_of(path: str | Path) -> str:
    """Return the format that a file name says: csv, tsv, jsonl, json, parquet or lines.

    Raises
    ------
    InputError
        If the suffix is none of those, with or without ``.gz``.

    Examples
    --------
    >>> format_of("pool.ndjson.gz")
    'jsonl'
    """
    inner = Path(Path(path).name.lower().removesuffix(".gz"))
    if inner.suffix not in FORMATS:
        raise InputError(
            f"file {str(path)!r} has the suffix {Path(path).suffix!r}; expected one of {', '.join(FORMATS)}, "
            "each also with .gz; rename or convert it"
        )
    return FORMATS[inner.suffix]


def written_format(path: str | Path) -> str:
    """Return the format that the name of a file to be written says, as :func:`format_of`.

    Raises
    ------
    InputError
        If it has no columns, or is none of those formats.

    Examples
    --------
    >>> written_format("labelled.tsv")
    'tsv'
    """
    if format_of(path) == "lines":
        raise InputError(
            f"file {str(path)!r} would be lines of text without columns; write one of "
            f"{', '.join(suffix for suffix in FORMATS if FORMATS[suffix] != 'lines')}"
        )
    return format_of(path)


def is_gzipped(path: str | Path) -> bool:
    """Return whether a file name ends in ``.gz``.

    Examples
    --------
    >>> is_gzipped("pool.csv.gz"), is_gzipped("pool.csv")
    (True, False)
    """
    return Path(path).name.lower().endswith(".gz")


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, unpacked if its name ends in ``.gz``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv.gz"
    >>> _ = path.write_bytes(gzip.compress(b"text"))
    >>> with open_bytes(path) as handle:
    ...     handle.read()
    b'text'
    """
    return cast(IO[bytes], gzip.open(path, "rb")) if is_gzipped(path) else path.open("rb")
