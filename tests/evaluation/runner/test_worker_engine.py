"""What engines with workers share, on one without processes."""

import pytest

from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.contest import run_cell
from fewshot.evaluation.runner.engine import Finished
from fewshot.evaluation.runner.pace import Pace
from fewshot.evaluation.runner.store import ResultStore
from fewshot.evaluation.runner.worker_engine import WorkerEngine
from tests.evaluation.runner.openings import Opening


class Stack(WorkerEngine):
    """Ends the cell that began last; counts what is under way."""

    def __init__(self, workers, opening, prepare=None):
        super().__init__(workers, opening, prepare)
        self.contests, self.test, _ = opening()
        self.under_way, self.most, self.closed = [], 0, 0

    def _start(self, cell):
        self.under_way.append(cell)
        self.most = max(self.most, len(self.under_way))

    def _ended(self):
        cell = self.under_way.pop()
        return [Finished(cell, run_cell(*self.contests[cell.seed], self.test))]

    def _close(self):
        self.closed += 1


@pytest.fixture
def opening(tmp_path):
    """Five cells that end well."""
    return Opening(("ok",) * 5, str(tmp_path))


@pytest.mark.parametrize("workers", [2, 3, 9])
def test_no_more_cells_are_under_way_than_workers(opening, workers):
    """Prevents cells that wait in a queue: they could be lost with a worker, and a budget could not hold them back."""
    engine = Stack(workers, opening)
    assert len(list(engine.run(iter(engine.contests)))) == 5
    assert engine.most == min(workers, 5)
    assert (engine.under_way, engine.closed) == ([], 1)


def test_a_budget_is_asked_as_each_cell_begins(opening, tmp_path, monkeypatch):
    """Prevents workers from going on after the time that was given."""
    clock = [0.0]
    monkeypatch.setattr("fewshot.evaluation.runner.compare.Pace", lambda budget: Pace(budget, clock=lambda: clock[0]))

    def pass_time(cell, row):
        clock[0] += 10

    engine, store = Stack(2, opening), ResultStore(tmp_path / "out")
    rows = run_comparison(engine.contests, engine.test, store, engine=engine, budget=15, on_result=pass_time)
    assert len(rows) == 3  # two at once, and a third one after ten seconds
    assert len(run_comparison(engine.contests, engine.test, store, engine=engine)) == 5


def test_what_cannot_be_prepared_has_failed_and_the_others_go_on(opening, tmp_path):
    """Prevents an adaptation that fails from ending a comparison, of which it is one method among many."""

    def prepare(cell):
        if cell.seed in (0, 3):
            raise ValueError(f"no {cell.seed}\nat all")

    engine = Stack(2, opening, prepare)
    rows = run_comparison(engine.contests, engine.test, ResultStore(tmp_path / "out"), engine=engine)
    assert [row["error"] for row in rows] == ["ValueError: no 0", None, None, "ValueError: no 3", None]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the terminal went away")])
def test_workers_are_ended_whatever_ends_the_run(opening, tmp_path, error):
    """Prevents processes that train on after Ctrl-C."""

    def stop(cell, row):
        raise error

    engine = Stack(2, opening)
    with pytest.raises(type(error)):
        run_comparison(engine.contests, engine.test, ResultStore(tmp_path / "out"), engine=engine, on_result=stop)
    assert engine.closed == 1


def test_ctrl_c_while_preparing_stops_the_run(opening, tmp_path):
    """Prevents Ctrl-C during an adaptation from being taken for its failure."""

    def prepare(cell):
        raise KeyboardInterrupt

    engine = Stack(2, opening, prepare)
    with pytest.raises(KeyboardInterrupt):
        run_comparison(engine.contests, engine.test, ResultStore(tmp_path / "out"), engine=engine)
    assert engine.closed == 1
