"""Reading what was predicted: only what belongs to these texts, in codes that mean the same for all."""

import dataclasses

import numpy as np
import pytest

from fewshot.data.texts import TextData
from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.contest import Contest
from fewshot.evaluation.runner.prediction_set import read_predictions
from fewshot.evaluation.runner.store import ResultStore


def answering(labels):
    """Make a contestant that gives these answers."""
    return type("Answering", (), {"fit": lambda *_: None, "predict": lambda *_: labels})


@pytest.fixture
def store(tmp_path):
    """An empty folder, opened."""
    return ResultStore.open(tmp_path, {"data": "3f2a"})


def test_codes_of_all_cells_mean_the_same(store, make_cell, train, test_data):
    """Prevents labels that only one method predicts from moving the codes of the others."""
    given = [["pos", "neg", "pos", "new"], ["alien", "neg", "pos", "zebra"], ["neg"] * 4]
    contests = [Contest(make_cell(seed), answering(labels), train) for seed, labels in enumerate(given)]
    run_comparison(contests, test_data, store)
    found = read_predictions(store, [contest.cell for contest in contests], test_data)
    assert found.space.classes == ("alien", "neg", "new", "pos", "zebra")
    assert found.space.decode(found.truth) == test_data.labels
    for contest, labels in zip(contests, given, strict=True):
        assert found.space.decode(found.answers[contest.cell]) == labels
        assert store.predictions(contest.cell).labels == labels


def test_what_failed_or_was_predicted_for_other_texts_is_left_out(store, make_cell, make_contests, train, test_data):
    """Prevents answers to other texts, or to these in another order, from being scored against these."""
    contests = [*make_contests(1), Contest(make_cell(1), answering(["pos"]), train)]
    run_comparison(contests, test_data, store)
    cells = [contest.cell for contest in contests]
    assert list(read_predictions(store, [*cells, make_cell(7)], test_data).answers) == cells[:1]
    for other in (test_data.select([1, 0, 2, 3]), test_data.select([0, 1, 2])):
        assert read_predictions(store, cells, other).answers == {}
    relabeled = dataclasses.replace(test_data, labels=["other"] * 4)
    assert read_predictions(store, cells, relabeled).answers == {}


def test_several_labels_and_none_are_read(store, make_cell):
    """Prevents rows of labels from being read in the wrong width, and a crash where no text has any."""
    data = TextData(["a", "b", "c"], [("x", "y"), (), ("y",)], multi_label=True, rows=[0, 1, 2])
    empty = dataclasses.replace(data, labels=[(), (), ()])
    for key, test, labels in (("a", data, [("z",), ("x",), ("x", "y")]), ("b", empty, [(), (), ()])):
        cell = make_cell(key=key)
        run_comparison([Contest(cell, answering(labels), data)], test, store)
        found = read_predictions(store, [cell], test)
        assert found.space.decode(found.answers[cell]) == labels
        assert found.space.decode(found.truth) == test.labels
        assert found.truth.dtype == np.uint8
