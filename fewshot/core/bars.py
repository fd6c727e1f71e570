"""Progress bars on a terminal, drawn by rich: one a piece of work, and beneath them a table, where one is shown.

They stand apart from :mod:`fewshot.core.progress` so that rich is imported only where something is drawn.
"""

from collections.abc import Iterable, Sequence
from typing import Self

from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


class TimeLeft(TimeRemainingColumn):
    """The time left by the pace of the bar, unless the work itself says how much is left."""

    def render(self, task: Task) -> Text:
        """Return what stands in the column."""
        return Text() if "left" in task.fields.get("told", {}) else super().render(task)


class Bars(Progress):
    """Progress on a terminal: a bar for each work under way, and beneath them a table, where one is shown."""

    table: Table | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """Give what is drawn, from top to bottom; of what is higher than the terminal the end is cut."""
        yield from super().get_renderables()
        if self.table is not None:
            yield self.table

    def draw(self, headings: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
        """Draw a table in place of the one that is shown."""
        self.table = _table(headings, lines)

    @classmethod
    def on(cls, console: Console) -> Self:
        """Return bars that are not drawn yet; they vanish when they are done."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeLeft(),
            TextColumn("{task.fields[remarks]}"),
        )
        return cls(*columns, console=console, transient=True)


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(headings):
        table.add_column(Text(heading), justify="right" if place else "left", no_wrap=bool(place))
    for line in lines:
        table.add_row(*map(Text, line))  # what is in brackets in a name is no command of rich
    return table
