"""Classifiers of vectors: what sits on an encoder and turns a text's vector into class probabilities.

A head is fitted by one of the functions named here and is then a plain value: arrays in, probabilities out. It knows no
text. This module holds what all heads promise and the tables of them; each fitter has a module of its own.
"""

from typing import Any, ClassVar, Protocol, Self

import numpy as np

from fewshot.core.errors import InputError, ModelFormatError, did_you_mean
from fewshot.data.augmentation import own_rows
from fewshot.heads.linear import LinearHead
from fewshot.heads.logistic import C_GRID, DEFAULT_C, fit_linear, held_out_linear
from fewshot.heads.neighbors import NeighborHead, fit_neighbors
from fewshot.heads.prototypes import fit_prototypes, held_out_prototypes
from fewshot.heads.setfit_heads import ChainHead, OneVsRestHead
from fewshot.heads.soft_linear import fit_soft_linear

__all__ = [
    "C_GRID",
    "DEFAULT_C",
    "FITTERS",
    "HEADS",
    "Head",
    "LinearHead",
    "NeighborHead",
    "fit_head",
    "fit_linear",
    "fit_neighbors",
    "fit_prototypes",
    "fit_soft_linear",
    "held_out_probabilities",
    "restore_head",
]


class Head(Protocol):
    """What every head promises."""

    __dataclass_fields__: ClassVar[dict[str, Any]]  # a frozen dataclass: dataclasses.replace gives a changed copy

    @property
    def kind(self) -> str:
        """Its name in :data:`HEADS`."""

    @property
    def multi_label(self) -> bool:
        """Whether columns of probabilities stand each for themselves."""

    @property
    def threshold(self) -> float | np.ndarray:
        """The probability from which a label applies, for all labels or ``(n_classes,)``; multi-label only."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities ``(n, n_classes)`` for unit vectors ``(n, dimension)``."""

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays and JSON values, which :func:`restore_head` takes back."""

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], multi_label: bool) -> Self:
        """Return the head that gave this state."""


HEADS: dict[str, Any] = {head.kind: head for head in (LinearHead, NeighborHead, ChainHead, OneVsRestHead)}
"""Heads by the name that a model folder keeps."""

FITTERS = {"logistic": fit_linear, "prototype": fit_prototypes, "knn": fit_neighbors}
"""Fitters by the name that a user gives."""


def fit_head(
    kind: str,
    X: np.ndarray,
    y: np.ndarray,
    *,
    n_classes: int,
    class_weight: str | None = None,
    sample_weight: np.ndarray | None = None,
    random_state: int = 0,
    source_rows: np.ndarray | None = None,
) -> LinearHead | NeighborHead:
    """Fit a head by the name of its fitter.

    Parameters
    ----------
    kind : {"logistic", "prototype", "knn"}
        :func:`fit_linear`, :func:`fit_prototypes` or :func:`fit_neighbors`.
    X : ndarray of shape (n, dimension)
        Unit vectors.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix (multi-label).
    n_classes : int
    class_weight : {None, "balanced"}, default=None
    sample_weight : ndarray of shape (n,), optional
    random_state : int, default=0
    source_rows : ndarray of shape (n, n_sources), optional
        Which rows each is made from, where some are copies of augmented texts, as of :func:`fit_linear`. Prototypes and
        neighbours are made of the others alone: a copy lies by its text, so that it would hardly move a mean, and among
        the neighbours it would take the place of another text.

    Returns
    -------
    LinearHead or NeighborHead

    Raises
    ------
    InputError
        If there is no such fitter, or it refuses what it is given.

    Examples
    --------
    >>> fit_head("prototype", np.eye(2), np.arange(2), n_classes=2).predict_proba(np.eye(2)).argmax(axis=1).tolist()
    [0, 1]
    """
    _check_kind(kind)
    options: dict[str, Any] = {"class_weight": class_weight, "sample_weight": sample_weight}
    if source_rows is not None and kind == "logistic":
        options["source_rows"] = source_rows
    elif source_rows is not None:
        own = own_rows(source_rows)
        X, y = X[own], y[own]
        options["sample_weight"] = None if sample_weight is None else sample_weight[own]
    return FITTERS[kind](X, y, n_classes=n_classes, random_state=random_state, **options)


def held_out_probabilities(
    kind: str,
    head: Any,
    X: np.ndarray,
    y: np.ndarray,
    *,
    n_classes: int,
    class_weight: str | None = None,
    sample_weight: np.ndarray | None = None,
    random_state: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a head says of its own training rows when it has not seen them: what calibration needs.

    Parameters
    ----------
    kind : {"logistic", "prototype", "knn"}
    head : LinearHead or NeighborHead
        Of :func:`fit_head` with the same ``kind`` and the same other arguments. Its chosen C, scale or k is kept; what
        that choice saw of the rows is the one thing not held out.
    X, y, n_classes, class_weight, sample_weight, random_state
        As of :func:`fit_head`.

    Returns
    -------
    rows : ndarray of shape (m,)
        The rows that could be held out, ascending: none where each class has one row.
    probabilities : ndarray of shape (m, n_classes)
        By cross-validation (logistic) or leave-one-out (the others).

    Examples
    --------
    >>> X, y = np.eye(2).repeat(3, axis=0), np.arange(2).repeat(3)
    >>> rows, held_out = held_out_probabilities("knn", fit_neighbors(X, y, n_classes=2), X, y, n_classes=2)
    >>> held_out.argmax(axis=1).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    _check_kind(kind)
    if kind == "prototype":
        return held_out_prototypes(head, X, y, sample_weight=sample_weight)
    if kind == "knn":
        return _held_out_neighbors(head, y)
    options: dict[str, Any] = {"class_weight": class_weight, "sample_weight": sample_weight}
    return held_out_linear(X, y, n_classes=n_classes, C=head.C, random_state=random_state, **options)


def _held_out_neighbors(head: NeighborHead, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # A row that is alone in its class cannot be found right without itself: it says nothing of new texts of the class.
    counts = head.y.sum(axis=0)
    rows = np.flatnonzero(((counts > 1) | (head.y == 0)).all(axis=1)) if len(y) > 1 else np.arange(0)
    return rows, head.held_out()[rows] if len(rows) else np.empty((0, head.y.shape[1]))


def _check_kind(kind: str) -> None:
    if kind not in FITTERS:
        raise InputError(
            f"the kind of head must be one of {', '.join(FITTERS)}; got {kind!r}.{did_you_mean(kind, FITTERS)}"
        )


def restore_head(
    kind: str, arrays: dict[str, np.ndarray], settings: dict[str, Any], multi_label: bool
) -> LinearHead | NeighborHead:
    """Return the head whose ``state()`` this was.

    Parameters
    ----------
    kind : str
        ``head.kind``; in folders of version 0.1.0 none is named, they hold ``"linear"``.
    arrays, settings : dict
        What ``state()`` gave; other entries may stand beside.
    multi_label : bool

    Raises
    ------
    ModelFormatError
        If there is no such kind, or an array or setting is missing or does not fit.

    Examples
    --------
    >>> head = fit_prototypes(np.eye(2), np.arange(2), n_classes=2)
    >>> restore_head(head.kind, *head.state(), head.multi_label).coef.tolist()
    [[20.0, 0.0], [0.0, 20.0]]
    """
    if kind not in HEADS:
        raise ModelFormatError(f"the model has a head of kind {kind!r}, this version knows {', '.join(HEADS)}; update")
    try:
        return HEADS[kind].from_state(arrays, settings, multi_label)
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"the head is damaged: {type(error).__name__}: {error}") from None
