"""Classifiers of vectors: what sits on an encoder and turns a text's vector into class probabilities.

A head is fitted by one of the functions here and is then a plain value: arrays in, probabilities out. It knows no text.
"""

import dataclasses
import warnings

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from fewshot.core.errors import InputError
from fewshot.evaluation.thresholds import best_threshold

C_GRID = (0.1, 1.0, 10.0, 100.0)
"""Inverse regularization strengths that are tried; on unit vectors small training sets want weak regularization."""

DEFAULT_C = 10.0
MAX_FOLDS = 5

_one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")
"""Heads are small: L-BFGS makes thousands of short calls, whose threads wait for each other. On two cores that others
used too, one thread took 0.9 s where two took 34 s (600 texts, 77 classes, 384 dimensions)."""


@dataclasses.dataclass(frozen=True)
class LinearHead:
    """Softmax (single-label) or independent sigmoids (multi-label) over a linear map.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, dimension)
    intercept : ndarray of shape (n_classes,)
    multi_label : bool
    C : float
        The inverse regularization strength that was chosen.
    threshold : float, default=0.5
        The probability from which a label applies; multi-label only.
    """

    coef: np.ndarray
    intercept: np.ndarray
    multi_label: bool
    C: float
    threshold: float = 0.5

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities ``(n, n_classes)``; single-label rows sum to 1."""
        logits = X @ self.coef.T + self.intercept
        return expit(logits) if self.multi_label else softmax(logits, axis=1)


@_one_blas_thread
def fit_linear(X: np.ndarray, y: np.ndarray, *, n_classes: int, random_state: int = 0) -> LinearHead:
    """Fit logistic regression with its regularization chosen by cross-validation inside the training data.

    Parameters
    ----------
    X : ndarray of shape (n, dimension)
        Unit vectors.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix (multi-label: one regression a label).
    n_classes : int
    random_state : int, default=0
        Decides the folds.

    Returns
    -------
    LinearHead

    Notes
    -----
    C is chosen by accuracy (multi-label: by micro-F1 at the best threshold), ties by log-likelihood. Where a class has
    one example only, as with one label a class, there is nothing to cross-validate and C is 10. On Banking77 with 8 per
    class C=1, scikit-learn's default, costs 4.6 points against C=10.
    """
    if y.ndim == 2:
        return _fit_multi_label(X, y, random_state)
    folds = min(MAX_FOLDS, int(np.bincount(y, minlength=n_classes).min()))
    if folds < 2:
        return LinearHead(*_logistic(X, y, DEFAULT_C, n_classes), multi_label=False, C=DEFAULT_C)
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=random_state).split(X, y))
    scores = [_cross_validated(X, y, C, n_classes, splits) for C in C_GRID]
    C = C_GRID[max(range(len(C_GRID)), key=lambda i: scores[i])]
    return LinearHead(*_logistic(X, y, C, n_classes), multi_label=False, C=C)


def _cross_validated(
    X: np.ndarray, y: np.ndarray, C: float, n_classes: int, splits: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[float, float]:
    log_likelihood, hits = 0.0, 0
    for train, test in splits:
        coef, intercept = _logistic(X[train], y[train], C, n_classes)
        scores = log_softmax(X[test] @ coef.T + intercept, axis=1)
        hits += int((scores.argmax(axis=1) == y[test]).sum())
        log_likelihood += float(scores[np.arange(len(test)), y[test]].sum())
    return hits / len(y), log_likelihood


def _logistic(X: np.ndarray, y: np.ndarray, C: float, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit one multinomial regression; two classes give two rows, half of scikit-learn's one each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=C, max_iter=1000).fit(X.astype(np.float64), y)
    if n_classes == 2:
        return np.vstack([-model.coef_, model.coef_]) / 2, np.concatenate([-model.intercept_, model.intercept_]) / 2
    return np.ascontiguousarray(model.coef_), model.intercept_


def _fit_multi_label(X: np.ndarray, y: np.ndarray, random_state: int) -> LinearHead:
    folds = min(MAX_FOLDS, len(y))
    if folds < 2:
        return LinearHead(*_logistic_per_label(X, y, DEFAULT_C), multi_label=True, C=DEFAULT_C)
    splits = list(KFold(folds, shuffle=True, random_state=random_state).split(X))
    best: tuple[float, float, float, float] | None = None
    for C in C_GRID:
        held_out = np.empty(y.shape)
        for train, test in splits:
            coef, intercept = _logistic_per_label(X[train], y[train], C)
            held_out[test] = expit(X[test] @ coef.T + intercept)
        threshold = best_threshold(y, held_out)
        candidate = (_micro_f1(y, held_out >= threshold), -_log_loss(y, held_out), C, threshold)
        best = max(best, candidate) if best else candidate
    assert best is not None
    _, _, C, threshold = best
    return LinearHead(*_logistic_per_label(X, y, C), multi_label=True, C=C, threshold=threshold)


def _logistic_per_label(X: np.ndarray, y: np.ndarray, C: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit one binary regression a label; a label that is constant in training is a constant prediction."""
    coef, intercept = np.zeros((y.shape[1], X.shape[1])), np.empty(y.shape[1])
    for label in range(y.shape[1]):
        column = y[:, label]
        if column.min() == column.max():
            intercept[label] = 20.0 if column[0] else -20.0
            continue
        pair_coef, pair_intercept = _logistic(X, column, C, n_classes=2)
        coef[label], intercept[label] = 2 * pair_coef[1], 2 * pair_intercept[1]
    return coef, intercept


def _micro_f1(y: np.ndarray, predicted: np.ndarray) -> float:
    return float(2 * (y * predicted).sum() / max(1.0, y.sum() + predicted.sum()))


def _log_loss(y: np.ndarray, probabilities: np.ndarray) -> float:
    clipped = probabilities.clip(1e-12, 1 - 1e-12)
    return float(-(y * np.log(clipped) + (1 - y) * np.log1p(-clipped)).mean())


@_one_blas_thread
def fit_soft_linear(
    X: np.ndarray,
    targets: np.ndarray,
    *,
    multi_label: bool,
    sample_weight: np.ndarray | None = None,
    C: float = DEFAULT_C,
    threshold: float = 0.5,
) -> LinearHead:
    """Fit a linear head to probabilities instead of classes, as a student does to its teacher's.

    Parameters
    ----------
    X : ndarray of shape (n, dimension)
        Unit vectors.
    targets : ndarray of shape (n, n_classes)
        Wanted probabilities; a gold label is a row of zeros and ones.
    multi_label : bool
        Sigmoids with binary cross-entropy instead of a softmax with cross-entropy.
    sample_weight : ndarray of shape (n,), optional
        How much each row counts; default 1.
    C : float, default=10.0
        Inverse regularization strength, as in scikit-learn: the penalty is ``|coef|²/2`` beside ``C`` times the *sum*
        of the rows' losses. With hard targets the result is scikit-learn's.
    threshold : float, default=0.5
        Kept in the head.

    Returns
    -------
    LinearHead

    References
    ----------
    Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
    """
    X, targets = X.astype(np.float64), targets.astype(np.float64)
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    if not len(X) == len(targets) == len(weight):
        raise InputError(f"X, targets and sample_weight differ in length: {len(X)}, {len(targets)}, {len(weight)}")
    n_classes, dimension = targets.shape[1], X.shape[1]
    # Two softmax rows share between them what scikit-learn's one row has, so the same solution costs half the penalty.
    penalty = 2.0 if n_classes == 2 and not multi_label else 1.0

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        coef, intercept = flat[:-n_classes].reshape(n_classes, dimension), flat[-n_classes:]
        logits = X @ coef.T + intercept
        if multi_label:
            losses = -(targets * log_expit(logits) + (1 - targets) * log_expit(-logits)).sum(axis=1)
            slope = expit(logits) - targets
        else:
            logs = log_softmax(logits, axis=1)
            losses = -(targets * logs).sum(axis=1)
            slope = np.exp(logs) * targets.sum(axis=1, keepdims=True) - targets
        slope *= C * weight[:, None]
        gradient = np.concatenate([(slope.T @ X + penalty * coef).ravel(), slope.sum(axis=0)])
        return C * float(weight @ losses) + penalty * float((coef**2).sum()) / 2, gradient

    start = np.zeros(n_classes * (dimension + 1))
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    coef = found[:-n_classes].reshape(n_classes, dimension)
    return LinearHead(coef, found[-n_classes:], multi_label=multi_label, C=C, threshold=threshold)
