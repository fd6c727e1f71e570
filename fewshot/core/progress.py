"""Progress bars that long work reports to and that only a terminal shows.

Library code calls :func:`track`; nothing is drawn unless somebody (the command line on a terminal, or a notebook) has
switched bars on with :func:`show_progress`. Bars go to standard error, so a pipe stays clean.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_shown: ContextVar[Progress | None] = ContextVar("shown_progress", default=None)


@contextlib.contextmanager
def show_progress(*, enabled: bool | None = None) -> Iterator[None]:
    """Draw the bars of the work done inside this block on standard error.

    Parameters
    ----------
    enabled : bool, optional
        ``None`` (default) draws them only if standard error is a terminal.
    """
    console = Console(stderr=True)
    if not (console.is_terminal if enabled is None else enabled):
        yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remarks]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
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
    if progress is None or not progress.tasks:
        return
    task = progress.tasks[-1]
    told = {**task.fields.get("told", {}), **words}
    progress.update(task.id, told=told, remarks=", ".join(told.values()))
