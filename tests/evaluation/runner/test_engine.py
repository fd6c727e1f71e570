"""Engines that end cells in any order, as the runner sees them."""

import csv
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.contest import run_cell
from fewshot.evaluation.runner.engine import Finished, PlainEngine
from fewshot.evaluation.runner.store import ResultStore
from tests.evaluation.runner.openings import TEST, Opening

TIMES = {"fit_seconds", "predict_seconds"}


class Shuffled:
    """Takes all contests at once and gives them back in an order of its own."""

    workers = 9

    def __init__(self, order):
        self.order = order

    def run(self, contests):
        taken = list(contests)
        for i in self.order:
            yield Finished(taken[i].cell, run_cell(*taken[i], TEST))


@given(st.permutations(range(5)))
def test_the_table_is_the_same_in_whatever_order_cells_end(order):
    """Prevents a table that depends on which worker was faster."""
    with tempfile.TemporaryDirectory() as folder:
        contests, *_ = Opening(("ok", "fail", "ok", "ok", "fail"), folder)()
        plain = [run_cell(*contest, TEST).row for contest in contests]
        store = ResultStore(Path(folder) / "out")
        rows = run_comparison(contests, TEST, store, engine=Shuffled(order))
        with (store.folder / "results.csv").open(encoding="utf-8", newline="") as handle:
            written = list(csv.DictReader(handle))
    assert [without_times(row) for row in rows] == [without_times(row) for row in plain]
    assert [int(row["seed"]) for row in written] == [0, 1, 2, 3, 4]


def without_times(row):
    """Leave out what differs from run to run."""
    return {name: value for name, value in row.items() if name not in TIMES}


def test_the_plain_engine_begins_a_cell_when_the_last_one_was_taken(tmp_path):
    """Prevents cells that run ahead of what is on disk, or beyond a budget that is asked as they begin."""
    contests, test, _ = Opening(("ok", "ok"), str(tmp_path))()
    asked = []
    results = PlainEngine(test).run(contest for contest in contests if asked.append(contest.cell.seed) is None)
    assert asked == []
    assert next(results).cell == contests[0].cell
    assert asked == [0]


def test_time_left_is_that_of_all_workers(tmp_path, monkeypatch):
    """Prevents a forecast that is too long by the number of workers."""
    told = []
    monkeypatch.setattr("fewshot.evaluation.runner.compare.WORTH_TELLING", -1)
    monkeypatch.setattr("fewshot.evaluation.runner.pace.Pace.left", lambda self, cells: (900.0 * len(cells), 0))
    monkeypatch.setattr("fewshot.evaluation.runner.compare.remark", lambda left: told.append(left))
    contests, test, _ = Opening(("ok", "ok"), str(tmp_path))()
    run_comparison(contests, test, ResultStore(tmp_path / "out"), engine=Shuffled([1, 0]))
    assert told == ["about 2 min left", ""]
