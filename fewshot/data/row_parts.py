"""Parts of a file of rows, written by several hands, to one file."""

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from fewshot.data.row_streams import seekable
from fewshot.data.row_writers import Layout


def join_parts(parts: Sequence[Path], out: Path, layout: Layout) -> None:
    """Put parts together to one file.

    Parameters
    ----------
    parts : sequence of Path
        Written by ``layout.opened(…, whole=False)``, in order, none without rows.
    out : Path
        Written in place; give a temporary path to have it appear whole.
    layout : Layout
    """
    with out.open("wb") as raw:
        if layout.form == "parquet":
            with layout.packed(raw) as handle:
                _join_parquet(parts, handle, layout)
            return
        writer = layout.writer(raw)
        for before, part in zip(itertools.chain([writer.head], itertools.repeat(writer.between)), parts, strict=False):
            _write_piece(raw, before, layout)
            with part.open("rb") as handle:
                shutil.copyfileobj(handle, raw, 2**20)
        _write_piece(raw, writer.tail if parts else writer.head + writer.empty, layout)


def _write_piece(raw: IO[bytes], piece: bytes, layout: Layout) -> None:
    if piece:  # packed pieces, one behind the other, are a packed file, too
        with layout.packed(raw) as handle:
            handle.write(piece)


def _join_parquet(parts: Sequence[Path], handle: IO[bytes], layout: Layout) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(handle, layout.schema) as writer:
        for part in parts:
            with seekable(part) as opened, pq.ParquetFile(opened) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
