"""All that was predicted in a comparison, in codes of one label space, beside the truth: ready to compare and count.

What is read here knows neither texts nor files any more. Statistics over it stand in ``contrasts``, ``class_scores``.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import TextData
from fewshot.evaluation.coding import space_of
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.predictions import Predictions
from fewshot.evaluation.runner.store import ResultStore


class Entrant(NamedTuple):
    """Who meets every slice and seed: a method with an encoder and a pool."""

    method: str
    encoder: str
    pool: int | str | None


@dataclasses.dataclass(frozen=True, eq=False)
class PredictionSet:
    """The answers of many cells to the same test texts, and the right ones.

    Parameters
    ----------
    space : LabelSpace
        What the codes mean: every label that is true or was predicted anywhere.
    truth : ndarray of shape (n_texts,), or (n_texts, n_classes) of 0 and 1 in multi-label tasks
        The true codes.
    answers : dict of Cell to ndarray like ``truth``
        The predicted codes. Cells that failed, or were kept without predictions, are not in it.

    Examples
    --------
    >>> grid = [(slice, seed) for slice in (4, 2) for seed in (0, 1)]
    >>> cells = [Cell("knn", "", None, slice, slice, seed, key=f"{slice}-{seed}") for slice, seed in grid]
    >>> answers = {cell: np.array([0, 0]) for cell in cells}
    >>> made = PredictionSet(LabelSpace(("a", "b"), False), np.array([0, 1]), answers)
    >>> made.slices, made.entrants, [cell.seed for cell in made.cells_of(Entrant("knn", "", None), 2)]
    ([2, 4], [Entrant(method='knn', encoder='', pool=None)], [0, 1])
    """

    space: LabelSpace
    truth: np.ndarray
    answers: dict[Cell, np.ndarray]

    @property
    def slices(self) -> list[int]:
        """The sizes of training slices, ascending."""
        return sorted({cell.slice for cell in self.answers})

    @property
    def entrants(self) -> list[Entrant]:
        """Who was compared, in the order of first appearance."""
        return list(dict.fromkeys(entrant_of(cell) for cell in self.answers))

    def cells_of(self, entrant: Entrant, slice: int | None = None) -> list[Cell]:
        """Return the cells of an entrant that have predictions, on one slice or on all."""
        return [cell for cell in self.answers if entrant_of(cell) == entrant and slice in (None, cell.slice)]

    def entrant(self, method: str, encoder: str | None = None, pool: int | str | None = None) -> Entrant:
        """Return the one entrant of that name; ``encoder`` and ``pool`` are needed only where a method has several.

        Raises
        ------
        InputError
            If there is none, or more than one.
        """
        named = [entrant for entrant in self.entrants if entrant.method == method]
        found = [one for one in named if encoder in (None, one.encoder) and pool in (None, one.pool)]
        if len(found) != 1:
            known = ", ".join(map(str, named)) if named else ", ".join({one.method: "" for one in self.entrants})
            raise InputError(
                f"method {method!r} (encoder={encoder!r}, pool={pool!r}) must name one entrant with predictions, "
                f"got {len(found)}; there are: {known}"
            )
        return found[0]


def entrant_of(cell: Cell) -> Entrant:
    """Return who a cell belongs to.

    Examples
    --------
    >>> entrant_of(Cell("knn", "bundled", None, 8, 16, 0, key="3f2a")).method
    'knn'
    """
    return Entrant(cell.method, cell.encoder, cell.pool)


def read_predictions(store: ResultStore, cells: Iterable[Cell], test: TextData) -> PredictionSet:
    """Read what was predicted in the cells of a comparison.

    Parameters
    ----------
    store : ResultStore
        Where they are kept.
    cells : iterable of Cell
        Which cells. Those that failed, are not there, were kept without predictions, or belong to other test texts
        are left out.
    test : TextData
        The labelled test texts, in the order in which they were predicted.

    Returns
    -------
    PredictionSet
        Cells in the order of ``cells``, codes in as few bytes as the classes allow.

    Examples
    --------
    >>> import tempfile
    >>> from fewshot.evaluation.runner.compare import run_comparison
    >>> class Constant:
    ...     def fit(self, texts, labels): self.answer = labels[0]
    ...     def predict(self, texts): return [self.answer] * len(texts)
    >>> train = TextData(["good"], ["pos"], multi_label=False, rows=[0])
    >>> test = TextData(["fine", "poor"], ["pos", "neg"], multi_label=False, rows=[0, 1])
    >>> cell, store = Cell("constant", "", None, 1, 1, 0, key="a"), ResultStore(tempfile.mkdtemp())
    >>> _ = run_comparison([(cell, Constant, train)], test, store)
    >>> made = read_predictions(store, [cell], test)
    >>> made.space.classes, made.truth, made.answers[cell]
    (('neg', 'pos'), array([1, 0], dtype=uint8), array([1, 1], dtype=uint8))
    """
    found = {cell: store.predictions(cell) for cell in cells}
    return predictions_of({cell: one for cell, one in found.items() if one is not None}, test)


def predictions_of(found: Mapping[Cell, Predictions], test: TextData) -> PredictionSet:
    """Bring the predictions of cells into codes of one label space; those for other test texts are left out.

    Examples
    --------
    >>> test = TextData(["fine", "poor"], ["pos", "neg"], multi_label=False, rows=[0, 1])
    >>> one = Predictions(LabelSpace(("neg", "pos"), False), np.array([1, 1]), fingerprint(test.texts))
    >>> predictions_of({Cell("constant", "", None, 1, 1, 0, key="a"): one}, test).truth
    array([1, 0], dtype=uint8)
    """
    texts, own = fingerprint(test.texts), space_of(test.labels, multi_label=test.multi_label)
    kept = {cell: one for cell, one in found.items() if one.texts == texts and _fits(one, own)}
    predicted = {label for one in kept.values() for label in one.space.classes}
    space = space_of(test.labels, multi_label=test.multi_label, classes=sorted(predicted))
    width = np.uint8 if space.multi_label else np.min_scalar_type(max(len(space.classes) - 1, 0))
    answers = {cell: one.codes_in(space).astype(width) for cell, one in kept.items()}
    return PredictionSet(space, space.encode(test.labels).astype(width), answers)


def _fits(found: Predictions, own: LabelSpace) -> bool:
    return found.space.multi_label == own.multi_label and set(own.classes) <= set(found.space.classes)
