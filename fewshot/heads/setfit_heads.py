"""The heads of the package ``setfit`` as plain values, and their way back to scikit-learn's estimators.

All but two kinds are a :class:`~fewshot.heads.linear.LinearHead`; the two stand here. Reading them from a
file is left to :mod:`fewshot.interop.setfit_records`.
"""

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.heads.linear import LinearHead
from fewshot.heads.logits import expit, logit


@dataclasses.dataclass(frozen=True)
class ChainHead:
    """Independent-looking sigmoids in which each label also sees the labels decided before it.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, dimension + n_classes - 1)
        In the order of the chain; row ``i`` has ``dimension + i`` weights, for the vector and for the ``i`` labels
        before it, then zeros.
    intercept : ndarray of shape (n_classes,)
        In the order of the chain.
    order : ndarray of shape (n_classes,)
        The column that each step of the chain decides.

    References
    ----------
    Read, Pfahringer, Holmes, Frank 2011, "Classifier chains for multi-label classification", Machine Learning 85.

    Examples
    --------
    >>> chain = ChainHead(np.array([[1.0, 0.0], [0.0, 2.0]]), np.zeros(2), np.array([1, 0]))
    >>> chain.predict_proba(np.array([[3.0], [-3.0]])).round(2)
    array([[0.88, 0.95],
           [0.5 , 0.05]])
    """

    coef: np.ndarray
    intercept: np.ndarray
    order: np.ndarray
    kind: ClassVar[str] = "chain"
    multi_label: ClassVar[bool] = True
    threshold: ClassVar[float] = 0.5

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities ``(n, n_classes)``, each given the decisions (0 or 1) before it, as scikit-learn's."""
        n_classes = len(self.order)
        dimension = self.coef.shape[1] - n_classes + 1
        decided, probabilities = np.zeros((len(X), n_classes)), np.empty((len(X), n_classes))
        for step, column in enumerate(self.order):
            weights = self.coef[step]
            logits = X @ weights[:dimension] + decided[:, :step] @ weights[dimension : dimension + step]
            logits = logits + self.intercept[step]
            decided[:, step] = logits > 0
            probabilities[:, column] = expit(logits)
        return probabilities

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`from_arrays` takes."""
        return {"coef": self.coef, "intercept": self.intercept, "order": self.order}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Return the head that :meth:`arrays` described.

        Raises
        ------
        ModelFormatError
            If the shapes do not fit each other, or the order is none.
        """
        coef, intercept, order = arrays["coef"], arrays["intercept"], arrays["order"]
        n_classes = len(intercept)
        fits = coef.ndim == 2 and len(coef) == n_classes and coef.shape[1] >= n_classes and order.dtype.kind == "i"
        if not fits or sorted(order.ravel().tolist()) != list(range(n_classes)):
            raise ModelFormatError(f"the chain is damaged: coef {coef.shape}, {n_classes} intercepts, order {order}")
        return cls(coef, intercept, order)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what :meth:`from_state` needs: arrays, and no other values."""
        return self.arrays(), {}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], multi_label: bool) -> Self:
        """Return the head that gave this state."""
        return cls.from_arrays(arrays)


@dataclasses.dataclass(frozen=True)
class OneVsRestHead:
    """One sigmoid a class, divided by their sum: single-label, fitted one class against the rest.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, dimension)
    intercept : ndarray of shape (n_classes,)

    Examples
    --------
    >>> head = OneVsRestHead(np.array([[1.0], [0.0], [-1.0]]), np.zeros(3))
    >>> head.predict_proba(np.array([[2.0]])).round(2)
    array([[0.59, 0.33, 0.08]])
    """

    coef: np.ndarray
    intercept: np.ndarray
    kind: ClassVar[str] = "one-vs-rest"
    multi_label: ClassVar[bool] = False
    threshold: ClassVar[float] = 0.5

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities ``(n, n_classes)``; rows sum to 1."""
        sigmoids = expit(X @ self.coef.T + self.intercept)
        return sigmoids / np.maximum(sigmoids.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`from_arrays` takes."""
        return {"coef": self.coef, "intercept": self.intercept}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Return the head that :meth:`arrays` described.

        Raises
        ------
        ModelFormatError
            If the shapes do not fit each other.
        """
        coef, intercept = arrays["coef"], arrays["intercept"]
        if coef.ndim != 2 or intercept.shape != (len(coef),):
            raise ModelFormatError(f"the head is damaged: coef {coef.shape} and intercept {intercept.shape} do not fit")
        return cls(coef, intercept)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what :meth:`from_state` needs: arrays, and no other values."""
        return self.arrays(), {}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], multi_label: bool) -> Self:
        """Return the head that gave this state."""
        return cls.from_arrays(arrays)


Head = LinearHead | ChainHead | OneVsRestHead


def to_sklearn(head: Head, classes: list[Any]) -> Any:
    """Return a fitted scikit-learn estimator that predicts what a head does.

    Parameters
    ----------
    head : LinearHead, ChainHead or OneVsRestHead
        A multi-label threshold other than 0.5 is added to the intercepts: labels stay, probabilities do not.
    classes : list of (str or int)
        What a single-label estimator shall predict.

    Returns
    -------
    LogisticRegression, OneVsRestClassifier, MultiOutputClassifier or ClassifierChain
        With the attributes that ``fit`` would have set.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
    from sklearn.preprocessing import LabelBinarizer

    C, n_classes = getattr(head, "C", None) or 1.0, len(head.intercept)
    if isinstance(head, ChainHead):
        width = head.coef.shape[1] - n_classes + 1
        rows = [_regression(head.coef[i : i + 1, : width + i], head.intercept[[i]], C) for i in range(n_classes)]
        chain = ClassifierChain(LogisticRegression())
        chain.order_, chain.chain_method_ = head.order, "predict"
        return _finished(chain, rows, width, [rows[0].classes_] * n_classes)
    if isinstance(head, LinearHead) and not head.multi_label:
        if n_classes == 2:
            return _regression(np.diff(head.coef, axis=0), np.diff(head.intercept), C, np.array(classes))
        return _regression(head.coef, head.intercept, C, np.array(classes))
    bias = np.zeros(n_classes)
    if head.multi_label:
        bias -= logit(np.clip(head.threshold, 1e-9, 1 - 1e-9))
    rows = [_regression(head.coef[[i]], head.intercept[[i]] + bias[[i]], C) for i in range(n_classes)]
    width = head.coef.shape[1]
    if head.multi_label and n_classes == 1:  # one column alone would count as a binary task
        return _finished(MultiOutputClassifier(LogisticRegression(C=C)), rows, width, [rows[0].classes_])
    ones = OneVsRestClassifier(LogisticRegression(C=C))
    ones.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(np.eye(n_classes, dtype=np.int64))
    if not head.multi_label:  # fitted on classes it would sort them, and take two of them for one column
        ones.label_binarizer_.y_type_, ones.label_binarizer_.classes_ = "multiclass", np.array(classes)
    return _finished(ones, rows, width, ones.label_binarizer_.classes_)


def _regression(coef: np.ndarray, intercept: np.ndarray, C: float, classes: np.ndarray | None = None) -> Any:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=C)
    model.coef_, model.intercept_ = np.ascontiguousarray(coef), np.ascontiguousarray(intercept)
    model.classes_ = np.array([0, 1]) if classes is None else classes
    model.n_features_in_, model.n_iter_ = coef.shape[1], np.zeros(1, dtype=np.int32)
    return model


def _finished(model: Any, estimators: list[Any], width: int, classes: Any) -> Any:
    model.estimators_, model.n_features_in_, model.classes_ = estimators, width, classes
    return model


def check_head(head: Head, classes: list[Any], *, multi_label: bool) -> None:
    """Raise :class:`InputError` unless a head, its classes and the task fit each other."""
    if not isinstance(head, Head):
        raise InputError(f"head must be a LinearHead, ChainHead or OneVsRestHead, got {type(head).__name__}")
    if head.multi_label != multi_label:
        raise InputError(f"multi_label is {multi_label}, but head.multi_label is {head.multi_label}")
    if len(classes) != len(head.intercept):
        raise InputError(f"classes name {len(classes)} classes, but head has {len(head.intercept)} rows")
