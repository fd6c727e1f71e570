"""Cross-validation: each cell judged on its fold, folds put together to one sheet a seed."""

import dataclasses

import numpy as np
import pytest

from fewshot.data.readers import read_rows
from fewshot.data.texts import TextData
from fewshot.evaluation.metrics import SCORES, score_labels
from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.contest import COLUMNS, Cell, Contest
from fewshot.evaluation.runner.folds import Folds, read_sheets
from fewshot.evaluation.runner.store import ResultStore


class Guesser:
    """Answers by a text's number, differently after each training slice."""

    def fit(self, texts, labels):
        self.shift = len(texts[0])

    def predict(self, texts):
        return ["pos" if (int(text.split()[1]) * 7 + self.shift) % 3 else "neg" for text in texts]


class Broken(Guesser):
    """Cannot predict."""

    def predict(self, texts):
        raise RuntimeError("broken")


TEST = TextData(
    [f"text {i}" for i in range(12)], ["pos", "neg", "pos"] * 4, multi_label=False, rows=list(range(100, 112))
)
FOLDS = Folds({seed: np.random.default_rng(seed).permutation(np.arange(12) % 3) for seed in (0, 1)})


def contests(build=Guesser, method="guess", encoder=""):
    """Return a contest for each seed and fold, with training slices that differ."""
    made = []
    for seed in (0, 1):
        for fold in (0, 1, 2):
            train = TextData(["x" * (1 + seed + fold)], ["pos"], multi_label=False, rows=[0])
            cell = Cell(method, encoder, None, 1, 1, seed, key=f"{method}{encoder}-{seed}-{fold}", fold=fold)
            made.append(Contest(cell, build, train))
    return made


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    return ResultStore(tmp_path / "out")


def test_a_cell_is_judged_on_its_fold_alone(store):
    """Prevents texts that a training drew from from being judged, and rows that do not say which fold they are."""
    rows = run_comparison(contests(), TEST, store, folds=FOLDS)
    for row in rows:
        held_out = TEST.select(FOLDS.rows_of(row["seed"], row["fold"]))
        guesser = Guesser()
        guesser.fit(["x" * (1 + row["seed"] + row["fold"])], ["pos"])
        expected = score_labels(held_out.labels, guesser.predict(held_out.texts), multi_label=False)
        assert {name: row[name] for name in SCORES} == {name: expected[name] for name in SCORES}
    written = read_rows(store.folder / "results.csv")
    assert written.columns == (*COLUMNS, "fold")
    assert [(row["seed"], row["fold"]) for row in written.rows] == [(s, f) for s in "01" for f in "012"]


def test_the_folds_of_a_seed_make_one_sheet(store):
    """Prevents a mean over folds of four texts each from being taken for the macro F1 of twelve."""
    made = contests()
    cells = [contest.cell for contest in made]
    run_comparison(made, TEST, store, folds=FOLDS)
    rows, kept = read_sheets(store, cells, TEST, FOLDS)
    assert [row["seed"] for row in rows] == [0, 1]
    for row, (cell, codes) in zip(rows, kept.answers.items(), strict=True):
        answers = [None] * 12
        for fold in (0, 1, 2):
            guesser = Guesser()
            guesser.fit(["x" * (1 + cell.seed + fold)], ["pos"])
            for place in FOLDS.rows_of(cell.seed, fold):
                [answers[place]] = guesser.predict([TEST.texts[place]])
        assert kept.space.decode(codes) == answers
        expected = score_labels(TEST.labels, answers, multi_label=False)
        assert {name: row[name] for name in SCORES} == {name: expected[name] for name in SCORES}
        parts = [found for found in store.rows(cells) if found["seed"] == cell.seed]
        assert row["fit_seconds"] == pytest.approx(np.mean([part["fit_seconds"] for part in parts]))
        assert row["predict_seconds"] == pytest.approx(sum(part["predict_seconds"] for part in parts))
        assert row["macro_f1"] != pytest.approx(np.mean([part["macro_f1"] for part in parts]))
        assert tuple(row) == COLUMNS
        assert (cell.fold, cell.seed) == (None, row["seed"])
    assert kept.space.decode(kept.truth) == TEST.labels


def test_several_labels_a_text(store):
    """Prevents sheets from working for one label a text alone."""
    labels = [("a",), (), ("a", "b"), ("b",)] * 3
    test = dataclasses.replace(TEST, labels=labels, multi_label=True)

    class Both(Guesser):
        def predict(self, texts):
            return [("a", "b") if answer == "pos" else () for answer in super().predict(texts)]

    made = [one._replace(train=dataclasses.replace(one.train, labels=[("a",)], multi_label=True)) for one in contests()]
    made = [one._replace(build=Both) for one in made]
    run_comparison(made, test, store, folds=FOLDS)
    rows, kept = read_sheets(store, [one.cell for one in made], test, FOLDS)
    for row, codes in zip(rows, kept.answers.values(), strict=True):
        expected = score_labels(labels, kept.space.decode(codes), multi_label=True)
        assert (row["micro_f1"], row["mcc"]) == (expected["micro_f1"], None)


def test_a_seed_without_all_its_folds_has_no_sheet(store):
    """Prevents the texts of folds that the budget cut off from counting as wrong, or the rest as the whole."""
    made = contests()
    run_comparison(made[:5], TEST, store, folds=FOLDS)
    rows, kept = read_sheets(store, [one.cell for one in made], TEST, FOLDS)
    assert [row["seed"] for row in rows] == [0]
    assert len(kept.answers) == 1


def test_a_failed_fold_fails_its_seed(store):
    """Prevents scores over the folds that went well, which nobody else is scored on."""
    made = contests()
    made[1] = made[1]._replace(build=Broken)
    other = contests(method="fine")
    run_comparison([*made, *other], TEST, store, folds=FOLDS)
    rows, kept = read_sheets(store, [one.cell for one in (*made, *other)], TEST, FOLDS)
    assert [(row["method"], row["seed"], row["status"]) for row in rows] == [
        ("guess", 0, "failed"),
        ("guess", 1, "ok"),
        ("fine", 0, "ok"),
        ("fine", 1, "ok"),
    ]
    assert rows[0]["error"] == "1 of 3 folds failed, the first with RuntimeError: broken"
    assert rows[0]["accuracy"] is None
    assert len(kept.answers) == 3


def test_encoders_are_kept_apart(store):
    """Prevents the folds of one encoder from filling the sheet of another."""
    made = [*contests(encoder="small"), *contests(encoder="large")]
    run_comparison(made, TEST, store, folds=FOLDS)
    rows, _ = read_sheets(store, [one.cell for one in made], TEST, FOLDS)
    assert [(row["encoder"], row["seed"]) for row in rows] == [("small", 0), ("small", 1), ("large", 0), ("large", 1)]


def test_other_texts_make_no_sheet(store):
    """Prevents answers to other texts of the same number from being read as answers to these."""
    made = contests()
    run_comparison(made, TEST, store, folds=FOLDS)
    other = dataclasses.replace(TEST, texts=[f"other {i}" for i in range(12)])
    rows, kept = read_sheets(store, [one.cell for one in made], other, FOLDS)
    assert rows == []
    assert kept.answers == {}


def test_a_finished_fold_is_not_run_again(store, parrot):
    """Prevents a cross-validation that was stopped from beginning anew."""
    made = [one._replace(build=parrot) for one in contests()]
    run_comparison(made[:4], TEST, store, folds=FOLDS)
    run_comparison(made, TEST, store, folds=FOLDS)
    assert parrot.taught == 6
