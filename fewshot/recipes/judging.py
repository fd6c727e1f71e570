"""Scores and predictions of a classifier on files: what ``fewshot evaluate`` and ``fewshot predict`` do."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import DataWarning, InputError
from fewshot.data.formats import format_of
from fewshot.data.readers import read_rows
from fewshot.data.tables import Table
from fewshot.data.writers import write_rows
from fewshot.evaluation.metrics import score_labels, scores_per_label
from fewshot.recipes.sources import Reading, require_labels
from fewshot.recipes.used_texts import used_by

CHUNK_ROWS = 10_000
_LABEL_COLUMNS = ("label", "labels", "confidence")


@dataclasses.dataclass(frozen=True)
class Predicted:
    """What a prediction run wrote.

    Parameters
    ----------
    out : Path
    n_rows, n_rejected, n_abstained : int
    rejected_file : Path or None
        Rows that could not be predicted, with the reason.
    counts : dict
        How often each label was given.
    """

    out: Path
    n_rows: int
    n_rejected: int
    n_abstained: int
    rejected_file: Path | None
    counts: dict[Any, int]


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
    if data.multi_label != model.label_space_.multi_label:
        kinds = {True: "several labels a text", False: "one label a text"}
        raise InputError(
            f"{data.source} has {kinds[data.multi_label]}, and the classifier was trained for "
            f"{kinds[model.label_space_.multi_label]}"
        )
    predicted = model.predict(data.texts, at_least_one=at_least_one)
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
    """

    precision: float | None = None
    in_scope_only: bool = False

    def of(self, classifier: TextClassifier, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities, and which answers to give."""
        if self.precision is None and not self.in_scope_only:
            return classifier.predict_proba(texts), np.ones(len(texts), dtype=bool)
        if not isinstance(classifier, HeadClassifier):
            raise InputError(f"a {classifier.kind!r} classifier cannot abstain; train setfit or linear-probe for that")
        return classifier.judged(texts, precision=self.precision, in_scope_only=self.in_scope_only)


ANSWER_ALL = Abstaining()


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
    probabilities, kept = abstaining.of(classifier, texts)
    name = "labels" if classifier.label_space_.multi_label else "label"
    return [
        {name: _plain(label) if keep else None, "confidence": round(float(p), 4)}
        for label, keep, p in zip(
            classifier.labels_from(probabilities, at_least_one=at_least_one),
            kept,
            classifier.confidence_of(probabilities),
            strict=True,
        )
    ]


def predict_file(
    classifier: str | Path | TextClassifier,
    source: str | Path,
    *,
    out: str | Path,
    reading: Reading | None = None,
    abstaining: Abstaining = ANSWER_ALL,
    at_least_one: bool = False,
    device: str | None = None,
) -> Predicted:
    """Predict every row of a file and write all its rows, in order, with ``label`` (or ``labels``) and ``confidence``.

    Parameters
    ----------
    classifier : str, Path or TextClassifier
    source : str or Path
        CSV, TSV, JSONL, JSON or Parquet, each also gzipped. Columns ``label``, ``labels`` and ``confidence`` that it
        has already are kept as ``label_given`` and so on.
    out : str or Path
        Written whole or not at all, in the format that its name says. Rows that cannot be predicted keep their place
        with an empty label; they go with the reason to ``NAME.rejected.csv`` beside it.
    reading : Reading, optional
    abstaining : Abstaining, optional
        When to leave the label empty.
    at_least_one : bool, default False
        In multi-label tasks, give the most probable label to a text where none applies.
    device : str, optional

    Returns
    -------
    Predicted
    """
    reading = reading or Reading()
    if Path(out).resolve() == Path(source).resolve():
        raise InputError(f"out must be another file than the input, got {str(out)!r} for both")
    format_of(Path(out))  # an unknown format is found before the work, not after it
    model = _opened(classifier, device)
    table = read_rows(source, encoding=reading.encoding)
    texts, reasons = _texts_of(table, reading)
    good = [i for i in range(len(table)) if i not in reasons]
    answers: list[dict[str, Any]] = []
    for start in range(0, len(good), CHUNK_ROWS):
        part = [texts[i] for i in good[start : start + CHUNK_ROWS]]
        answers += predict_texts(model, part, abstaining, at_least_one=at_least_one)
    column = "labels" if model.label_space_.multi_label else "label"
    nothing: dict[str, Any] = {column: None, "confidence": None}
    given = dict(zip(good, answers, strict=True))
    names = _kept_names(table.columns)
    kept = [{names[name]: value for name, value in row.items()} for row in table.rows]
    rows = [row | given.get(i, nothing) for i, row in enumerate(kept)]
    joined = ["labels", *(new for name, new in names.items() if name == "labels")]
    columns = [*names.values(), column, "confidence"]
    write_rows(out, rows, columns=columns, label_separator=reading.label_separator, joined=joined)
    rejected_file = _write_rejected(Path(out), table, reasons)
    n_abstained = sum(answer[column] is None for answer in answers)
    return Predicted(Path(out), len(rows), len(reasons), n_abstained, rejected_file, _counted(answers, column))


def _texts_of(table: Table, reading: Reading) -> tuple[list[str], dict[int, str]]:
    """Return the text of each row, and by row the reason why one cannot be predicted."""
    hidden = set(_LABEL_COLUMNS) - set(reading.text)
    unlabeled = dataclasses.replace(
        table,
        columns=tuple(name for name in table.columns if name not in hidden),
        rows=[{name: value for name, value in row.items() if name not in hidden} for row in table.rows],
        numbers=list(range(len(table))),
        rejected={},
    )
    data = dataclasses.replace(reading, label=None).load(unlabeled)
    texts = [""] * len(table)
    for row, text in zip(data.rows, data.texts, strict=True):
        texts[row] = text
    reasons = {i: "empty text" for i, text in enumerate(texts) if not text.strip()}
    reasons |= dict(data.rejected)
    reasons |= {i: table.rejected[number] for i, number in enumerate(table.numbers) if number in table.rejected}
    return texts, reasons


def _write_rejected(out: Path, table: Table, reasons: dict[int, str]) -> Path | None:
    path = out.with_name(f"{out.name}.rejected.csv")
    if not reasons:
        path.unlink(missing_ok=True)
        return None
    write_rows(path, [{"row": table.numbers[i], "reason": reason} for i, reason in sorted(reasons.items())])
    return path


def _kept_names(columns: tuple[str, ...]) -> dict[str, str]:
    """Return a name for each input column that leaves ``label``, ``labels`` and ``confidence`` to the prediction."""
    names: dict[str, str] = {}
    for name in columns:
        new = name
        while new in _LABEL_COLUMNS or (new != name and (new in columns or new in names.values())):
            new = f"{new}_given"
        names[name] = new
    return names


def _counted(answers: list[dict[str, Any]], column: str) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for answer in answers:
        given = answer[column]
        for label in given or [] if column == "labels" else [] if given is None else [given]:
            counts[label] = counts.get(label, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))))


def _opened(classifier: str | Path | TextClassifier, device: str | None) -> TextClassifier:
    return load_classifier(classifier, device=device) if isinstance(classifier, (str, Path)) else classifier


def _plain(label: Any) -> Any:
    if isinstance(label, tuple):
        return list(label)
    return label.item() if isinstance(label, np.generic) else label
