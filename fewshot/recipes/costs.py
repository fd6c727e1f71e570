"""What a compared method costs to use: how many texts a second it predicts, and how large it is on disk.

Measured beside the cells, once a method at its largest slice, right after a cell is scored: the classifier is at hand
there, and nothing of this is in the cell's own seconds. Vectors that the comparison keeps are passed by, so the speed
is that of texts never seen before. Other cells may be at work meanwhile, on the same processor.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from fewshot.core.artifacts import folder_bytes, read_json, write_json
from fewshot.core.errors import ModelFormatError, SourceNotFoundError
from fewshot.core.scratch import ScratchFolder
from fewshot.encoders.cached import caches_passed_by
from fewshot.evaluation.benchmark import measure_throughput
from fewshot.evaluation.runner.contest import Cell, Contest, Contestant, one_line
from fewshot.evaluation.runner.prediction_set import Entrant

MOST_TIMED = 200
"""Texts; a slow method is given fewer, see :data:`SECONDS`."""

SECONDS = 1.0
"""About how long the timing of a method takes at most."""

LEAST_SECONDS = 0.1


class Costed:
    """A contestant that is timed and weighed after it is scored, unless that was done before.

    Parameters
    ----------
    contestant : Contestant
        May have ``save(path)``; without it the size stays unknown.
    texts : sequence of str
        What to predict.
    path : Path
        Where to write what was measured.
    done : sequence of Path
        If one of these is there, nothing is measured.
    until : float, optional
        A time of ``time.time()`` from which on nothing is measured.
    """

    def __init__(
        self,
        contestant: Contestant,
        texts: Sequence[str],
        path: Path,
        *,
        done: Sequence[Path] = (),
        until: float | None = None,
    ) -> None:
        self.contestant = contestant
        self.texts = texts
        self.path = path
        self.done = done
        self.until = until

    def fit(self, texts: list[str], labels: list[Any]) -> "Costed":
        """Fit the contestant."""
        self.contestant.fit(texts, labels)
        return self

    def predict(self, texts: list[str]) -> Sequence[Any]:
        """Return the contestant's labels."""
        return self.contestant.predict(texts)

    def after_scoring(self) -> None:
        """Measure, and keep what was measured."""
        if any(path.is_file() for path in self.done) or (self.until is not None and time.time() > self.until):
            return
        cost = measured_cost(self.contestant, self.texts)
        with contextlib.suppress(OSError):  # the cell's own result stands without it
            write_json(self.path, cost)


def measured_cost(contestant: Any, texts: Sequence[str]) -> dict[str, Any]:
    """Return what a fitted contestant costs to use.

    Parameters
    ----------
    contestant : object with ``predict``, and where it can be saved ``save(path)``
    texts : sequence of str
        What to predict; as many of them as take about :data:`SECONDS`.

    Returns
    -------
    dict
        ``texts_per_second``, vectors kept by any cache left aside; ``size_mb``, of all files that ``save`` writes, in
        10⁶ bytes; ``error``, which says why one of them is ``None``.
    """
    cost: dict[str, Any] = {"texts_per_second": None, "size_mb": None, "error": None}
    try:
        with caches_passed_by():
            speeds = measure_throughput(
                {"it": contestant.predict}, texts, rounds=1, warmup=1, min_seconds=LEAST_SECONDS, max_seconds=SECONDS
            )
        cost["texts_per_second"] = speeds["it"]
        cost["size_mb"] = _saved_bytes(contestant) / 1e6
    except Exception as error:  # the scores of the cell stand without it
        cost["error"] = one_line(error)
    return cost


def _saved_bytes(contestant: Any) -> int:
    scratch = ScratchFolder("fewshot-size-")
    try:
        contestant.save(scratch.path / "model")
        return folder_bytes(scratch.path / "model")
    finally:
        scratch.remove()


@dataclasses.dataclass(frozen=True)
class Costing:
    """Where and until when costs are measured.

    Parameters
    ----------
    folder : Path
        Of the comparison; costs lie in ``costs`` below.
    until : float, optional
        A time of ``time.time()`` from which on nothing is measured.
    """

    folder: Path
    until: float | None = None

    @classmethod
    def within(cls, seconds: float | None, folder: Path) -> Self:
        """Return the costing that ends so many seconds from now, if any."""
        return cls(folder, None if seconds is None else time.time() + seconds)

    def of(self, contests: Sequence[Contest], texts: Sequence[str]) -> list[Contest]:
        """Return the contests, those of each method's largest slice so that they leave their costs.

        Parameters
        ----------
        contests : sequence of Contest
        texts : sequence of str
            Of the test set.
        """
        n = min(len(texts), MOST_TIMED)
        some = [texts[len(texts) * place // n] for place in range(n)]
        paths = _paths([contest.cell for contest in contests], self.folder)
        return [
            contest._replace(
                build=partial(_costed, contest.build, some, path, paths[_entrant(contest.cell)], self.until)
            )
            if (path := _path(contest.cell, self.folder)) in paths[_entrant(contest.cell)]
            else contest
            for contest in contests
        ]


def _costed(
    build: Callable[[], Contestant], texts: Sequence[str], path: Path, done: Sequence[Path], until: float | None
) -> Costed:
    return Costed(build(), texts, path, done=done, until=until)


def read_costs(cells: Sequence[Cell], folder: Path) -> dict[Entrant, Mapping[str, Any]]:
    """Return what was measured of each method, encoder and pool; those of which nothing is known are not there."""
    found: dict[Entrant, Mapping[str, Any]] = {}
    for entrant, paths in _paths(cells, folder).items():
        for path in paths:
            try:
                found.setdefault(entrant, read_json(path))
            except (SourceNotFoundError, ModelFormatError):
                continue
    return found


def _paths(cells: Sequence[Cell], folder: Path) -> dict[Entrant, list[Path]]:
    """Return by method, encoder and pool the files that its cells of the largest slice may leave."""
    largest: dict[Entrant, int] = {}
    for cell in cells:
        largest[_entrant(cell)] = max(cell.slice, largest.get(_entrant(cell), 0))
    paths: dict[Entrant, list[Path]] = {}
    for cell in cells:
        if cell.slice == largest[_entrant(cell)]:
            paths.setdefault(_entrant(cell), []).append(_path(cell, folder))
    return paths


def _path(cell: Cell, folder: Path) -> Path:
    return folder / "costs" / f"{cell.key}.json"


def _entrant(cell: Cell) -> Entrant:
    return Entrant(cell.method, cell.encoder, cell.pool)
