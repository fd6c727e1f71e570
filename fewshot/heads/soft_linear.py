"""A linear head that follows probabilities instead of classes, as a student follows its teacher's."""

import numpy as np

from fewshot.core.errors import InputError
from fewshot.heads.linear import LinearHead
from fewshot.heads.logistic import DEFAULT_C, one_blas_thread
from fewshot.heads.logits import expit


@one_blas_thread
def fit_soft_linear(
    X: np.ndarray,
    targets: np.ndarray,
    *,
    multi_label: bool,
    sample_weight: np.ndarray | None = None,
    C: float = DEFAULT_C,
    threshold: float | np.ndarray = 0.5,
    near: LinearHead | None = None,
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
    threshold : float or ndarray of shape (n_classes,), default=0.5
        Kept in the head.
    near : LinearHead, optional
        A head to start from: the penalty is that on the difference from its ``coef``. Default: one of zeros.

    Returns
    -------
    LinearHead

    References
    ----------
    Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
    """
    from scipy.optimize import minimize
    from scipy.special import log_expit, log_softmax

    X, targets = X.astype(np.float64), targets.astype(np.float64)
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    if not len(X) == len(targets) == len(weight):
        raise InputError(f"X, targets and sample_weight differ in length: {len(X)}, {len(targets)}, {len(weight)}")
    n_classes, dimension = targets.shape[1], X.shape[1]
    # Two softmax rows share between them what scikit-learn's one row has, so the same solution costs half the penalty.
    penalty = 2.0 if n_classes == 2 and not multi_label else 1.0
    center = np.zeros((n_classes, dimension)) if near is None else near.coef.astype(np.float64)

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
        away = coef - center
        gradient = np.concatenate([(slope.T @ X + penalty * away).ravel(), slope.sum(axis=0)])
        return C * float(weight @ losses) + penalty * float((away**2).sum()) / 2, gradient

    start = np.concatenate([center.ravel(), np.zeros(n_classes) if near is None else near.intercept])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    coef = found[:-n_classes].reshape(n_classes, dimension)
    return LinearHead(coef, found[-n_classes:], multi_label=multi_label, C=C, threshold=threshold)
