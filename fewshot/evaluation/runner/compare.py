"""The runner: every contest once, each result kept as it comes, so that nothing is lost and nothing is done twice.

It does not know what the contestants are: slices, seeds, encoders and methods are put together by ``recipes``. Where
cells run is left to an engine; here alone results are written.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from fewshot.core.errors import InputError
from fewshot.core.progress import remark, track
from fewshot.data.texts import TextData
from fewshot.evaluation.runner.contest import COLUMNS, FOLD, Cell, Contest
from fewshot.evaluation.runner.engine import Engine, PlainEngine
from fewshot.evaluation.runner.folds import Folds
from fewshot.evaluation.runner.pace import Pace, in_time
from fewshot.evaluation.runner.store import ResultStore
from fewshot.evaluation.tables import csv_line, write_csv

WORTH_TELLING = 0.5
"""Seconds; after shorter cells it is not said anew how long the others take."""

OnResult = Callable[[Cell, dict[str, Any]], None]
OnStart = Callable[[Sequence[tuple[Cell, dict[str, Any]]]], None]


def run_comparison(
    contests: Sequence[Contest],
    test: TextData,
    store: ResultStore,
    *,
    engine: Engine | None = None,
    folds: Folds | None = None,
    budget: float | None = None,
    on_result: OnResult | None = None,
    on_start: OnStart | None = None,
) -> list[dict[str, Any]]:
    """Run the contests that have no result yet, and write ``results.csv`` in the store's folder.

    Parameters
    ----------
    contests : sequence of Contest
        Tuples ``(cell, build, train)``, each cell with a key of its own. They begin in this order.
    test : TextData
        Labelled texts that every contestant is scored on.
    store : ResultStore
        Keeps each result as it comes. A cell that failed in an earlier run is tried again. It is locked meanwhile;
        hold ``store.locked()`` around this call to write more files under the same lock.
    engine : Engine, optional
        Where cells run; with workers they end in any order. Default: one after another in this process.
    folds : Folds, optional
        For a cross-validation: which of the ``test`` texts each cell is scored on; ``results.csv`` then ends with a
        column ``fold``. Default: on all.
    budget : float, optional
        Seconds in which cells are begun. One that would by the pace of its method's others end later is passed over.
    on_result : callable, optional
        Called as ``on_result(cell, row)`` after each newly run cell has been kept.
    on_start : callable, optional
        Called once, before the first cell, as ``on_start([(cell, row), ...])`` with what earlier runs have finished.

    Returns
    -------
    list of dict
        One row a contest that has a result, in their order. ``results.csv`` holds the same.

    Raises
    ------
    InputError
        If keys repeat, ``test`` is empty or has unlabelled rows, or a training slice is of another kind of task.
    KeyboardInterrupt
        After ``results.csv`` has been completed with all that is finished; calling again goes on from there.

    Examples
    --------
    >>> import tempfile
    >>> class Constant:
    ...     def fit(self, texts, labels): self.answer = labels[0]
    ...     def predict(self, texts): return [self.answer] * len(texts)
    >>> train = TextData(["good"], ["pos"], multi_label=False, rows=[0])
    >>> test = TextData(["fine", "poor"], ["pos", "neg"], multi_label=False, rows=[0, 1])
    >>> contests = [Contest(Cell("constant", "", None, 1, 1, seed, key=f"a{seed}"), Constant, train) for seed in (0, 1)]
    >>> rows = run_comparison(contests, test, ResultStore(tempfile.mkdtemp()))
    >>> [(row["seed"], row["status"], row["accuracy"]) for row in rows]
    [(0, 'ok', 0.5), (1, 'ok', 0.5)]
    """
    contests = [Contest(*contest) for contest in contests]
    _check(contests, test)
    with store.locked():
        rows = {cell.key: row for cell, _, _ in contests if (row := store.get(cell)) is not None}
        path = store.folder / "results.csv"
        if on_start is not None:
            finished = [(cell, rows[cell.key]) for cell, _, _ in contests if cell.key in rows]
            on_start([(cell, row) for cell, row in finished if row["status"] == "ok"])
        try:
            _run_missing(
                contests,
                engine or PlainEngine(test, folds),
                store,
                rows,
                path,
                _columns(folds),
                Pace(budget),
                on_result,
            )
        finally:
            ordered = [rows[cell.key] for cell, _, _ in contests if cell.key in rows]
            write_csv(path, ordered, _columns(folds))
    return ordered


def _run_missing(
    contests: Sequence[Contest],
    engine: Engine,
    store: ResultStore,
    rows: dict[str, dict[str, Any]],
    path: Path,
    columns: Sequence[str],
    pace: Pace,
    on_result: OnResult | None,
) -> None:
    # Appending costs the same for the last cell as for the first; the file is put in order once, at the end.
    finished = {key for key, row in rows.items() if row["status"] == "ok"}
    write_csv(path, [row for key, row in rows.items() if key in finished], columns)
    for key in finished:
        pace.note(rows[key])
    with path.open("a", encoding="utf-8", newline="") as table, track("comparing", total=len(contests)) as advance:

        def to_run() -> Iterator[Contest]:
            """Choose when an engine has room: by then more is known of the time that is left."""
            for contest in contests:
                if contest.cell.key not in finished and pace.allows(contest.cell):
                    yield contest
                else:
                    advance(1)

        with contextlib.closing(engine.run(to_run())) as results:
            for cell, (row, predictions) in results:
                store.put(cell, row, predictions)
                rows[cell.key] = row
                _append(table, row, columns)
                pace.note(row)
                if (row["fit_seconds"] or 0.0) > WORTH_TELLING:
                    _tell(pace, [cell for cell, _, _ in contests if cell.key not in rows], engine.workers)
                if on_result is not None:
                    on_result(cell, row)
                advance(1)


def _tell(pace: Pace, cells: Sequence[Cell], workers: int = 1) -> None:
    """Say beside the progress bar how long the cells that are left still take."""
    seconds, n_unknown = pace.left(cells)
    parts = [f"about {in_time(seconds / workers)} left"] if n_unknown < len(cells) else []
    parts += [f"{n_unknown} cells not timed yet"] if n_unknown else []
    remark(left=" and ".join(parts))


def _columns(folds: Folds | None) -> tuple[str, ...]:
    return COLUMNS if folds is None else (*COLUMNS, FOLD)


def _append(table: IO[str], row: dict[str, Any], columns: Sequence[str]) -> None:
    table.write(csv_line(row[name] for name in columns))
    table.flush()


def _check(contests: Sequence[Contest], test: TextData) -> None:
    keys = [cell.key for cell, _, _ in contests]
    if len(set(keys)) < len(keys):
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise InputError(f"each cell must have a key of its own, got {repeated!r} more than once")
    if not len(test) or any(label is None for label in test.labels):
        raise InputError(
            f"the test texts must be there and all be labelled, got {len(test)} texts of which {len(test.unlabeled)} "
            "are unlabelled; select the labelled rows first (data.labeled)"
        )
    for cell, _, train in contests:
        if len(train) and train.multi_label != test.multi_label:
            kinds = {True: "multi-label", False: "single-label"}
            raise InputError(
                f"the training slice of {cell.method} is {kinds[train.multi_label]} but the test texts are "
                f"{kinds[test.multi_label]}; load both alike"
            )
