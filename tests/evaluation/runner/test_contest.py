"""One cell: what is timed, what is a result, what is a failure."""

import pytest

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.data.texts import TextData
from fewshot.evaluation.runner import contest
from fewshot.evaluation.runner.contest import COLUMNS, run_cell


class Panic(BaseException):
    """What a Rust extension raises: no Exception."""


def failing(error, step="fit"):
    """Make a contestant class that raises in one step."""

    def raise_it(self, *_):
        raise error

    steps = {"fit": lambda self, texts, labels: self, "predict": lambda self, texts: ["pos"] * len(texts)}
    return type("Failing", (), steps | {step: raise_it})


def test_a_good_cell_has_every_column_and_the_scores_of_the_test_texts(make_cell, parrot, train, test_data):
    """Prevents a results.csv whose columns depend on what happened."""
    row, predictions = run_cell(make_cell(seed=3), parrot, train, test_data)
    assert tuple(row) == COLUMNS
    assert (row["method"], row["seed"], row["status"], row["error"]) == ("parrot", 3, "ok", None)
    assert row["accuracy"] == 0.5
    assert row["mcc"] == 0.0
    assert predictions.labels == ["pos"] * 4
    assert predictions.texts == fingerprint(test_data.texts)


def test_only_fit_and_predict_are_timed(make_cell, parrot, train, test_data, monkeypatch):
    """Prevents the loading of a model from counting as training time."""
    now = [0.0]
    monkeypatch.setattr(contest.time, "perf_counter", lambda: now[0])

    class Slow(parrot):
        def __init__(self):
            now[0] += 100

        def fit(self, texts, labels):
            now[0] += 2
            return super().fit(texts, labels)

        def predict(self, texts):
            now[0] += 0.5
            return super().predict(texts)

    row, _ = run_cell(make_cell(), Slow, train, test_data)
    assert (row["fit_seconds"], row["predict_seconds"]) == (2, 0.5)


@pytest.mark.parametrize("step", ["__init__", "fit", "predict"])
def test_a_failure_is_recorded_with_its_type_and_first_line(make_cell, train, test_data, step):
    """Prevents one method's bug from ending the comparison, and a traceback from breaking the CSV."""
    row, predictions = run_cell(make_cell(), failing(ValueError("no luck\nmore"), step), train, test_data)
    assert predictions is None
    assert (row["status"], row["error"]) == ("failed", "ValueError: no luck")
    assert [row[name] for name in ("accuracy", "micro_f1", "macro_f1", "mcc")] == [None] * 4


@pytest.mark.parametrize("error", [MemoryError(), Panic("core\udcff"), ValueError("x" * 10_000)])
def test_failures_of_any_kind_become_one_short_line(make_cell, train, test_data, error):
    """Prevents an empty message, half a surrogate pair, a panic or a novel from reaching the files."""
    row = run_cell(make_cell(), failing(error), train, test_data).row
    assert row["error"].startswith(type(error).__name__)
    assert len(row["error"].encode("utf-8")) <= 500


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_the_users_wish_to_stop_is_no_failure(make_cell, train, test_data, error):
    """Prevents Ctrl-C from being noted as a failed method while the run goes on."""
    with pytest.raises(type(error)):
        run_cell(make_cell(), failing(error), train, test_data)


def test_too_few_predictions_are_a_failure(make_cell, train, test_data):
    """Prevents a method that drops texts from being scored on the rest."""
    short = type("Short", (), {"fit": lambda *_: None, "predict": lambda *_: ["pos"]})
    assert run_cell(make_cell(), short, train, test_data).row["error"].startswith("InputError: y_true and y_pred")


def test_a_multi_label_cell_has_no_mcc(make_cell, parrot):
    """Prevents a correlation that is not defined from standing as 0."""
    data = TextData(["a", "b"], [("x", "y"), ()], multi_label=True, rows=[0, 1])
    row, _ = run_cell(make_cell(), parrot, data, data)
    assert (row["accuracy"], row["mcc"]) == (0.5, None)


def test_labels_that_no_test_text_has_are_kept(make_cell, train, test_data):
    """Prevents an answer outside the test set's classes from being read as one inside."""
    stray = type(
        "Stray", (), {"fit": lambda *_: None, "predict": lambda _, texts: ["neither", "neg", "pos", "neither"]}
    )
    predictions = run_cell(make_cell(), stray, train, test_data).predictions
    assert predictions.space.classes == ("neg", "neither", "new", "pos")
    assert predictions.labels == ["neither", "neg", "pos", "neither"]


@pytest.mark.parametrize("key", ["", "../up", "a/b", "a.b", "x" * 200])
def test_a_key_that_is_no_file_name_is_refused(make_cell, key):
    """Prevents results from being written outside their folder."""
    with pytest.raises(InputError, match="key"):
        make_cell(key=key)


def test_a_contestant_may_measure_itself_after_its_scores_are_taken(make_cell, train, test_data, parrot):
    """Prevents what is measured beside the scores from being in the seconds of the cell, or of a failed one."""
    told = []

    class Measured(parrot):
        def after_scoring(self):
            told.append(self.answer)

    assert run_cell(make_cell(), Measured, train, test_data).row["status"] == "ok"
    assert told == ["pos"]
    Measured.predict = lambda self, texts: 1 / 0
    assert run_cell(make_cell(), Measured, train, test_data).row["status"] == "failed"
    assert told == ["pos"]
