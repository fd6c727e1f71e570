"""Nearest neighbours as a head: the training vectors are kept, and the nearest of them vote by their cosine."""

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.evaluation.thresholds import steady_threshold
from fewshot.heads.logits import expit, logit
from fewshot.heads.vectors import check_vectors, row_weights, threshold_from, threshold_setting
from fewshot.heads.votes import cosine_weights, count_votes

MAX_K = 16
SMOOTHING = 1.0
ROWS_AT_ONCE = 512


@dataclasses.dataclass(frozen=True)
class NeighborHead:
    """Votes of the k nearest training vectors, each as heavy as its cosine, smoothed by one vote spread evenly.

    Parameters
    ----------
    X : ndarray of shape (n, dimension), float32
        Unit vectors of the training texts.
    y : ndarray of shape (n, n_classes)
        Their labels as 0/1.
    multi_label : bool
    k : int
        How many neighbours vote.
    threshold : float or ndarray of shape (n_classes,), default=0.5
        The probability from which a label applies; multi-label only.
    weight : ndarray of shape (n,), optional
        Factor of each row's vote; default 1.
    temperature : float, default=1.0
        What log-probabilities (multi-label: log-odds) are divided by; see :mod:`fewshot.heads.calibration`.
    bias : float, default=0.0
        What is added to log-odds then; multi-label only.

    Notes
    -----
    The smoothing vote goes in equal parts to the classes that occur in training, so that it never decides; in
    multi-label tasks it says of each label how frequent it is.

    Examples
    --------
    >>> head = NeighborHead(np.eye(2, dtype=np.float32), np.eye(2), multi_label=False, k=1)
    >>> head.predict_proba(np.eye(2)).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """

    kind: ClassVar[str] = "neighbors"

    X: np.ndarray
    y: np.ndarray
    multi_label: bool
    k: int
    threshold: float | np.ndarray = 0.5
    weight: np.ndarray | None = None
    temperature: float = 1.0
    bias: float = 0.0

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities ``(n, n_classes)``; single-label rows sum to 1. A class without a row has 0."""
        blocks = [np.empty((0, self.y.shape[1]))]
        for start in range(0, len(X), ROWS_AT_ONCE):  # in blocks: cosines to all training rows take room
            cosines = X[start : start + ROWS_AT_ONCE].astype(np.float32) @ self.X.T
            blocks.append(self._vote(*_nearest(cosines, self.k)))
        return self._calibrated(np.concatenate(blocks))

    def held_out(self) -> np.ndarray:
        """Return the probabilities of the training rows, each from its neighbours among the others ``(n, n_classes)``.

        Raises
        ------
        InputError
            If there is one row only.
        """
        return self._calibrated(self._vote(*_others(self.X, self.k)))

    def _vote(self, cosines: np.ndarray, rows: np.ndarray) -> np.ndarray:
        weights = cosine_weights(cosines)
        if self.weight is not None:
            weights = weights * self.weight[rows]
        counted = count_votes(self.y, rows, weights)
        return (counted + SMOOTHING * self._prior()) / (weights.sum(axis=1, keepdims=True) + SMOOTHING)

    def _prior(self) -> np.ndarray:
        counts = self.y.sum(axis=0)
        if self.multi_label:
            return np.where(counts > 0, (counts + 1) / (len(self.y) + 2), 0.0)
        return (counts > 0) / np.count_nonzero(counts)

    def _calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        if self.temperature == 1.0 and self.bias == 0.0:
            return probabilities
        if self.multi_label:
            return expit(logit(probabilities) / self.temperature + self.bias)
        powers = (probabilities / probabilities.max(axis=1, keepdims=True)) ** (1 / self.temperature)
        return powers / powers.sum(axis=1, keepdims=True)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what :meth:`from_state` needs: arrays, and JSON values."""
        arrays = {"X": self.X, "y": self.y.astype(np.uint8)}
        if self.weight is not None:
            arrays["weight"] = self.weight
        settings = {"k": self.k, "threshold": threshold_setting(self.threshold)}
        return arrays, settings | {"temperature": self.temperature, "bias": self.bias}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], multi_label: bool) -> Self:
        """Return the head that gave this state.

        Raises
        ------
        ModelFormatError
            If the shapes do not fit each other.
        """
        X, y, weight = arrays["X"].astype(np.float32), arrays["y"].astype(np.int64), arrays.get("weight")
        weighs = () if weight is None else weight.shape
        k, threshold = int(settings["k"]), threshold_from(settings["threshold"])
        fits = X.ndim == 2 and y.ndim == 2 and len(X) == len(y) and 1 <= k <= len(X)
        if not fits or np.shape(threshold) not in ((), y.shape[1:]) or weighs not in ((), (len(X),)):
            raise ModelFormatError(
                f"the head is damaged: X {X.shape}, y {y.shape}, k {k}, weight {weighs} and threshold "
                f"{np.shape(threshold)} do not fit each other"
            )
        calibration = {name: float(settings.get(name, usual)) for name, usual in (("temperature", 1), ("bias", 0))}
        if not (0 < calibration["temperature"] < np.inf and np.isfinite(calibration["bias"])):
            raise ModelFormatError(f"the head is damaged: its calibration is {calibration}")
        return cls(X, y, multi_label, k, threshold, weight, **calibration)


def fit_neighbors(
    X: np.ndarray,
    y: np.ndarray,
    *,
    n_classes: int,
    k: int | None = None,
    random_state: int = 0,
    class_weight: str | None = None,
    sample_weight: np.ndarray | None = None,
) -> NeighborHead:
    """Keep training vectors as a head of k nearest neighbours, k chosen by leave-one-out.

    Parameters
    ----------
    X : ndarray of shape (n, dimension)
        Unit vectors.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix (multi-label).
    n_classes : int
        A class without a row gets probability 0.
    k : int, optional
        Number of neighbours, ``n`` at most. Default: the best of 1 to 16.
    random_state : int, default=0
        Not used: there is no chance here. Taken so that all fitters are called alike.
    class_weight : {None, "balanced"}, default=None
        ``"balanced"``: votes of rare classes weigh more. In multi-label tasks, where a row has no one class, the
        threshold sees to rare labels and this changes nothing.
    sample_weight : ndarray of shape (n,), optional
        Factor of each row's vote; default 1.

    Returns
    -------
    NeighborHead

    Raises
    ------
    InputError
        If shapes, class numbers, weights or ``k`` cannot be used.

    Notes
    -----
    k is chosen by the accuracy of each row's neighbours among the others (multi-label: by micro-F1 at the best
    threshold), ties by log-likelihood.

    References
    ----------
    Cover, Hart 1967, "Nearest Neighbor Pattern Classification", IEEE Transactions on Information Theory 13.

    Examples
    --------
    >>> fit_neighbors(np.eye(2).repeat(3, axis=0), np.arange(2).repeat(3), n_classes=2).k
    2
    """
    check_vectors(X, y, n_classes)
    if k is not None and k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    by_class = row_weights(y, n_classes, class_weight=class_weight)  # refuses another word in multi-label tasks, too
    plain = sample_weight is None and (class_weight is None or y.ndim == 2)
    base = by_class if y.ndim == 1 else np.ones(len(y))
    weight = None if plain else base * row_weights(base, n_classes, sample_weight=sample_weight)
    truth = y if y.ndim == 2 else np.eye(n_classes, dtype=np.int64)[y]
    head = NeighborHead(np.ascontiguousarray(X, dtype=np.float32), truth, y.ndim == 2, min(k or 1, len(X)), 0.5, weight)
    return _with_chosen_k(head, k) if len(X) > 1 else head


def _with_chosen_k(head: NeighborHead, k: int | None) -> NeighborHead:
    most = min(MAX_K if k is None else k, len(head.X) - 1)
    cosines, rows = _others(head.X, most)
    best: tuple[float, float] | None = None
    chosen = head
    for size in range(1, most + 1) if k is None else [most]:
        probabilities = head._vote(cosines[:, :size], rows[:, :size])
        threshold = steady_threshold(head.y, probabilities) if head.multi_label else 0.5
        rating = _rated(head, probabilities, threshold)
        if best is None or rating > best:
            best, chosen = rating, dataclasses.replace(head, k=size if k is None else head.k, threshold=threshold)
    return chosen


def _rated(head: NeighborHead, probabilities: np.ndarray, threshold: float) -> tuple[float, float]:
    truth = head.y
    if not head.multi_label:
        of_truth = probabilities[np.arange(len(truth)), truth.argmax(axis=1)]
        weight = np.ones(len(truth)) if head.weight is None else head.weight
        hits = probabilities.argmax(axis=1) == truth.argmax(axis=1)
        return round(float(weight @ hits), 9), float(weight @ np.log(of_truth))
    chosen = probabilities >= threshold
    f1 = float(2 * (truth * chosen).sum() / max(1, truth.sum() + chosen.sum()))
    return round(f1, 9), float(np.log(np.where(truth == 1, probabilities, 1 - probabilities)).sum())


def _nearest(cosines: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k highest cosines of each row, highest first, and where they stand."""
    k = min(k, cosines.shape[1])
    rows = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
    found = np.take_along_axis(cosines, rows, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _others(X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines and rows of the k nearest other rows of each row."""
    if len(X) < 2:
        raise InputError(f"X must have at least 2 rows to leave one out, got {len(X)}")
    parts = []
    for start in range(0, len(X), ROWS_AT_ONCE):
        cosines = X[start : start + ROWS_AT_ONCE] @ X.T
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -np.inf
        parts.append(_nearest(cosines, min(k, len(X) - 1)))
    found, rows = zip(*parts, strict=True)
    return np.concatenate(found), np.concatenate(rows)
