"""How far a comparison is: which cells have a result, and the mean of each method on each slice so far."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fewshot.evaluation.charts.plots import NAMES
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.statistics.summary import GROUP, entrant_names
from fewshot.evaluation.tables import format_score

Row = Mapping[str, Any]
Group = tuple[Any, ...]


class Standing(NamedTuple):
    """A method on a slice, so far: the scores that are there, how many cells failed, and how many there will be."""

    scores: list[float]
    n_failed: int
    n_cells: int

    @property
    def complete(self) -> bool:
        """Whether every cell has a result."""
        return len(self.scores) + self.n_failed == self.n_cells

    def __str__(self) -> str:
        mean = f"{format_score(statistics.mean(self.scores))} " if self.scores else ""
        failed = f" ({self.n_failed} failed)" if self.n_failed else ""
        return f"{mean}{len(self.scores)}/{self.n_cells}{failed}" if self.scores or self.n_failed else ""


class Course:
    """The course of a comparison.

    Parameters
    ----------
    cells : sequence of Cell
        All of it, in their order.
    metric : str, default "macro_f1"
        Whose means are told.

    Examples
    --------
    >>> cells = [Cell("knn", "", None, 8, 16, seed, key=f"a{seed}") for seed in (0, 1)]
    >>> course = Course(cells)
    >>> course.note(cells[0], {"status": "ok", "macro_f1": 0.5})
    >>> course.table()
    (['macro F1, % and cells', '8'], [['knn', '50.0 1/2']])
    >>> course.n_missing
    1
    """

    def __init__(self, cells: Sequence[Cell], metric: str = "macro_f1") -> None:
        self.cells = list(cells)
        self.metric = metric
        self._rows: dict[str, Row] = {}
        self._groups: dict[Group, list[Cell]] = {}
        for cell in self.cells:
            self._groups.setdefault(_group(cell), []).append(cell)
        entrants = list(dict.fromkeys(group[:-1] for group in self._groups))
        names = entrant_names(dict(zip(GROUP, entrant, strict=False)) for entrant in entrants)
        self._names = dict(zip(entrants, names, strict=True))

    def note(self, cell: Cell, row: Row) -> None:
        """Take the result of a cell."""
        self._rows[cell.key] = row

    @property
    def rows(self) -> list[Row]:
        """The results that are there, in the order of the cells."""
        return [self._rows[cell.key] for cell in self.cells if cell.key in self._rows]

    @property
    def n_missing(self) -> int:
        """How many cells have no result yet."""
        return len(self.cells) - len(self._rows)

    def _field(self, group: Group) -> str:
        return str(self._standing(group)) if group in self._groups else "-"

    def _standing(self, group: Group) -> Standing:
        cells = self._groups[group]
        rows = [self._rows[one.key] for one in cells if one.key in self._rows]
        scores = [row[self.metric] for row in rows if row["status"] == "ok"]
        return Standing(scores, len(rows) - len(scores), len(cells))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return headings and lines: methods by slice, in each field the mean in percent and how many cells are done.

        A field is empty where no cell is done yet, and a dash where there is none to do.
        """
        slices = sorted({cell.slice for cell in self.cells})
        lines = [[name, *(self._field((*entrant, size)) for size in slices)] for entrant, name in self._names.items()]
        return [f"{NAMES[self.metric]}, % and cells", *map(str, slices)], lines

    def told(self, cell: Cell) -> str | None:
        """Say what came of a cell's method and slice, if all their cells are done; ``None`` if not."""
        standing = self._standing(_group(cell))
        if not standing.complete:
            return None
        mean = f"{NAMES[self.metric]} {format_score(statistics.mean(standing.scores))} %" if standing.scores else ""
        failed = f"{standing.n_failed} of {standing.n_cells} cells failed" if standing.n_failed else ""
        come = ", ".join(filter(None, (mean, failed)))
        done = f"{len(self._rows):,} of {len(self.cells):,} cells done"
        return f"{self._names[_group(cell)[:-1]]}, slice {cell.slice}: {come} ({done})"


def _group(cell: Cell) -> Group:
    return tuple(getattr(cell, name) for name in GROUP)
