"""Cross-validation in place of a test set: which texts a cell is judged on, and folds put together to answer sheets.

A cell of a cross-validation is judged on the one fold that its training did not draw from. A dozen texts make no score
to speak of, and macro F1 over the few classes that happen to be among them is another figure than macro F1. So the
answers to the folds of a seed are put together to one sheet over all texts, and that is scored: from there on a seed is
a seed, as with a test set, and all that is reckoned over seeds and texts holds.

One thing is different, and can be mended by no statistics: the trainings of a seed draw from texts that overlap (with
five folds, three quarters of those that two of them draw from are the same), and every text is judged by trainings on
the others. Seeds are therefore less independent of each other than draws from many labels would be, and bands somewhat
too narrow (Bengio and Grandvalet 2004: there is no unbiased estimate of this variance). Methods meet the same slices
and folds, so that their differences are told more surely than their scores.

References
----------
Bengio, Grandvalet 2004, "No unbiased estimator of the variance of k-fold cross-validation", Journal of Machine
Learning Research 5.
"""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fewshot.core.artifacts import fingerprint
from fewshot.data.texts import TextData
from fewshot.evaluation.coding import encode_labels
from fewshot.evaluation.metrics import SCORES, score_codes
from fewshot.evaluation.runner.contest import COLUMNS, Cell
from fewshot.evaluation.runner.prediction_set import PredictionSet, entrant_of, predictions_of
from fewshot.evaluation.runner.predictions import Predictions
from fewshot.evaluation.runner.store import ResultStore

SEEDS = "seeds.csv"
"""The file of a cross-validation that has one row a seed, folds put together, beside ``results.csv`` with its folds."""


@dataclasses.dataclass(frozen=True, eq=False)
class Folds:
    """Which texts are held out together.

    Parameters
    ----------
    fold_of : mapping of int to ndarray of shape (n_texts,)
        By seed: the fold of each text that is judged, from 0. Numbers may be left out.

    Examples
    --------
    >>> folds = Folds({0: np.array([0, 1, 0, 1])})
    >>> folds.rows_of(0, 1), folds.numbers(0)
    (array([1, 3]), [0, 1])
    """

    fold_of: Mapping[int, np.ndarray]

    def rows_of(self, seed: int, fold: int | None) -> np.ndarray:
        """Return the texts that a cell of this seed and fold is judged on, ascending."""
        return np.flatnonzero(self.fold_of[seed] == fold)

    def numbers(self, seed: int) -> list[int]:
        """Return the folds of a seed that hold a text."""
        return np.unique(self.fold_of[seed]).tolist()


def judged_texts(cell: Cell, test: TextData, folds: Folds | None) -> TextData:
    """Return the texts that a cell is judged on: all, or in a cross-validation those of its fold."""
    return test if folds is None else test.select(folds.rows_of(cell.seed, cell.fold))


def read_sheets(
    store: ResultStore, cells: Iterable[Cell], test: TextData, folds: Folds
) -> tuple[list[dict[str, Any]], PredictionSet]:
    """Put the folds of each seed together, as if it had been judged on all texts at once.

    Parameters
    ----------
    store : ResultStore
        Where the results of the cells are kept.
    cells : iterable of Cell
        Each with a ``fold``.
    test : TextData
        All texts that are judged, in the order of ``folds``.
    folds : Folds

    Returns
    -------
    rows : list of dict
        One a method, encoder, pool, slice and seed, in their order of first appearance, with one value for each of
        ``COLUMNS``: scores of the whole sheet, the mean seconds of a training, the seconds of predicting all texts. If
        a fold failed, so did the seed. One of which a fold was not run yet has no row.
    predictions : PredictionSet
        The sheets, each under a cell without a fold.
    """
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((*entrant_of(cell), cell.slice, cell.seed), []).append(cell)
    rows: list[dict[str, Any]] = []
    kept: dict[Cell, Predictions] = {}
    for group in groups.values():
        found = store.rows(group)
        if sorted(row["fold"] for row in found) != folds.numbers(group[0].seed):
            continue
        whole = _whole_cell(group, found)
        failed = [row for row in found if row["status"] != "ok"]
        if failed:
            told = f"{len(failed)} of {len(found)} folds failed, the first with {failed[0]['error']}"
            rows.append(dict.fromkeys(COLUMNS) | whole.identity | {"status": "failed", "error": told})
        elif (sheet := _sheet(store, group, test, folds)) is not None:
            rows.append(_row_of(whole, found, sheet, test))
            kept[whole] = sheet
    return rows, predictions_of(kept, test)


def _whole_cell(group: Sequence[Cell], rows: Sequence[Mapping[str, Any]]) -> Cell:
    """Return the cell that stands for all folds of a seed."""
    n_train = round(statistics.mean(row["n_train"] for row in rows))
    return dataclasses.replace(group[0], n_train=n_train, fold=None, key=fingerprint(cell.key for cell in group))


def _sheet(store: ResultStore, group: Sequence[Cell], test: TextData, folds: Folds) -> Predictions | None:
    """Return the answers to all texts; ``None`` where those of a fold were not kept, or are to other texts."""
    answers: list[Any] = [None] * len(test)
    for cell in group:
        rows = folds.rows_of(cell.seed, cell.fold)
        found = store.predictions(cell)
        if found is None or found.texts != fingerprint(test.texts[row] for row in rows):
            return None
        for row, label in zip(rows, found.labels, strict=True):
            answers[row] = label
    space, _, codes = encode_labels(test.labels, answers, multi_label=test.multi_label)
    return Predictions(space, codes, fingerprint(test.texts))


def _row_of(whole: Cell, rows: Sequence[Mapping[str, Any]], sheet: Predictions, test: TextData) -> dict[str, Any]:
    scores = score_codes(sheet.space.encode(test.labels), sheet.codes, sheet.space)
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | whole.identity | {"status": "ok"}
    row |= {name: scores[name] for name in SCORES}
    row["fit_seconds"] = statistics.mean(one["fit_seconds"] for one in rows)
    return row | {"predict_seconds": sum(one["predict_seconds"] for one in rows)}
