"""How long the cells of a comparison still take, told by those that are done; and whether that fits into a budget."""

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fewshot.core.errors import InputError
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.prediction_set import Entrant, entrant_of

UNITS = {"s": 1, "m": 60, "h": 3600}


class Pace:
    """Seconds that cells take, learnt as they finish.

    Parameters
    ----------
    budget : float, optional
        Seconds from now in which cells may be begun. Default: no end.
    clock : callable, default ``time.monotonic``

    Examples
    --------
    >>> pace = Pace()
    >>> row = {"method": "knn", "encoder": "", "pool": None, "n_train": 16}
    >>> pace.note(row | {"fit_seconds": 1.0, "predict_seconds": 0.5})
    >>> pace.seconds_of(Cell("knn", "", None, 16, 32, 0, key="a"))
    3.0
    """

    def __init__(self, budget: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        if budget is not None and not budget > 0:
            raise InputError(f"budget must be above 0 seconds, got {budget}")
        self._clock = clock
        self._end = None if budget is None else clock() + budget
        self._seen: dict[Entrant, dict[int, list[float]]] = {}

    def note(self, row: Mapping[str, Any]) -> None:
        """Learn from the row of a finished cell; a failed one tells nothing."""
        if row["fit_seconds"] is not None and row["predict_seconds"] is not None:
            entrant = Entrant(row["method"], row["encoder"], row["pool"])
            of_sizes = self._seen.setdefault(entrant, {})
            of_sizes.setdefault(row["n_train"], []).append(row["fit_seconds"] + row["predict_seconds"])

    def seconds_of(self, cell: Cell) -> float | None:
        """Return about how long a cell takes; ``None`` if none is done of its method with this encoder and pool.

        It is the mean of those cells of the nearest size, in proportion where the cell is larger.
        """
        of_sizes = self._seen.get(entrant_of(cell))
        if not of_sizes:
            return None
        size = min(of_sizes, key=lambda seen: (abs(math.log((seen + 1) / (cell.n_train + 1))), seen))
        return sum(of_sizes[size]) / len(of_sizes[size]) * max(1.0, cell.n_train / max(size, 1))

    def allows(self, cell: Cell) -> bool:
        """Whether a cell may be begun: the budget is not used up, and it is not known to go beyond it."""
        if self._end is None:
            return True
        left = self._end - self._clock()
        return left > 0 and (self.seconds_of(cell) or 0.0) <= left

    def left(self, cells: Iterable[Cell]) -> tuple[float, int]:
        """Return about how many seconds cells take in all, and of how many nothing is known."""
        known = [self.seconds_of(cell) for cell in cells]
        return sum(seconds for seconds in known if seconds is not None), sum(seconds is None for seconds in known)


def seconds_in(duration: str | float) -> float:
    """Return the seconds in a duration such as ``"90s"``, ``"30m"``, ``"1.5h"``, ``"1h30m"``, or a number of seconds.

    Raises
    ------
    InputError
        If it cannot be read, or is not above 0.

    Examples
    --------
    >>> seconds_in("30m"), seconds_in("1h30m"), seconds_in(45)
    (1800.0, 5400.0, 45.0)
    """
    text = str(duration).strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smh])", text)
    whole = re.fullmatch(r"(\d+(?:\.\d+)?\s*[smh]\s*)+", text)
    seconds = math.fsum(float(number) * UNITS[unit] for number, unit in parts) if whole else _plain(text)
    if seconds is None or not 0 < seconds < math.inf:
        raise InputError(f"budget must be a time above 0 such as 90s, 30m or 1h30m, got {duration!r}")
    return seconds


def _plain(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def in_time(seconds: float) -> str:
    """Return a duration for reading.

    Examples
    --------
    >>> in_time(42.4), in_time(200), in_time(5000)
    ('42 s', '3 min', '1 h 23 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
