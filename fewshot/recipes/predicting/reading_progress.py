"""How far a file was predicted, how fast, and how long it still takes, as long work shows it."""

import time
from typing import Any, Self

from fewshot.core.progress import remark, track
from fewshot.data.row_sources import RowSource


class ReadingProgress:
    """Shows it inside a ``with`` block.

    Parameters
    ----------
    name : str
        Of the file.
    rows : RowSource
        Its rows, while they are read.
    """

    def __init__(self, name: str, rows: RowSource) -> None:
        self._rows, self._n = rows, 0
        self._step, unit = (1, "rows") if rows.n_rows is not None else (1000, "kB")
        self._track = track(f"predicting {name} ({unit})", max(1, rows.size // self._step))
        self._shown = 0
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._advance = self._track.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._track.__exit__(*error)

    def note(self, n: int) -> None:
        """Count rows that were written."""
        self._n += n
        seconds = max(time.monotonic() - self._began, 1e-3)
        position = self._rows.position // self._step
        left = (self._rows.size // self._step - position) * seconds / max(position, 1)
        remark(rate=f"{self._n:,} rows, {self._n / seconds:,.0f} rows/s, about {_time(left)} left")
        self._advance(position - self._shown)
        self._shown = position


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
