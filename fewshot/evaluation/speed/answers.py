"""How right the answers of several models to the same texts are, how sure, and how far they agree with the first's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import TextData
from fewshot.evaluation.calibration import expected_calibration_error
from fewshot.evaluation.metrics import score_labels
from fewshot.evaluation.speed.contender import Answers, Contender
from fewshot.evaluation.statistics.agreement import pool_agreement


def score_answers(contender: Contender, answers: Answers, data: TextData, first: Answers) -> dict[str, Any]:
    """Score one model's answers.

    Parameters
    ----------
    contender : Contender
    answers : Answers
        To ``data.texts``.
    data : TextData
        Labelled.
    first : Answers
        Of the model that all are compared with; its own are compared with themselves.

    Returns
    -------
    dict
        ``accuracy``, ``micro_f1``, ``macro_f1``, ``mcc`` as :func:`~fewshot.evaluation.metrics.score_labels` gives
        them; ``agreement``, the share of texts that are given the same label (or set of labels) as by the first model;
        ``calibration_error`` from 0 to 1, ``None`` of a model without probabilities; ``n_texts``.

    Examples
    --------
    >>> data = TextData(["x", "y"], ["a", "b"], multi_label=False, rows=[0, 1])
    >>> model = Contender("always", len, len, classes=("a", "b"))
    >>> said = Answers(["a", "a"], np.array([[0.75, 0.25], [0.75, 0.25]]))
    >>> found = score_answers(model, said, data, Answers(["a", "b"]))
    >>> found["accuracy"], found["agreement"], found["calibration_error"]
    (0.5, 0.5, 0.25)
    """
    scores = score_labels(data.labels, answers.labels, multi_label=data.multi_label)
    n_texts = scores.pop("n")
    alike = pool_agreement({"first": first.labels, "this": answers.labels}).agreement[0, 1]
    calibration = _calibration_error(contender.classes, answers, data)
    return {**scores, "agreement": float(alike), "calibration_error": calibration, "n_texts": n_texts}


def _calibration_error(classes: Sequence[Any], answers: Answers, data: TextData) -> float | None:
    if answers.probabilities is None:
        return None
    probabilities = np.asarray(answers.probabilities, dtype=np.float64)
    return expected_calibration_error(_truth(classes, data), probabilities)


def _truth(classes: Sequence[Any], data: TextData) -> np.ndarray:
    """Return the true labels as column numbers, or as 0 and 1 by column.

    A label that the model does not know is a number that no column has: however sure its answer is, it is wrong. Of
    several labels, those that it does not know have no probability to judge.
    """
    labels = [plain_label(label) for label in data.labels]
    if data.multi_label:
        known = [tuple(label for label in entry if label in classes) for entry in labels]
        return LabelSpace(tuple(classes), True).encode(known)
    position = {label: column for column, label in enumerate(classes)}
    return np.array([position.get(label, -1) for label in labels])
