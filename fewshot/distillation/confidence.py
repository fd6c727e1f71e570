"""How sure a teacher is of each text: weights for a student's training, and distances to the decision.

The weights multiply pairs (:class:`~fewshot.training.targets.EmbeddingSimilarity`) and the rows that a
head's soft labels are fitted to (:func:`~fewshot.heads.soft_linear.fit_soft_linear`). All is computed in blocks, so
that probabilities may be a memory map.
"""

import math
import warnings
from collections.abc import Callable

import numpy as np
from scipy.special import entr

from fewshot.core.errors import DataWarning, InputError, TeacherError, did_you_mean

LEAST_KEPT = 0.1
"""The share of the texts that ``"drop:P"`` keeps at least."""

_ROWS_AT_ONCE = 65_536
_SUM_TOLERANCE = 0.01  # probabilities may have been stored in half precision


def confidence_weights(probabilities: np.ndarray, rule: str = "none", *, multi_label: bool = False) -> np.ndarray:
    """Return how much each text shall count, from what its teacher thinks of it.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        The teacher's.
    rule : str, default="none"
        - ``"none"``: 1 for every text.
        - ``"weight"``: 1 minus the entropy as a share of the largest possible one, from 0 (no idea) to 1 (certain); in
          multi-label tasks the mean over the labels' two-way entropies.
        - ``"drop:P"``, such as ``"drop:0.8"``: 1 where the highest probability reaches P, else 0; in multi-label tasks
          where each label's ``max(p, 1 - p)`` does. The surest tenth of the texts is always kept.
    multi_label : bool, default=False

    Returns
    -------
    ndarray of shape (n,), float64
        From 0 to 1, not all 0.

    Warns
    -----
    DataWarning
        If ``"drop:P"`` would have left less than a tenth of the texts.

    Raises
    ------
    InputError
        If there is no such rule, or these are no probabilities.
    TeacherError
        If ``"weight"`` would give every text 0: the teacher says the same of all classes.

    Examples
    --------
    >>> probabilities = np.array([[1.0, 0.0], [0.75, 0.25], [0.5, 0.5]])
    >>> confidence_weights(probabilities, "weight").round(2).tolist()
    [1.0, 0.19, 0.0]
    >>> confidence_weights(probabilities, "drop:0.7").tolist()
    [1.0, 1.0, 0.0]
    """
    least = _least_confidence(rule)
    check_probabilities(probabilities, multi_label=multi_label)
    if rule == "none":
        return np.ones(len(probabilities))
    if least is not None:
        return _drop(_by_blocks(probabilities, _least_sure if multi_label else _highest), least, rule)
    weights = 1.0 - _by_blocks(probabilities, _label_entropy if multi_label else _entropy).clip(0.0, 1.0)
    if weights.max() < 1e-6:
        raise TeacherError(
            "the teacher is equally unsure of every text, so confidence 'weight' would leave nothing to learn from; "
            "is it trained? Take 'none' otherwise"
        )
    return weights


def decision_margins(
    probabilities: np.ndarray, *, multi_label: bool = False, threshold: float | np.ndarray = 0.5
) -> np.ndarray:
    """Return how far each text lies from where its teacher would decide otherwise, from 0 (there) to 1.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
    multi_label : bool, default=False
    threshold : float or ndarray of shape (n_classes,), default=0.5
        The probability from which a label applies, above 0 and below 1; multi-label only.

    Returns
    -------
    ndarray of shape (n,), float64
        The difference of the two largest probabilities; in multi-label tasks that of the nearest label to its
        threshold, as a share of the largest one possible on that side.

    Examples
    --------
    >>> decision_margins(np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])).tolist()
    [0.25, 1.0]
    >>> decision_margins(np.array([[0.0, 0.75], [1.0, 0.5]]), multi_label=True).tolist()
    [0.5, 0.0]
    """
    check_probabilities(probabilities, multi_label=multi_label)
    if not multi_label:
        return _by_blocks(probabilities, _gap)
    threshold = np.asarray(threshold, dtype=np.float64)
    if threshold.shape not in ((), probabilities.shape[1:]) or not ((threshold > 0) & (threshold < 1)).all():
        raise InputError(
            f"threshold must be above 0 and below 1, one number or one for each of {probabilities.shape[1]} labels; "
            f"got {threshold.tolist()}"
        )

    def margins(p: np.ndarray) -> np.ndarray:
        by_label = np.where(p < threshold, (threshold - p) / threshold, (p - threshold) / (1 - threshold))
        return by_label.min(axis=1)

    return _by_blocks(probabilities, margins)


def check_rule(rule: str) -> None:
    """Raise :class:`InputError` if there is no such rule."""
    _least_confidence(rule)


def check_probabilities(probabilities: np.ndarray, *, multi_label: bool) -> None:
    """Raise :class:`InputError` unless these are probabilities ``(n, n_classes)``; single-label rows sum to 1."""
    if probabilities.ndim != 2 or not probabilities.size:
        raise InputError(f"probabilities must be a matrix (n_texts, n_classes), got shape {probabilities.shape}")
    for start in range(0, len(probabilities), _ROWS_AT_ONCE):
        block = probabilities[start : start + _ROWS_AT_ONCE].astype(np.float64)
        if not ((block >= -1e-6) & (block <= 1 + 1e-6)).all():  # False for NaN
            raise InputError("probabilities must lie from 0 to 1; are these logits?")
        if not multi_label and not (np.abs(block.sum(axis=1) - 1) <= _SUM_TOLERANCE).all():
            raise InputError("each row of probabilities must sum to 1; give multi_label=True if labels are independent")


def _least_confidence(rule: str) -> float | None:
    """Return the P of ``"drop:P"``, ``None`` for the other rules."""
    if not isinstance(rule, str):
        raise InputError(f"confidence must be 'none', 'weight' or 'drop:P', such as 'drop:0.8'; got {rule!r}")
    kind, _, number = rule.partition(":")
    if rule in ("none", "weight"):
        return None
    if kind != "drop":
        hint = did_you_mean(kind, ("none", "weight", "drop"))
        raise InputError(f"confidence must be 'none', 'weight' or 'drop:P', such as 'drop:0.8'; got {rule!r}.{hint}")
    try:
        least = float(number)
    except ValueError:
        least = math.nan
    if not 0 < least < 1:
        raise InputError(f"confidence 'drop:P' needs a P above 0 and below 1, such as 'drop:0.8'; got {rule!r}")
    return least


def _drop(confidence: np.ndarray, least: float, rule: str) -> np.ndarray:
    kept = confidence >= least
    wanted = math.ceil(LEAST_KEPT * len(kept))
    if kept.sum() < wanted:
        surest = np.argsort(-confidence, kind="stable")[:wanted]
        warnings.warn(
            f"confidence {rule!r} would leave {int(kept.sum())} of {len(kept)} texts; the surest {wanted} are kept, "
            f"those of {confidence[surest[-1]]:.3f} and more: the teacher is less sure than you ask",
            DataWarning,
            stacklevel=3,
        )
        kept[surest] = True
    return kept.astype(np.float64)


def _by_blocks(probabilities: np.ndarray, measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    starts = range(0, len(probabilities), _ROWS_AT_ONCE)
    blocks = (probabilities[start : start + _ROWS_AT_ONCE].astype(np.float64) for start in starts)
    return np.concatenate([measure(block.clip(0.0, 1.0)) for block in blocks])


def _entropy(p: np.ndarray) -> np.ndarray:
    p = p / p.sum(axis=1, keepdims=True)
    return entr(p).sum(axis=1) / math.log(max(2, p.shape[1]))


def _label_entropy(p: np.ndarray) -> np.ndarray:
    return (entr(p) + entr(1 - p)).mean(axis=1) / math.log(2)


def _highest(p: np.ndarray) -> np.ndarray:
    return p.max(axis=1)


def _least_sure(p: np.ndarray) -> np.ndarray:
    return np.maximum(p, 1 - p).min(axis=1)


def _gap(p: np.ndarray) -> np.ndarray:
    if p.shape[1] == 1:
        return np.ones(len(p))
    top = np.partition(p, -2, axis=1)
    return top[:, -1] - top[:, -2]
