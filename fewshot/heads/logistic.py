"""Logistic regression on vectors: a :class:`LinearHead` whose regularization the training data choose.

scikit-learn and SciPy wait inside the functions that fit: predicting needs neither.
"""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from fewshot.data.augmentation import own_rows, rows_apart
from fewshot.evaluation.thresholds import check_thresholds, chosen_thresholds, micro_f1, steady_threshold
from fewshot.heads.linear import NEVER, LinearHead
from fewshot.heads.logits import expit, softmax
from fewshot.heads.vectors import check_vectors, row_weights

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

C_GRID = (0.1, 1.0, 10.0, 100.0)
"""Inverse regularization strengths that are tried; on unit vectors small training sets want weak regularization."""

DEFAULT_C = 10.0
MAX_FOLDS = 5
ALWAYS = 20.0

Splits = list[tuple[np.ndarray, np.ndarray]]
Fitted = tuple[np.ndarray, np.ndarray]

one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")
"""Heads are small: L-BFGS makes thousands of short calls, whose threads wait for each other. On two cores that others
used too, one thread took 0.9 s where two took 34 s (600 texts, 77 classes, 384 dimensions)."""


@one_blas_thread
def fit_linear(
    X: np.ndarray,
    y: np.ndarray,
    *,
    n_classes: int,
    random_state: int = 0,
    class_weight: str | None = None,
    sample_weight: np.ndarray | None = None,
    source_rows: np.ndarray | None = None,
    thresholds: str = "common",
) -> LinearHead:
    """Fit logistic regression with its regularization chosen by cross-validation inside the training data.

    Parameters
    ----------
    X : ndarray of shape (n, dimension)
        Unit vectors.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix (multi-label: one regression a label).
    n_classes : int
        A class without a row gets a probability of 0 for every purpose.
    random_state : int, default=0
        Decides the folds.
    class_weight : {None, "balanced"}, default=None
        ``"balanced"``: all classes count alike, however many rows they have.
    sample_weight : ndarray of shape (n,), optional
        How much each row counts; default 1.
    source_rows : ndarray of shape (n, n_sources), optional
        Which rows each is made from, where some are copies of augmented texts; by default none is. Copies are never
        judged on, and what is made of a held-out row trains nothing.
    thresholds : {"common", "per-label"}, default="common"
        Multi-label only: one threshold for all labels, the best by micro-F1 on held-out rows (with few of them drawn to
        the one from which as many labels apply as are true), or one for each.

    Returns
    -------
    LinearHead

    Raises
    ------
    InputError
        If shapes, class numbers or weights cannot be used.

    Notes
    -----
    C is chosen by accuracy, with the same weights (multi-label: by micro-F1 at the threshold), ties by
    log-likelihood. A class with one row only cannot be held out: the row then trains in every fold. Where fewer than
    two classes have more, as with one label a class, there is nothing to cross-validate and C is 10. On Banking77 with
    8 per class C=1, scikit-learn's default, costs 4.6 points against C=10.

    The folds are fitted in single precision, each from the solution at the C before. Where there are fewer rows than
    dimensions, all is fitted in the space that the rows span: the penalty does not change under rotation, so the
    solution is the same.

    Examples
    --------
    >>> head = fit_linear(np.eye(2).repeat(4, axis=0), np.arange(2).repeat(4), n_classes=2)
    >>> head.predict_proba(np.eye(2)).argmax(axis=1).tolist()
    [0, 1]
    """
    check_vectors(X, y, n_classes)
    check_thresholds(thresholds)
    weight = row_weights(y, n_classes, class_weight=class_weight, sample_weight=sample_weight)
    Z, basis = _in_their_span(X)
    splits = _folds(y, n_classes, random_state, source_rows)
    threshold: float | np.ndarray
    if y.ndim == 2:
        C, threshold = _choose_multi_label(Z, y, weight, splits, thresholds)
        coef, intercept = _logistic_per_label(Z, y, C, weight)
    else:
        C, threshold = _choose(Z, y, weight, n_classes, splits), 0.5
        coef, intercept = _logistic(Z, y, C, n_classes, weight)
    coef = coef if basis is None else coef @ basis.T
    return LinearHead(coef, intercept, multi_label=y.ndim == 2, C=C, threshold=threshold)


@one_blas_thread
def held_out_linear(
    X: np.ndarray,
    y: np.ndarray,
    *,
    n_classes: int,
    C: float,
    random_state: int = 0,
    class_weight: str | None = None,
    sample_weight: np.ndarray | None = None,
    source_rows: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what regressions at this strength say of the rows that they were not fitted to, by cross-validation.

    Parameters
    ----------
    X, y, n_classes, random_state, class_weight, sample_weight, source_rows
        As of :func:`fit_linear`.
    C : float
        The strength that it chose, ``head.C``.

    Returns
    -------
    rows : ndarray of shape (m,)
        The rows that could be held out; none where each class has one row.
    probabilities : ndarray of shape (m, n_classes)

    Examples
    --------
    >>> rows, held_out = held_out_linear(np.eye(2).repeat(4, axis=0), np.arange(2).repeat(4), n_classes=2, C=10.0)
    >>> rows.tolist(), held_out.shape
    ([0, 1, 2, 3, 4, 5, 6, 7], (8, 2))
    """
    check_vectors(X, y, n_classes)
    weight = row_weights(y, n_classes, class_weight=class_weight, sample_weight=sample_weight)
    Z, _ = _in_their_span(X)
    held_out, seen = np.empty((len(y), n_classes)), np.zeros(len(y), dtype=bool)
    for train, test in _folds(y, n_classes, random_state, source_rows):
        if y.ndim == 2:
            coef, intercept = _logistic_per_label(Z[train], y[train], C, weight[train])
        else:
            coef, intercept = _logistic(Z[train], y[train], C, n_classes, weight[train])
        logits = Z[test] @ coef.T + intercept
        held_out[test], seen[test] = expit(logits) if y.ndim == 2 else softmax(logits), True
    return np.flatnonzero(seen), held_out[seen]


def _in_their_span(X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows in coordinates of the space that they span, and its basis ``(dimension, n)``."""
    X = X.astype(np.float64)
    if len(X) >= X.shape[1]:
        return X, None
    basis, upper = np.linalg.qr(X.T)
    return np.ascontiguousarray(upper.T), basis


def _folds(y: np.ndarray, n_classes: int, random_state: int, source_rows: np.ndarray | None = None) -> Splits:
    """Deal the rows that are no copies into folds; what is made of a held-out row is in neither part."""
    source_rows = np.arange(len(y))[:, None] if source_rows is None else source_rows
    own = own_rows(source_rows)
    return [
        (rows_apart(source_rows, own[test]), own[test]) for test in _held_out_parts(y[own], n_classes, random_state)
    ]


def _held_out_parts(y: np.ndarray, n_classes: int, random_state: int) -> list[np.ndarray]:
    from sklearn.model_selection import KFold, StratifiedKFold

    if y.ndim == 2:
        folds = min(MAX_FOLDS, len(y))
        kind = KFold(folds, shuffle=True, random_state=random_state) if folds > 1 else None
        return [] if kind is None else [test for _, test in kind.split(y)]
    counts = np.bincount(y, minlength=n_classes)
    if np.count_nonzero(counts > 1) < 2:
        return []
    several = np.flatnonzero(counts[y] > 1)
    kind = StratifiedKFold(min(MAX_FOLDS, int(counts[counts > 1].min())), shuffle=True, random_state=random_state)
    return [several[test] for _, test in kind.split(several, y[several])]


def _choose(Z: np.ndarray, y: np.ndarray, weight: np.ndarray, n_classes: int, splits: Splits) -> float:
    if not splits:
        return DEFAULT_C
    from scipy.special import log_softmax

    hits, log_likelihood = np.zeros(len(C_GRID)), np.zeros(len(C_GRID))
    for train, test in splits:
        for i, (coef, intercept) in enumerate(_path(Z[train], y[train], n_classes, weight[train])):
            scores = log_softmax(Z[test] @ coef.T + intercept, axis=1)
            hits[i] += weight[test] @ (scores.argmax(axis=1) == y[test])
            log_likelihood[i] += weight[test] @ scores[np.arange(len(test)), y[test]]
    return C_GRID[max(range(len(C_GRID)), key=lambda i: (round(float(hits[i]), 9), log_likelihood[i]))]


def _path(Z: np.ndarray, y: np.ndarray, n_classes: int, weight: np.ndarray) -> Iterator[Fitted]:
    """Fit one regression a strength, each from the solution before: enough to compare them, not to keep them."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000, warm_start=True)
    Z, weight = Z.astype(np.float32), weight.astype(np.float32)
    for C in C_GRID:
        yield _logistic(Z, y, C, n_classes, weight, model)


def _logistic(
    X: np.ndarray,
    y: np.ndarray,
    C: float,
    n_classes: int,
    weight: np.ndarray,
    model: "LogisticRegression | None" = None,
) -> Fitted:
    """Fit one multinomial regression; two classes give two rows, half of scikit-learn's one each."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(y)
    coef, intercept = np.zeros((n_classes, X.shape[1])), np.full(n_classes, NEVER)
    if len(present) == 1:
        intercept[present] = 0.0
        return coef, intercept
    model = (model or LogisticRegression(max_iter=1000)).set_params(C=C)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes")  # it takes few labels a class for a mistake
        model.fit(X, y, sample_weight=weight)
    if len(present) == 2:
        coef[present] = np.vstack([-model.coef_, model.coef_]) / 2
        intercept[present] = np.concatenate([-model.intercept_, model.intercept_]) / 2
    else:
        coef[present], intercept[present] = model.coef_, model.intercept_
    return coef, intercept


def _choose_multi_label(
    Z: np.ndarray, y: np.ndarray, weight: np.ndarray, splits: Splits, thresholds: str
) -> tuple[float, float | np.ndarray]:
    if not splits:
        return DEFAULT_C, 0.5
    held_out = np.empty((len(C_GRID), *y.shape))
    for train, test in splits:
        for label in range(y.shape[1]):
            path = _path_of_label(Z[train], y[train, label], weight[train, label])
            for i, (coef, intercept) in enumerate(path):
                held_out[i, test, label] = expit(Z[test] @ coef + intercept)
    judged = np.sort(np.concatenate([test for _, test in splits]))
    rated = []
    for C, probabilities in zip(C_GRID, held_out[:, judged], strict=True):
        threshold = steady_threshold(y[judged], probabilities)
        f1 = micro_f1(y[judged], probabilities >= threshold)
        rated.append((f1, -_log_loss(y[judged], probabilities), C))
    _, _, C = max(rated)
    return C, chosen_thresholds(y[judged], held_out[C_GRID.index(C), judged], thresholds)


def _path_of_label(Z: np.ndarray, column: np.ndarray, weight: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    if column.min() == column.max():
        yield from [(np.zeros(Z.shape[1]), _constant(column))] * len(C_GRID)
        return
    for coef, intercept in _path(Z, column, 2, weight):
        yield 2 * coef[1], 2 * intercept[1]


def _logistic_per_label(X: np.ndarray, y: np.ndarray, C: float, weight: np.ndarray) -> Fitted:
    """Fit one binary regression a label; a label that is constant in training is a constant prediction."""
    coef, intercept = np.zeros((y.shape[1], X.shape[1])), np.empty(y.shape[1])
    for label in range(y.shape[1]):
        column = y[:, label]
        if column.min() == column.max():
            intercept[label] = _constant(column)
            continue
        pair_coef, pair_intercept = _logistic(X, column, C, 2, weight[:, label])
        coef[label], intercept[label] = 2 * pair_coef[1], 2 * pair_intercept[1]
    return coef, intercept


def _constant(column: np.ndarray) -> float:
    return ALWAYS if column[0] else NEVER


def _log_loss(y: np.ndarray, probabilities: np.ndarray) -> float:
    clipped = probabilities.clip(1e-12, 1 - 1e-12)
    return float(-(y * np.log(clipped) + (1 - y) * np.log1p(-clipped)).mean())
