"""Progress bars that long work reports to and that only a terminal shows; elsewhere a line now and then.

Library code calls :func:`track`; nothing is shown unless somebody (the command line, or a notebook) has asked for it
with :func:`show_progress`. All goes to standard error, so a pipe stays clean.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from fewshot.core.bars import Bars

SECONDS_A_LINE = 30.0

UpdateTable = Callable[[Sequence[str], Sequence[Sequence[str]], str | None], None]
"""Takes headings and lines of a table as it is now, and what a log file is to say of it, if anything."""


@dataclasses.dataclass(eq=False)
class _Work:
    """A piece of work under way: how far it is, and the words said beside it, by their kind."""

    description: str
    total: int
    done: int = 0
    words: dict[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join([f"{self.description}: {self.done:,} of {self.total:,}", *self.words.values()])


class _Lines:
    """Progress where there is no terminal, as in a log file: a line on all work under way every half minute."""

    def __init__(self, console: "Console") -> None:
        self.console = console
        self._last = time.monotonic()
        self._under_way: list[_Work] = []

    @contextlib.contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Count one piece of work; the outermost under way comes first in the line."""
        work = _Work(description, total)
        self._under_way.append(work)

        def advance(steps: int) -> None:
            """Count steps, and print the line when its time has come."""
            work.done += steps
            if time.monotonic() - self._last >= SECONDS_A_LINE:
                self.say("; ".join(map(str, self._under_way)))

        try:
            yield advance
        finally:
            self._under_way.remove(work)

    def say(self, line: str) -> None:
        """Print a line, and the next of its own accord half a minute later."""
        self._last = time.monotonic()
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def remark(self, words: dict[str, str]) -> None:
        """Keep words for the innermost work under way."""
        if self._under_way:
            self._under_way[-1].words.update(words)


_shown: ContextVar["Bars | _Lines | None"] = ContextVar("shown_progress", default=None)


@contextlib.contextmanager
def show_progress(*, enabled: bool | None = None) -> Iterator[None]:
    """Show the progress of the work done inside this block on standard error.

    Parameters
    ----------
    enabled : bool, optional
        ``None`` (default) draws bars if standard error is a terminal, and else writes a line every half minute.
    """
    if enabled is False:
        yield
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not (enabled or console.is_terminal):
        with _showing(_Lines(console)):
            yield
        return
    from fewshot.core.bars import Bars

    with Bars.on(console) as progress, _showing(progress):
        yield


@contextlib.contextmanager
def hide_progress() -> Iterator[None]:
    """Show nothing of the work done inside this block, as where its time is taken.

    Examples
    --------
    >>> with hide_progress(), track("adding", total=3) as advance:
    ...     advance(3)
    """
    with _showing(None):
        yield


@contextlib.contextmanager
def _showing(progress: "Bars | _Lines | None") -> Iterator[None]:
    token = _shown.set(progress)
    try:
        yield
    finally:
        _shown.reset(token)


@contextlib.contextmanager
def track(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Report the progress of one piece of work.

    Parameters
    ----------
    description : str
        What is being done, such as ``"embedding texts"``.
    total : int
        How many steps there are.

    Yields
    ------
    callable
        ``advance(n)``: call it after ``n`` more steps are done.

    Examples
    --------
    >>> with track("adding", total=3) as advance:
    ...     for _ in range(3):
    ...         advance(1)
    """
    progress = _shown.get()
    if progress is None:
        yield lambda _: None
        return
    if isinstance(progress, _Lines):
        with progress.track(description, total) as advance:
            yield advance
        return
    task = progress.add_task(description, total=total, remarks="")
    try:
        yield lambda steps: progress.advance(task, steps)
    finally:
        progress.remove_task(task)


def remark(**words: str) -> None:
    """Show a few words beside the bar of the innermost work under way, each kind in its place, such as ``loss``.

    Examples
    --------
    >>> with track("adding", total=3):
    ...     remark(loss="loss 0.2")  # nothing is drawn here
    """
    progress = _shown.get()
    if isinstance(progress, _Lines):
        progress.remark(words)
        return
    if progress is None or not progress.tasks:
        return
    task = progress.tasks[-1]
    told = {**task.fields.get("told", {}), **words}
    progress.update(task.id, told=told, remarks=", ".join(told.values()))


@contextlib.contextmanager
def show_table() -> Iterator[UpdateTable]:
    """Show a table of intermediate results beneath the bars; in a log file, lines in its place.

    Yields
    ------
    UpdateTable
        ``update(headings, lines, said)``.

    Examples
    --------
    >>> with show_table() as update:
    ...     update(["method", "8"], [["knn", "51.2"]], None)  # nothing is drawn here
    """
    progress = _shown.get()
    if progress is None or isinstance(progress, _Lines):
        yield lambda headings, lines, said: progress.say(said) if progress and said else None
        return

    def update(headings: Sequence[str], lines: Sequence[Sequence[str]], said: str | None) -> None:
        progress.draw(headings, lines)

    try:
        yield update
    finally:
        progress.table = None
