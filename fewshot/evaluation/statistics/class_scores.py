"""Which classes a method gets right: F1 class by class over slices and seeds, and who is taken for whom.

Counted from kept predictions, so that nothing is trained again.
"""

import dataclasses

import numpy as np

from fewshot.data.texts import Label
from fewshot.evaluation.metrics import class_counts, ratio
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.prediction_set import PredictionSet


@dataclasses.dataclass(frozen=True, eq=False)
class ClassScores:
    """F1 of one method by seed, slice and class.

    Parameters
    ----------
    seeds, slices : tuple of int
        Ascending: the first and the second axis of ``f1``.
    classes : tuple of labels
        The third axis: every label that is true or was predicted anywhere in the comparison.
    n_true : ndarray of shape (n_classes,)
        How many test texts truly have the class. Where there are none, an F1 says little: it is 0.
    n_train : ndarray of shape (n_seeds, n_slices)
        How many labelled texts the method was trained on; NaN where the cell has no predictions.
    f1 : ndarray of shape (n_seeds, n_slices, n_classes)
        From 0 to 1; NaN where the cell has no predictions.
    """

    seeds: tuple[int, ...]
    slices: tuple[int, ...]
    classes: tuple[Label, ...]
    n_true: np.ndarray
    n_train: np.ndarray
    f1: np.ndarray


def f1_by_class(
    predictions: PredictionSet, method: str, *, encoder: str | None = None, pool: int | str | None = None
) -> ClassScores:
    """Count the F1 of each class for every seed and slice of a method.

    Parameters
    ----------
    predictions : PredictionSet
        See :func:`fewshot.evaluation.runner.prediction_set.read_predictions`.
    method : str
        Its name, as in ``results.csv``.
    encoder, pool : optional
        Needed only where the method ran with several.

    Returns
    -------
    ClassScores

    Raises
    ------
    InputError
        If no cell of the method has predictions, or several entrants have that name.

    Examples
    --------
    >>> from fewshot.data.labels import LabelSpace
    >>> grid = [(slice, seed) for slice in (2, 4) for seed in (0, 1)]
    >>> cells = [Cell("knn", "", None, slice, slice, seed, key=f"{slice}-{seed}") for slice, seed in grid]
    >>> answers = {cell: np.array([0, 1, 1 if cell.slice == 4 else 0]) for cell in cells}
    >>> made = PredictionSet(LabelSpace(("a", "b"), False), np.array([0, 1, 1]), answers)
    >>> f1_by_class(made, "knn").f1[0].round(2)
    array([[0.67, 0.67],
           [1.  , 1.  ]])
    """
    cells = predictions.cells_of(predictions.entrant(method, encoder, pool))
    seeds, slices = sorted({cell.seed for cell in cells}), sorted({cell.slice for cell in cells})
    classes = predictions.space.classes
    f1 = np.full((len(seeds), len(slices), len(classes)), np.nan)
    n_train = np.full((len(seeds), len(slices)), np.nan)
    for cell in cells:
        place = seeds.index(cell.seed), slices.index(cell.slice)
        hits, n_true, n_predicted = class_counts(predictions.truth, predictions.answers[cell], predictions.space)
        f1[place], n_train[place] = ratio(2 * hits, n_true + n_predicted), cell.n_train
    return ClassScores(tuple(seeds), tuple(slices), classes, n_true, n_train, f1)


def confusion_of(predictions: PredictionSet, cell: Cell) -> np.ndarray:
    """Count how often each class was taken for each other in one cell.

    Parameters
    ----------
    predictions : PredictionSet
    cell : Cell
        One of ``predictions.answers``.

    Returns
    -------
    ndarray
        Numbers of test texts in the order of ``predictions.space.classes``. With one label a text, of shape
        (n_classes, n_classes): true class by predicted class. With several, of shape (n_classes, 2, 2): for each class
        whether it is true by whether it was predicted.

    Raises
    ------
    KeyError
        If the cell has no predictions.

    Examples
    --------
    >>> from fewshot.data.labels import LabelSpace
    >>> cell = Cell("knn", "", None, 2, 4, 0, key="a")
    >>> made = PredictionSet(LabelSpace(("a", "b"), False), np.array([0, 1, 1]), {cell: np.array([0, 0, 1])})
    >>> confusion_of(made, cell)
    array([[1, 0],
           [1, 1]])
    """
    truth, answer = predictions.truth.astype(np.int64), predictions.answers[cell]
    size = len(predictions.space.classes)
    if not predictions.space.multi_label:
        return np.bincount(truth * size + answer, minlength=size * size).reshape(size, size)
    pairs = truth * 2 + answer + 4 * np.arange(size)
    return np.bincount(pairs.ravel(), minlength=4 * size).reshape(size, 2, 2)
