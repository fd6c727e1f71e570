"""From the records of a pickled head to the head: which attributes of setfit's estimators say what they predict.

The pickle itself is read, without running any of it, by :mod:`fewshot.interop.setfit_pickle`.
"""

import dataclasses
from typing import Any, Literal

import numpy as np
from scipy.special import expit

from fewshot.core.errors import ModelFormatError
from fewshot.heads.linear import LinearHead
from fewshot.heads.setfit_heads import ChainHead, Head, OneVsRestHead
from fewshot.interop.setfit_pickle import (
    CHAIN,
    CONSTANT,
    LOGISTIC,
    MAX_BYTES,
    MULTI_OUTPUT,
    ONE_VS_REST,
    TORCH_HEAD,
    Record,
    as_array,
    read_pickle,
)

Strategy = Literal["one-vs-rest", "multi-output", "classifier-chain"]

SURE = 100.0
"""The logit of a label that every training text had, or none: its probability is 1 to the last bit, or below 1e-43."""


@dataclasses.dataclass(frozen=True)
class HeadContent:
    """A head, the strategy that it was trained with, and the classes that it names itself.

    Parameters
    ----------
    head : LinearHead, ChainHead or OneVsRestHead
    strategy : {"one-vs-rest", "multi-output", "classifier-chain"} or None
        ``None`` for plain single-label heads. setfit does not save it; it follows from the kind of head.
    classes : list of (str or int)
        One a column; 0, 1, … where the head names none.
    """

    head: Head
    strategy: Strategy | None
    classes: list[Any]


def read_head(data: bytes) -> HeadContent:
    """Read the content of a ``model_head.pkl`` without running any of it.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    HeadContent
        Arrays are float64 and finite, and their shapes fit each other.

    Raises
    ------
    ModelFormatError
        If the file holds anything but a fitted head of one of setfit's kinds.
    """
    record = read_pickle(data)
    kind = record.name if isinstance(record, Record) else type(record).__name__
    if kind not in _READERS:
        raise ModelFormatError(f"the pickle holds a {kind}; a head is one of {', '.join(_READERS)}")
    try:
        content = _READERS[kind](record.state)
        if len(set(content.classes)) != len(content.head.intercept):
            raise ValueError(f"{len(set(content.classes))} classes for {len(content.head.intercept)} rows")
        return content
    except ModelFormatError:
        raise
    except Exception as error:  # the state is whatever the file says: missing names, other types, odd shapes
        raise ModelFormatError(f"the {kind} in the pickle is damaged: {type(error).__name__}: {error}"[:300]) from None


def _read_logistic(state: dict[str, Any]) -> HeadContent:
    coef, intercept = _map_of(state)
    classes = as_array(state["classes_"]).tolist()
    # What liblinear or "ovr" fitted before scikit-learn 1.8 were regressions of their own, normalized.
    old = state.get("multi_class", "multinomial")
    apart = old == "ovr" or (old != "multinomial" and state.get("solver") == "liblinear")
    if len(classes) > 2 and apart:
        return HeadContent(OneVsRestHead(coef, intercept), None, classes)
    if len(classes) == 2 and len(coef) == 1:
        coef, intercept = _two_rows(coef, intercept)
    return HeadContent(LinearHead(coef, intercept, multi_label=False, C=_strength(state)), None, classes)


def _read_one_vs_rest(state: dict[str, Any]) -> HeadContent:
    estimators, binarizer = state["estimators_"], state["label_binarizer_"].state
    coef, intercept = _stacked(estimators)
    classes = as_array(binarizer["classes_"]).tolist()
    if binarizer["y_type_"] == "multilabel-indicator":
        # scikit-learn decides by the first estimator whether its scores are probabilities. Where that label is
        # constant, all labels are compared with 0.5, though theirs are logits.
        threshold = float(expit(0.5)) if estimators[0].name == CONSTANT else 0.5
        head = LinearHead(coef, intercept, multi_label=True, C=_strength(state["estimator"].state), threshold=threshold)
        return HeadContent(head, "one-vs-rest", list(range(len(coef))))
    if len(estimators) == 1:
        coef, intercept = _two_rows(coef, intercept)
        binary = LinearHead(coef, intercept, multi_label=False, C=_strength(state["estimator"].state))
        return HeadContent(binary, "one-vs-rest", classes)
    return HeadContent(OneVsRestHead(coef, intercept), "one-vs-rest", classes)


def _read_multi_output(state: dict[str, Any]) -> HeadContent:
    _check_zero_or_one(state["estimators_"])
    coef, intercept = _stacked(state["estimators_"])
    head = LinearHead(coef, intercept, multi_label=True, C=_strength(state["estimator"].state))
    return HeadContent(head, "multi-output", list(range(len(coef))))


def _read_chain(state: dict[str, Any]) -> HeadContent:
    estimators = state["estimators_"]
    _check_zero_or_one(estimators)
    if state.get("chain_method_", "predict") != "predict":
        raise ModelFormatError("the pickle holds a chain that passes on probabilities; only decisions are supported")
    order = state["order_"] if isinstance(state["order_"], list) else as_array(state["order_"]).tolist()
    if any(type(label) is not int for label in order) or sorted(order) != list(range(len(estimators))):
        raise ValueError("order_ is no permutation of the labels")
    coef, intercept = _stacked(estimators, grows=True)
    head = ChainHead(coef, intercept, np.array(order, dtype=np.int64))
    return HeadContent(head, "classifier-chain", list(range(len(order))))


def _read_torch(state: dict[str, Any]) -> HeadContent:
    parameters = state["_modules"]["linear"].state["_parameters"]
    bias = parameters["bias"]
    coef = _finite(parameters["weight"], 2)
    intercept = np.zeros(len(coef)) if bias is None else _finite(bias, 1)
    scale = float(state["temperature"]) + float(state["eps"])
    if not scale > 0 or len(intercept) != len(coef):
        raise ValueError("temperature is not above 0, or weight and bias differ in length")
    multi_label = bool(state["multitarget"])
    head = LinearHead(coef / scale, intercept / scale, multi_label=multi_label, C=1.0)
    return HeadContent(head, "one-vs-rest" if multi_label else None, list(range(len(coef))))


_READERS = {
    LOGISTIC: _read_logistic,
    ONE_VS_REST: _read_one_vs_rest,
    MULTI_OUTPUT: _read_multi_output,
    CHAIN: _read_chain,
    TORCH_HEAD: _read_torch,
}


def _map_of(state: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    coef, intercept = _finite(state["coef_"], 2), _finite(state["intercept_"], 1)
    if len(intercept) == 1 and len(coef) > 1:  # fit_intercept=False leaves one zero for all classes
        intercept = np.repeat(intercept, len(coef))
    if len(coef) != len(intercept):
        raise ValueError(f"{len(coef)} rows of coefficients and {len(intercept)} intercepts")
    return coef, intercept


def _finite(value: Any, ndim: int) -> np.ndarray:
    array = as_array(value)
    if array.dtype.kind != "f" or array.ndim != ndim or not array.size:
        raise ValueError(f"an array of shape {array.shape} and type {array.dtype} where numbers were expected")
    if array.size * 8 > MAX_BYTES:
        raise ValueError("an array that is too large")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError("numbers that are not finite")
    return array


def _strength(state: dict[str, Any]) -> float:
    return float(state["C"])


def _two_rows(coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the softmax of two classes that equals one sigmoid."""
    return np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2


def _stacked(estimators: list[Record], *, grows: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of one binary regression a label; constant labels are rows of zeros with a sure intercept."""
    widths = [_width(estimator) for estimator in estimators]
    widest = max(widths)
    # A file may name one large array a million times; rows are made only when all of them fit.
    if (
        len({width - (i if grows else 0) for i, width in enumerate(widths)}) != 1
        or widest * len(widths) * 8 > MAX_BYTES
    ):
        raise ValueError("estimators of different width, or too many of them")
    coef, intercept = np.zeros((len(estimators), widest)), np.empty(len(estimators))
    for row, estimator in enumerate(estimators):
        if estimator.name == CONSTANT:
            intercept[row] = SURE if as_array(estimator.state["y_"]).any() else -SURE
        else:
            one_coef, one_intercept = _map_of(estimator.state)
            coef[row, : widths[row]], intercept[row] = one_coef[0], one_intercept[0]
    return coef, intercept


def _width(estimator: Record) -> int:
    if estimator.name == CONSTANT:
        width = estimator.state["n_features_in_"]
        if type(width) is not int or as_array(estimator.state["y_"]).size != 1:
            raise ValueError("a constant label of unknown width or value")
        return width
    coef, intercept = as_array(estimator.state["coef_"]), as_array(estimator.state["intercept_"])
    if estimator.name != LOGISTIC or coef.ndim != 2 or len(coef) != 1 or intercept.shape != (1,):
        raise ValueError(f"a {estimator.name} with coefficients {coef.shape} where a binary regression was expected")
    return coef.shape[1]


def _check_zero_or_one(estimators: list[Record]) -> None:
    for estimator in estimators:
        classes = as_array(estimator.state["classes_"])
        if classes.size != 2 or classes.tolist() != [0, 1]:
            raise ModelFormatError("the pickle holds labels with values besides 0 and 1; only multi-label is supported")
