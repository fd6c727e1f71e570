"""Probabilities that mean what they say: what held-out predictions teach about a head is folded back into it.

Measuring the gap is left to :mod:`fewshot.evaluation.calibration`, staying silent to
:class:`~fewshot.evaluation.abstention.PrecisionCurve`, which is named here, too.
"""

import dataclasses
from typing import Any, TypeVar

import numpy as np

from fewshot.core.errors import InputError
from fewshot.evaluation.abstention import PrecisionCurve
from fewshot.heads.linear import LinearHead
from fewshot.heads.logits import expit, logit
from fewshot.heads.neighbors import NeighborHead

__all__ = ["PrecisionCurve", "calibrated", "fit_platt", "fit_temperature"]

TEMPERATURES = (0.05, 10.0)
LEAST_SLOPE = 0.1
LEAST_PROBABILITY = 1e-9
LARGEST_LOGIT = 10.0

AnyHead = TypeVar("AnyHead")


def fit_temperature(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Return the temperature at which held-out probabilities fit the truth best.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of a model that did not see these rows; rows sum to 1.
    y : ndarray of shape (n,)
        True class numbers.

    Returns
    -------
    float
        From 0.05 to 10. Log-probabilities are to be divided by it: above 1 where the model is too sure of itself, below
        1 where it is too timid. The order of classes in a row never changes.

    Raises
    ------
    InputError
        If shapes do not fit or a class number is out of range.

    Notes
    -----
    It minimizes the sum of the rows' log-losses plus ``log(T)² / 2``: a prior that keeps T between 1/e and e two times
    in three. Against 50 rows it is next to nothing; with none T is 1, and with a few that are all right, which alone
    would want T at 0, it stays in reason. Probabilities below 1e-9 count as that, so that one row cannot decide alone.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.

    Examples
    --------
    >>> sure, y = np.array([[0.99, 0.01]] * 40), np.repeat([0, 1], [30, 10])
    >>> 3 < fit_temperature(sure, y) < 5
    True
    """
    if y.shape != (len(probabilities),) or probabilities.ndim != 2:
        raise InputError(f"y must hold one class number a row of probabilities, got {y.shape}, {probabilities.shape}")
    if not len(y):
        return 1.0
    if y.min() < 0 or y.max() >= probabilities.shape[1]:
        raise InputError(f"y must hold class numbers from 0 to {probabilities.shape[1] - 1}, got up to {y.max()}")
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logs = np.log(np.maximum(probabilities.astype(np.float64), LEAST_PROBABILITY))

    def loss(log_temperature: float) -> float:
        scores = log_softmax(logs * np.exp(-log_temperature), axis=1)
        return -float(scores[np.arange(len(y)), y].sum()) + log_temperature**2 / 2

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x))


def fit_platt(probabilities: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return slope and bias, for all labels together, at which held-out log-odds fit the truth best.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_labels)
        Of a model that did not see these rows.
    y : ndarray of shape (n, n_labels)
        0/1 matrix of true labels.

    Returns
    -------
    slope, bias : float
        ``expit(slope * logit(p) + bias)`` is the calibrated probability. The slope is at least 0.1.

    Raises
    ------
    InputError
        If shapes differ.

    Notes
    -----
    Logistic regression on the log-odds, cut at ±10, with the penalty ``((slope - 1)² + bias²) / 2``: without data
    nothing changes.

    References
    ----------
    Platt 1999, "Probabilistic Outputs for Support Vector Machines", Advances in Large Margin Classifiers.

    Examples
    --------
    >>> slope, bias = fit_platt(np.full((40, 2), 0.2), np.tile([[1, 0], [0, 1]], (20, 1)))
    >>> round(float(expit(slope * logit(0.2) + bias)), 2)
    0.49
    """
    if y.shape != probabilities.shape or y.ndim != 2:
        raise InputError(f"y and probabilities must have one shape, got {y.shape} and {probabilities.shape}")
    from scipy.optimize import minimize
    from scipy.special import log_expit

    odds = logit(probabilities.astype(np.float64)).clip(-LARGEST_LOGIT, LARGEST_LOGIT)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        slope, bias = flat
        logits = slope * odds + bias
        loss = -(y * log_expit(logits) + (1 - y) * log_expit(-logits)).sum() + ((slope - 1) ** 2 + bias**2) / 2
        error = expit(logits) - y
        return float(loss), np.array([(error * odds).sum() + slope - 1, error.sum() + bias])

    found = minimize(
        objective, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(LEAST_SLOPE, None), (None, None)]
    ).x
    return float(found[0]), float(found[1])


def calibrated(head: AnyHead, probabilities: np.ndarray, y: np.ndarray) -> tuple[AnyHead, np.ndarray]:
    """Return a head whose probabilities fit held-out truth, and those held-out probabilities as it would give them.

    Parameters
    ----------
    head : LinearHead or NeighborHead
    probabilities : ndarray of shape (n, n_classes)
        What such heads said of rows that they did not see, as of
        :func:`~fewshot.heads.table.held_out_probabilities`.
    y : ndarray of shape (n,) or (n, n_classes)
        What is true of these rows: class numbers, or a 0/1 matrix (multi-label).

    Returns
    -------
    head : of the same type
        A linear head stays a plain linear map: temperature or slope and bias are folded into it. What it predicts
        does not change: neither the order of a row's classes nor, as thresholds move along, which labels apply.
    probabilities : ndarray of shape (n, n_classes)
        Calibrated. They were fitted to the same truth, by one number or two.

    Raises
    ------
    InputError
        If shapes do not fit, or the head is of another type.

    Examples
    --------
    >>> head = LinearHead(np.array([[5.0], [-5.0]]), np.zeros(2), multi_label=False, C=1.0)
    >>> X, y = np.ones((20, 1)), np.repeat([0, 1], [15, 5])
    >>> mild, _ = calibrated(head, head.predict_proba(X), y)
    >>> mild.predict_proba(X)[0].round(2).tolist()
    [0.81, 0.19]
    """
    if not isinstance(head, (LinearHead, NeighborHead)):
        raise InputError(f"head must be a LinearHead or NeighborHead, got {type(head).__name__}")
    if (y.ndim == 2) != head.multi_label:
        raise InputError(f"y must be a 0/1 matrix if and only if the head is multi-label, got shape {y.shape}")
    if head.multi_label:
        slope, bias = fit_platt(probabilities, y)
        threshold = expit(slope * logit(head.threshold) + bias)
        threshold = threshold if isinstance(head.threshold, np.ndarray) else float(threshold)
        return _scaled(head, slope, bias, threshold), expit(slope * logit(probabilities) + bias)
    temperature = fit_temperature(probabilities, y)
    return _scaled(head, 1 / temperature, 0.0, head.threshold), _tempered(probabilities, temperature)


def _scaled(head: LinearHead | NeighborHead, slope: float, bias: float, threshold: float | np.ndarray) -> Any:
    if isinstance(head, LinearHead):
        coef, intercept = slope * head.coef, slope * head.intercept + bias
        if head.multi_label:  # what is constant was not learnt, and stays certain however timid the rest becomes
            intercept = np.where(head.coef.any(axis=1), intercept, head.intercept)
        return dataclasses.replace(head, coef=coef, intercept=intercept, threshold=threshold)
    # A head that was calibrated before: the new map comes after the old one.
    temperature, bias = head.temperature / slope, slope * head.bias + bias
    return dataclasses.replace(head, temperature=temperature, bias=bias, threshold=threshold)


def _tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    if not len(probabilities):
        return probabilities
    powers = (probabilities / probabilities.max(axis=1, keepdims=True)) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)
