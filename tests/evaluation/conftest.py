"""Contestants of a few lines, the texts they meet, and result rows without a run."""

import pytest

from fewshot.data.texts import TextData
from fewshot.evaluation.runner.contest import COLUMNS, Cell, Contest


class Parrot:
    """Repeats the first label it was taught, and counts how often it was taught."""

    taught = 0

    def fit(self, texts, labels):
        type(self).taught += 1
        self.answer = labels[0]
        return self

    def predict(self, texts):
        return [self.answer] * len(texts)


@pytest.fixture
def parrot():
    """Return a fresh class, so that counts do not leak from one test to the next."""
    return type("Parrot", (Parrot,), {})


@pytest.fixture
def train():
    """Two labelled texts."""
    return TextData(["good", "bad"], ["pos", "neg"], multi_label=False, rows=[0, 1])


@pytest.fixture
def test_data():
    """Four labelled texts, the last of a class that `train` has not."""
    return TextData(["fine", "poor", "nice", "odd"], ["pos", "neg", "pos", "new"], multi_label=False, rows=[0, 1, 2, 3])


@pytest.fixture
def make_cell():
    """Cells that differ by their seed."""

    def make(seed=0, **changes):
        identity = {"method": "parrot", "encoder": "bundled", "pool": None, "slice": 1, "n_train": 2, "seed": seed}
        return Cell(**identity | {"key": f"parrot-{seed}"} | changes)

    return make


@pytest.fixture
def make_contests(make_cell, train, parrot):
    """As many contests as asked for, one a seed."""

    def make(n, build=parrot):
        return [Contest(make_cell(seed), build, train) for seed in range(n)]

    return make


@pytest.fixture
def make_row():
    """Result rows of a finished cell."""

    def make(score=0.5, **changes):
        row = dict.fromkeys(COLUMNS) | {"method": "knn", "encoder": "bundled", "slice": 8, "n_train": 16, "seed": 0}
        row |= {"status": "ok", "accuracy": score, "micro_f1": score, "macro_f1": score / 2, "mcc": score / 4}
        return row | {"fit_seconds": 1.0, "predict_seconds": 0.25} | changes

    return make


@pytest.fixture
def failed_row(make_row):
    """The result row of a cell that failed."""
    scores = dict.fromkeys(("accuracy", "micro_f1", "macro_f1", "mcc", "fit_seconds", "predict_seconds"))
    return make_row(**scores, status="failed", seed=9, error="ValueError: <b>no</b>")
