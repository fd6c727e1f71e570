"""Prototypes: each class is the mean of its vectors, and a text belongs where its cosine is highest.

Nothing but one scale is learnt, so that one or two examples a class are enough; the result is a :class:`LinearHead`.
"""

import numpy as np

from fewshot.evaluation.thresholds import steady_threshold
from fewshot.heads.linear import NEVER, LinearHead
from fewshot.heads.logits import expit, softmax
from fewshot.heads.vectors import check_vectors, row_weights

DEFAULT_SCALE = 20.0
SCALES = (1.0, 200.0)


def fit_prototypes(
    X: np.ndarray,
    y: np.ndarray,
    *,
    n_classes: int,
    random_state: int = 0,
    class_weight: str | None = None,
    sample_weight: np.ndarray | None = None,
) -> LinearHead:
    """Fit class means as a head: the softmax of scaled cosines, its one scale chosen by leave-one-out.

    Parameters
    ----------
    X : ndarray of shape (n, dimension)
        Unit vectors.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix. In multi-label tasks a sigmoid a label, of the scaled cosine and a bias.
    n_classes : int
        A class without a row gets a probability of 0 for every purpose.
    random_state : int, default=0
        Not used: there is no chance here. Taken so that all fitters are called alike.
    class_weight : {None, "balanced"}, default=None
        ``"balanced"`` lets all classes count alike in the choice of scale (and bias); means do not depend on it.
    sample_weight : ndarray of shape (n,), optional
        How much each row counts, in its class's mean and in the choice of scale; default 1.

    Returns
    -------
    LinearHead
        ``coef`` are the unit means times the scale.

    Raises
    ------
    InputError
        If shapes, class numbers or weights cannot be used.

    Notes
    -----
    The scale, from 1 to 200, maximizes the log-likelihood of each row when its class's mean is taken without it. Rows
    that are alone in their class have no such mean and take no part; where all are, the scale is 20. In multi-label
    tasks all labels share the scale; the biases are drawn together by a penalty of half their squared distance from a
    common one, so that a label with few examples keeps near it.

    References
    ----------
    Snell, Swersky, Zemel 2017, "Prototypical Networks for Few-shot Learning", arXiv:1703.05175.

    Examples
    --------
    >>> head = fit_prototypes(np.eye(3), np.arange(3), n_classes=3)
    >>> head.coef.tolist(), head.predict_proba(np.eye(3)).argmax(axis=1).tolist()
    ([[20.0, 0.0, 0.0], [0.0, 20.0, 0.0], [0.0, 0.0, 20.0]], [0, 1, 2])
    """
    check_vectors(X, y, n_classes)
    X = X.astype(np.float64)
    weight = row_weights(y, n_classes, class_weight=class_weight, sample_weight=sample_weight)
    members = _members(y, n_classes, sample_weight)
    prototypes = _unit(members.T @ X)
    absent = np.asarray(members.sum(axis=0) == 0)
    cosines, known = _leave_one_out(X, members, prototypes)
    if y.ndim == 1:
        scale = _choose_scale(cosines, y, np.asarray(known.all(axis=1)), weight, absent)
        return LinearHead(scale * prototypes, np.where(absent, NEVER, 0.0), multi_label=False, C=None)
    scale, bias = _choose_scale_and_biases(cosines, y, weight * known)
    bias = np.where(absent, NEVER, bias)
    threshold = steady_threshold(y, np.where(known, expit(scale * cosines + bias), 0.0))
    return LinearHead(scale * prototypes, bias, multi_label=True, C=None, threshold=threshold)


def held_out_prototypes(
    head: LinearHead, X: np.ndarray, y: np.ndarray, *, sample_weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what fitted prototypes say of each training row when its classes' means are taken without it.

    Parameters
    ----------
    head : LinearHead
        Of :func:`fit_prototypes`; its scale and biases are kept.
    X, y, sample_weight
        What it was fitted to.

    Returns
    -------
    rows : ndarray of shape (m,)
        The rows that are not alone in one of their classes.
    probabilities : ndarray of shape (m, n_classes)

    Examples
    --------
    >>> X, y = np.eye(2).repeat(2, axis=0), np.array([0, 0, 1, 1])
    >>> rows, held_out = held_out_prototypes(fit_prototypes(X, y, n_classes=2), X, y)
    >>> rows.tolist(), held_out.argmax(axis=1).tolist()
    ([0, 1, 2, 3], [0, 0, 1, 1])
    """
    members = _members(y, len(head.coef), sample_weight)
    X = X.astype(np.float64)
    cosines, known = _leave_one_out(X, members, _unit(members.T @ X))
    rows = np.flatnonzero(known.all(axis=1))
    scale = np.linalg.norm(head.coef, axis=1).max(initial=0.0)
    logits = scale * cosines[rows] + head.intercept
    return rows, expit(logits) if head.multi_label else softmax(logits)


def _members(y: np.ndarray, n_classes: int, sample_weight: np.ndarray | None) -> np.ndarray:
    """Return how much each row counts in each class's mean, ``(n, n_classes)``."""
    ones = y.astype(np.float64) if y.ndim == 2 else np.eye(n_classes)[y]
    return ones if sample_weight is None else ones * np.asarray(sample_weight, dtype=np.float64)[:, None]


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _leave_one_out(X: np.ndarray, members: np.ndarray, prototypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's cosines to the means without it, and whether there is such a mean; both ``(n, n_classes)``."""
    cosines, known = X @ prototypes.T, np.ones(members.shape, dtype=bool)
    sums, counts = members.T @ X, np.count_nonzero(members, axis=0)
    for row, label in zip(*np.nonzero(members), strict=True):
        known[row, label] = counts[label] > 1
        others = sums[label] - members[row, label] * X[row]
        cosines[row, label] = X[row] @ others / max(np.linalg.norm(others), 1e-12)
    return cosines, known


def _choose_scale(
    cosines: np.ndarray, y: np.ndarray, usable: np.ndarray, weight: np.ndarray, absent: np.ndarray
) -> float:
    if not usable.any():
        return DEFAULT_SCALE
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    cosines, y, weight = cosines[usable], y[usable], weight[usable]
    bias = np.where(absent, NEVER, 0.0)

    def loss(log_scale: float) -> float:
        logs = log_softmax(np.exp(log_scale) * cosines + bias, axis=1)
        return -float(weight @ logs[np.arange(len(y)), y])

    # The loss is convex in the scale, so it has one minimum in its logarithm too.
    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(SCALES)), method="bounded").x))


def _choose_scale_and_biases(cosines: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    from scipy.optimize import minimize
    from scipy.special import log_expit

    n_labels = y.shape[1]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        scale, common, own = flat[0], flat[1], flat[2:]
        logits = scale * cosines + common + own
        losses = -(y * log_expit(logits) + (1 - y) * log_expit(-logits))
        slope = weight * (expit(logits) - y)
        gradient = np.concatenate([[(slope * cosines).sum(), slope.sum()], slope.sum(axis=0) + own])
        return float((weight * losses).sum() + own @ own / 2), gradient

    start = np.concatenate([[DEFAULT_SCALE, -DEFAULT_SCALE / 2], np.zeros(n_labels)])
    bounds = [SCALES, *[(None, None)] * (n_labels + 1)]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000}).x
    return float(found[0]), found[1] + found[2:]
