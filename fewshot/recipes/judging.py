"""Scores of a classifier on files, and its answers on texts, as ``evaluate`` and ``predict`` give them.

Files of any size are predicted by ``predicting``.
"""

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import DataWarning, InputError
from fewshot.evaluation.metrics import score_labels, scores_per_label
from fewshot.recipes.contenders import names_in, renamed
from fewshot.recipes.sources import Reading, require_labels
from fewshot.recipes.used_texts import used_by


def evaluate_classifier(
    classifier: str | Path | TextClassifier,
    test: Any,
    *,
    reading: Reading | None = None,
    at_least_one: bool = False,
    per_label: bool = False,
    device: str | None = None,
) -> dict[str, Any]:
    """Score a classifier on labelled texts.

    Parameters
    ----------
    classifier : str, Path or TextClassifier
        A model directory, or a fitted classifier.
    test : str, Path, DataFrame, Dataset or TextData
        Every labelled row with a text counts, duplicates too; nothing is cleaned away.
    reading : Reading, optional
    at_least_one : bool, default False
        In multi-label tasks, give the most probable label to a text where none applies.
    per_label : bool, default False
        Also score label by label.
    device : str, optional

    Warns
    -----
    DataWarning
        If the folder tells that the model learnt from some of the texts, or that its settings were chosen on them.

    Returns
    -------
    dict
        ``accuracy``, ``micro_f1``, ``macro_f1``, ``mcc`` (``None`` where a text has several labels) and ``n``; where
        asked for ``per_label``, see :func:`fewshot.evaluation.metrics.scores_per_label`.
    """
    model = _opened(classifier, device)
    data = require_labels((reading or Reading()).load(test))
    if isinstance(classifier, (str, Path)):
        _warn_if_used(classifier, data.texts)
    names = names_in(data, "the classifier", model.label_space_)
    predicted = [renamed(label, names) for label in model.predict(data.texts, at_least_one=at_least_one)]
    scores = score_labels(data.labels, predicted, multi_label=data.multi_label)
    if per_label:
        scores["per_label"] = scores_per_label(data.labels, predicted, multi_label=data.multi_label)
    return scores


def _warn_if_used(folder: str | Path, texts: list[str]) -> None:
    """Warn where a model's folder tells that it was made with some of the texts that it is scored on."""
    told = [sentence for used in used_by(folder, str(folder)) if (sentence := used.told(texts)) is not None]
    if told:
        warnings.warn(f"{'; '.join(told)}: scores on them say little of new texts", DataWarning, stacklevel=3)


@dataclasses.dataclass(frozen=True)
class Abstaining:
    """When to give no answer.

    Parameters
    ----------
    precision : float, optional
        Give only answers that are sure enough for this share of right ones.
    in_scope_only : bool, default False
        Give none for texts unlike all training texts.
    min_confidence : float, optional
        Give only answers with at least this confidence as it is shown, with four digits, whatever it is worth.
    """

    precision: float | None = None
    in_scope_only: bool = False
    min_confidence: float | None = None

    def of(self, classifier: TextClassifier, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities, and which answers to give.

        Raises
        ------
        InputError
            If a setting is out of range, or the classifier cannot tell; for no texts at all, too.
        """
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise InputError(f"min_confidence must be from 0 to 1, got {self.min_confidence}")
        if self.precision is None and not self.in_scope_only:
            probabilities, kept = classifier.predict_proba(texts), np.ones(len(texts), dtype=bool)
        elif isinstance(classifier, HeadClassifier):
            probabilities, kept = classifier.judged(texts, precision=self.precision, in_scope_only=self.in_scope_only)
        else:
            able = "setfit" if self.in_scope_only else "setfit or linear-probe"
            raise InputError(f"a {classifier.kind!r} classifier cannot abstain; train {able} for that")
        if self.min_confidence is not None:
            shown = np.array(_shown_confidence(classifier, probabilities))  # a row that shows 0.7 is not below 0.7
            kept = kept & (shown >= self.min_confidence)
        return probabilities, kept


ANSWER_ALL = Abstaining()


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a classifier says of some texts, as Python's own values.

    Parameters
    ----------
    labels : list
        A label a text, in multi-label tasks a list of them; also where the answer is not to be given.
    confidence : list of float
        The label's probability, in multi-label tasks that of the least certain decision; to four digits.
    kept : list of bool
        Which answers to give.
    """

    labels: list[Any]
    confidence: list[float]
    kept: list[bool]

    def take(self, places: Sequence[int]) -> "Answers":
        """Return the answers at some places, which may come twice."""
        return Answers(
            [self.labels[place] for place in places],
            [self.confidence[place] for place in places],
            [self.kept[place] for place in places],
        )


def answer_texts(
    classifier: TextClassifier, texts: list[str], abstaining: Abstaining = ANSWER_ALL, *, at_least_one: bool = False
) -> Answers:
    """Answer each different text once; see :func:`predict_texts`."""
    distinct = list(dict.fromkeys(texts))
    probabilities, kept = abstaining.of(classifier, distinct)
    labels = classifier.labels_from(probabilities, at_least_one=at_least_one)
    plain = labels.tolist() if isinstance(labels, np.ndarray) else list(map(_plain, labels))
    answers = Answers(plain, _shown_confidence(classifier, probabilities), kept.tolist())
    if len(distinct) == len(texts):
        return answers
    place = {text: at for at, text in enumerate(distinct)}
    return answers.take([place[text] for text in texts])


def predict_texts(
    classifier: TextClassifier, texts: list[str], abstaining: Abstaining = ANSWER_ALL, *, at_least_one: bool = False
) -> list[dict[str, Any]]:
    """Predict texts; with ``at_least_one`` the most probable label where none of several applies.

    Returns
    -------
    list of dict
        For each text ``label`` and ``confidence``, its probability; in multi-label tasks ``labels``, and as
        ``confidence`` the probability of the least certain of its decisions. Where the classifier abstains, the label
        is ``None``.
    """
    answers = answer_texts(classifier, texts, abstaining, at_least_one=at_least_one)
    name = "labels" if classifier.label_space_.multi_label else "label"
    return [
        {name: label if keep else None, "confidence": confidence}
        for label, confidence, keep in zip(answers.labels, answers.confidence, answers.kept, strict=True)
    ]


def _shown_confidence(classifier: TextClassifier, probabilities: np.ndarray) -> list[float]:
    return four_digits(classifier.confidence_of(probabilities)).tolist()


def four_digits(values: np.ndarray) -> np.ndarray:
    """Return what ``round(value, 4)`` makes of each of these numbers from 0 to 1, at a fraction of its time.

    Examples
    --------
    >>> four_digits(np.array([0.12345, 0.00005, 1.0])).tolist(), round(0.12345, 4), round(0.00005, 4)
    ([0.1235, 0.0001, 1.0], 0.1235, 0.0001)
    """
    values = np.asarray(values, dtype=np.float64)
    parts = values * 10_000
    rounded = np.rint(parts) / 10_000
    for place in np.flatnonzero(np.abs(parts - np.floor(parts) - 0.5) < 1e-6):  # halves, or so near that who knows
        rounded[place] = round(float(values[place]), 4)
    return rounded


def _opened(classifier: str | Path | TextClassifier, device: str | None) -> TextClassifier:
    return load_classifier(classifier, device=device) if isinstance(classifier, (str, Path)) else classifier


def _plain(label: Any) -> Any:
    if isinstance(label, tuple):
        return [_plain(part) for part in label]
    return label.item() if isinstance(label, np.generic) else label
