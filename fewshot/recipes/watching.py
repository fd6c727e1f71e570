"""What a comparison shows while it runs: a table on the terminal that fills; its page, written anew now and then."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fewshot.core.progress import UpdateTable, show_table
from fewshot.evaluation.reports.course import Course
from fewshot.evaluation.runner.contest import Cell

SHARE = 0.05
"""At most this share of the time goes into writing pages."""

LEAST_SECONDS = 3.0
"""From one page to the next."""

FIRST_TAKES = 1.0
"""Seconds that the first page is taken to need, as nothing is known yet: a comparison of seconds writes none early."""


class PageKeeper:
    """Writes a page again and again, as often as its cost allows.

    Parameters
    ----------
    write : callable
        Writes the page as things stand.
    clock : callable, default ``time.monotonic``

    Examples
    --------
    >>> seconds = iter([0.0, 5.0, 30.0, 30.5, 35.0, 40.5, 41.0])
    >>> keeper = PageKeeper(lambda: print("written"), clock=lambda: next(seconds))
    >>> keeper.refresh()  # after 5 seconds it is too early
    >>> keeper.refresh()  # after 30 it is not
    written
    >>> keeper.refresh()  # that took half a second: not before ten more are over
    >>> keeper.refresh()
    written
    """

    def __init__(self, write: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._next = clock() + FIRST_TAKES / SHARE

    def refresh(self) -> None:
        """Write the page, unless it is too early. A page that cannot be written, as it is open in a viewer, waits."""
        start = self._clock()
        if start < self._next:
            return
        with contextlib.suppress(OSError):
            self._write()
        end = self._clock()
        self._next = end + max(LEAST_SECONDS, (end - start) / SHARE)


class Watch:
    """Takes results as they come, and passes them on to whoever looks.

    Parameters
    ----------
    cells : sequence of Cell
        All cells of the comparison.
    write : callable
        ``write(rows, n_missing)`` writes the page of the results that are there.
    on_result : callable, optional
        Called as ``on_result(cell, row)`` for each result as it comes.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        write: Callable[[list[dict[str, Any]], int], None],
        on_result: Callable[[Cell, dict[str, Any]], None] | None = None,
    ) -> None:
        self._course = Course(cells)
        self._draw = lambda: write([dict(row) for row in self._course.rows], self._course.n_missing)
        self._keeper = PageKeeper(self._draw)
        self._on_result = on_result
        self._show: UpdateTable = lambda *_: None

    @contextlib.contextmanager
    def shown(self) -> Iterator["Watch"]:
        """Show the table inside this block; leave a page behind if the block is interrupted from outside."""
        with show_table() as self._show:
            try:
                yield self
            except KeyboardInterrupt:
                if self._course.rows:
                    with contextlib.suppress(OSError):
                        self._draw()
                raise

    def started(self, finished: Sequence[tuple[Cell, dict[str, Any]]]) -> None:
        """Take the results of earlier runs."""
        for cell, row in finished:
            self._course.note(cell, row)
        self._show(*self._course.table(), None)

    def note(self, cell: Cell, row: dict[str, Any]) -> None:
        """Take a result."""
        self._course.note(cell, row)
        self._show(*self._course.table(), self._course.told(cell))
        if self._on_result is not None:
            self._on_result(cell, row)
        if self._course.n_missing:  # the last one is followed by the page of all
            self._keeper.refresh()
