"""The runner: nothing twice, nothing lost."""

import csv
import dataclasses

import pytest

from fewshot.core.errors import InputError
from fewshot.data.texts import TextData
from fewshot.evaluation.runner import compare
from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.contest import COLUMNS, Contest
from fewshot.evaluation.runner.pace import Pace
from fewshot.evaluation.runner.store import ResultStore


@pytest.fixture
def store(tmp_path):
    """An empty folder, opened."""
    return ResultStore.open(tmp_path, {"data": "3f2a"})


def read_results(store):
    """Read results.csv as a user would."""
    with (store.folder / "results.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def stop_after(n, error):
    """Make an `on_result` that raises when it is called for the n-th time."""
    seen = []

    def stop(cell, row):
        seen.append(cell)
        if len(seen) == n:
            raise error

    return stop


class Broken:
    """Fails as soon as it is taught."""

    def fit(self, texts, labels):
        raise RuntimeError("broken, with a comma")

    def predict(self, texts):
        raise AssertionError("never reached")


def test_results_csv_holds_the_promised_columns_in_order(store, make_contests, test_data):
    """Prevents scripts that read results.csv from breaking."""
    rows = run_comparison(make_contests(2), test_data, store)
    header = (store.folder / "results.csv").read_text().splitlines()[0]
    assert header == (
        "method,encoder,pool,slice,n_train,seed,status,accuracy,micro_f1,macro_f1,mcc,fit_seconds,predict_seconds,error"
    )
    found = read_results(store)
    assert [row["seed"] for row in found] == ["0", "1"]
    assert (found[0]["pool"], found[0]["error"]) == ("", "")
    assert float(found[1]["accuracy"]) == rows[1]["accuracy"]


def test_a_second_run_computes_only_what_is_missing(store, make_contests, test_data, parrot):
    """Prevents hours of work from being done again because two seeds were added."""
    first = run_comparison(make_contests(2), test_data, store)
    told = []
    rows = run_comparison(make_contests(4), test_data, store, on_result=lambda cell, row: told.append(cell.seed))
    assert parrot.taught == 4
    assert told == [2, 3]
    assert rows[:2] == first
    assert len(read_results(store)) == 4


def test_a_failing_cell_leaves_the_others_and_is_tried_again(store, make_contests, test_data, parrot):
    """Prevents one method's crash from taking the rest with it, or from being remembered for ever."""
    contests = make_contests(3)
    contests[1] = contests[1]._replace(build=Broken)
    rows = run_comparison(contests, test_data, store)
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert read_results(store)[1]["error"] == "RuntimeError: broken, with a comma"
    assert [row["status"] for row in run_comparison(make_contests(3), test_data, store)] == ["ok"] * 3
    assert parrot.taught == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the terminal went away")])
def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(store, make_contests, test_data, parrot, error):
    """Prevents Ctrl-C in the last cell from costing all that came before."""
    with pytest.raises(type(error)):
        run_comparison(make_contests(5), test_data, store, on_result=stop_after(3, error))
    assert [row["seed"] for row in read_results(store)] == ["0", "1", "2"]
    assert len(run_comparison(make_contests(5), test_data, store)) == 5
    assert parrot.taught == 5
    assert len(read_results(store)) == 5


def test_a_killed_run_goes_on_with_its_predictions(store, make_contests, test_data, parrot):
    """Prevents a resumed run whose first cells have scores but no answers to compare."""
    with pytest.raises(KeyboardInterrupt):
        run_comparison(make_contests(4), test_data, store, on_result=stop_after(2, KeyboardInterrupt()))
    before = {path.name: path.read_bytes() for path in (store.folder / "cells").iterdir()}
    contests = make_contests(4)
    run_comparison(contests, test_data, store)
    assert parrot.taught == 4
    assert {name: (store.folder / "cells" / name).read_bytes() for name in before} == before
    assert [store.predictions(contest.cell).labels for contest in contests] == [["pos"] * 4] * 4


def test_ctrl_c_inside_a_method_stops_the_run(store, make_contests, test_data):
    """Prevents Ctrl-C from being swallowed while a method trains."""

    class Interrupted(Broken):
        def fit(self, texts, labels):
            raise KeyboardInterrupt

    contests = make_contests(3)
    contests[1] = contests[1]._replace(build=Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_comparison(contests, test_data, store)
    assert [row["seed"] for row in read_results(store)] == ["0"]


def test_results_can_be_read_while_the_run_goes_on(store, make_contests, test_data):
    """Prevents a killed process from leaving an empty results.csv: each row is there before the next begins."""
    seen = []
    run_comparison(make_contests(3), test_data, store, on_result=lambda *_: seen.append(len(read_results(store))))
    assert seen == [1, 2, 3]


def test_a_torn_cell_file_is_computed_again(store, make_contests, test_data, parrot):
    """Prevents a half-written file from stopping the run or from standing in the table."""
    rows = run_comparison(make_contests(2), test_data, store)
    path = store.folder / "cells" / "parrot-1.json"
    path.write_bytes(path.read_bytes()[:40])
    again = run_comparison(make_contests(2), test_data, store)
    assert parrot.taught == 3
    assert again[1]["accuracy"] == rows[1]["accuracy"]


def test_rows_keep_the_order_of_the_contests_whatever_was_finished_first(store, make_contests, test_data):
    """Prevents a resumed table from differing from one made in a single run."""
    contests = make_contests(4)
    run_comparison(contests[2:], test_data, store)
    run_comparison(contests, test_data, store)
    assert [row["seed"] for row in read_results(store)] == ["0", "1", "2", "3"]


def test_a_failure_of_an_earlier_run_stays_until_it_is_tried_again(store, make_contests, test_data):
    """Prevents an interrupted retry from hiding that a cell had failed."""
    contests = make_contests(3)
    broken = [contest._replace(build=Broken) for contest in contests]
    run_comparison(broken, test_data, store)
    with pytest.raises(KeyboardInterrupt):
        run_comparison(contests, test_data, store, on_result=stop_after(1, KeyboardInterrupt()))
    assert [row["status"] for row in read_results(store)] == ["ok", "failed", "failed"]


def test_the_folder_is_locked_while_it_runs(store, make_contests, test_data):
    """Prevents a second run from writing between the lines of the first."""

    def intrude(cell, row):
        with pytest.raises(InputError, match="another run"):
            run_comparison(make_contests(1), test_data, ResultStore(store.folder))

    run_comparison(make_contests(1), test_data, store, on_result=intrude)


def test_what_can_only_go_wrong_is_refused_before_the_first_cell(store, make_contests, test_data, parrot, train):
    """Prevents hours of training that end in scores of nothing, or two cells in one file."""
    contests = make_contests(2)
    with pytest.raises(InputError, match="key of its own"):
        run_comparison([contests[0], contests[0]], test_data, store)
    with pytest.raises(InputError, match="labelled"):
        run_comparison(contests, dataclasses.replace(test_data, labels=["pos", None, "pos", "pos"]), store)
    with pytest.raises(InputError, match="labelled"):
        run_comparison(contests, test_data.select([]), store)
    several = TextData(["a"], [("pos",)], multi_label=True, rows=[0])
    with pytest.raises(InputError, match="multi-label"):
        run_comparison([contests[0]._replace(train=several)], test_data, store)
    assert parrot.taught == 0


def test_no_contest_gives_a_table_without_rows(store, test_data):
    """Prevents a crash where every method was left out."""
    assert run_comparison([], test_data, store) == []
    assert (store.folder / "results.csv").read_text().strip() == ",".join(COLUMNS)


def test_plain_tuples_are_contests_too(store, make_cell, parrot, train, test_data):
    """Prevents callers from having to import a class for three values."""
    [row] = run_comparison([tuple(Contest(make_cell(), parrot, train))], test_data, store)
    assert row["status"] == "ok"


def test_a_budget_ends_the_run_and_the_next_goes_on(store, make_contests, test_data, monkeypatch):
    """Prevents a run of hours where minutes were given, and cells that are dropped for good."""
    contests = make_contests(5)
    clock = [0.0]
    monkeypatch.setattr("fewshot.evaluation.runner.compare.Pace", lambda budget: Pace(budget, clock=lambda: clock[0]))

    def pass_time(cell, row):
        clock[0] += 10

    first = run_comparison(contests, test_data, store, budget=15, on_result=pass_time)
    assert len(first) == 2 < len(contests)
    assert len(read_results(store)) == 2
    assert len(run_comparison(contests, test_data, store)) == len(contests)


def test_time_left_is_told_as_far_as_it_is_known(make_cell, monkeypatch):
    """Prevents "0 s left" where nobody knows."""
    told = []
    monkeypatch.setattr(compare, "remark", lambda left: told.append(left))
    pace, cells = Pace(), [make_cell(0), make_cell(1)]
    compare._tell(pace, cells)
    pace.note(cells[0].identity | {"fit_seconds": 60.0, "predict_seconds": 0.0})
    compare._tell(pace, cells)
    compare._tell(pace, [*cells, dataclasses.replace(cells[0], method="another")])
    compare._tell(pace, [])
    assert told == ["2 cells not timed yet", "about 2 min left", "about 2 min left and 1 cells not timed yet", ""]


def test_what_earlier_runs_finished_is_told_before_the_first_cell(tmp_path, make_contests, test_data, parrot):
    """Prevents a display of a run that goes on from beginning at nothing."""
    told = []
    store = ResultStore(tmp_path)
    first = run_comparison(make_contests(2), test_data, store, on_start=told.append)
    contests = make_contests(3)
    run_comparison(contests, test_data, store, on_start=told.append, on_result=lambda cell, row: told.append(cell))
    assert told == [[], [(contests[0].cell, first[0]), (contests[1].cell, first[1])], contests[2].cell]
