"""The table at the end of a distillation: the teacher, the student before, the student after, and the gap closed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fewshot.data.texts import Label, TextData
from fewshot.distillation.teacher_targets import threshold_of
from fewshot.evaluation.benchmark import measure_throughput
from fewshot.evaluation.metrics import score_labels
from fewshot.recipes.contenders import renamed

MOST_TIMED = 200
LEAST_TO_TELL = 50
"""Of fewer texts no share of a gap is told: one text would be a tenth of it."""


def student_table(
    teacher: Any,
    trainer: Any,
    make_before: Callable[[], Any],
    pool: Sequence[str],
    test: TextData | None,
    names: Mapping[Label, Label],
) -> list[dict[str, Any]]:
    """Return a row each for the teacher, the student before its training, and after it.

    Parameters
    ----------
    teacher : object with ``predict_proba`` and ``label_space_``
    trainer : DistillationTrainer or LogitDistillationTrainer
        Fitted.
    make_before : callable
        Gives the untrained student with a head on the teacher's answers; called where there is a test set.
    pool : sequence of str
        Some of its texts are predicted to measure the speeds, the two taking turns.
    test : TextData, optional
        To score all three on.
    names : mapping
        What it calls each of their classes.

    Returns
    -------
    list of dict
        ``model``, ``cosine_correlation`` (of the students) and ``probe_agreement`` (of all) on held-out texts, see
        :class:`fewshot.DistillationTrainer`; of a :class:`fewshot.LogitDistillationTrainer` ``agreement``; ``score``
        (accuracy on the test set, in multi-label tasks micro F1) and ``texts_per_second``.
    """
    report, student = trainer.report_, trainer.student_
    some = [pool[row] for row in range(min(len(pool), MOST_TIMED))]
    speed = measure_throughput(
        {"teacher": teacher.predict_proba, "student": student.predict_proba}, some, rounds=1, max_seconds=4.0
    )
    agreement = agreement_key(report)
    rows: list[dict[str, Any]] = [
        {"model": "teacher", "texts_per_second": speed["teacher"]},
        {"model": "student before"},
        {"model": "student after", "texts_per_second": speed["student"]},
    ]
    for row, ending in zip(rows, ("_of_teacher", "_before", ""), strict=True):
        row["cosine_correlation"] = report.get(f"cosine_correlation{ending}")
        row[agreement] = report.get(f"{agreement}{ending}")
    if test is not None:
        for row, model in zip(rows, (teacher, make_before(), student), strict=True):
            row["score"] = score_of(model, test, names)
    return rows


def score_of(model: Any, test: TextData, names: Mapping[Label, Label]) -> float:
    """Return accuracy, in multi-label tasks micro F1, of a classifier or of any teacher, by the test set's names."""
    space = model.label_space_
    if hasattr(model, "predict"):
        predicted = model.predict(test.texts)
    else:
        probabilities = model.predict_proba(test.texts)
        decided = probabilities >= threshold_of(model) if space.multi_label else probabilities.argmax(1)
        predicted = space.decode(decided)
    predicted = [renamed(label, names) for label in predicted]
    scores = score_labels(test.labels, predicted, multi_label=space.multi_label)
    return float(scores["micro_f1" if space.multi_label else "accuracy"])


def agreement_key(report: Mapping[str, Any]) -> str:
    """Return the name of the agreement that is known before and after a training."""
    return "probe_agreement" if "probe_agreement" in report else "agreement"


def told_gap(rows: Sequence[dict[str, Any]], report: Mapping[str, Any], n_test: int) -> dict[str, Any] | None:
    """Return the share of the gap that the training closed, where enough texts tell it.

    Parameters
    ----------
    rows : sequence of dict
        Of :func:`student_table`.
    report : mapping
        The trainer's.
    n_test : int
        How many texts the scores are of; 0 without a test set.

    Returns
    -------
    dict or None
        ``of`` (``"score"`` where there is a test set, else the agreement), ``share``, ``n_texts``. ``None`` if there
        was no gap, or fewer than 50 texts would tell.
    """
    key, n_texts = ("score", n_test) if n_test else (agreement_key(report), report["n_held_out"])
    share = gap_closed(rows, key) if n_texts >= LEAST_TO_TELL else None
    return None if share is None else {"of": key, "share": share, "n_texts": n_texts}


def gap_closed(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    """Return which share of the way from the student before to the teacher the training went.

    Parameters
    ----------
    rows : sequence of dict
        Of :func:`student_table`.
    key : str
        ``"score"``, ``"probe_agreement"``, or ``"agreement"``, of which the teacher's own is 1.

    Returns
    -------
    float or None
        1 at the teacher, negative where the training did harm; ``None`` where there was no gap, or nothing is known.

    Examples
    --------
    >>> rows = [{"score": 0.9}, {"score": 0.5}, {"score": 0.8}]
    >>> round(gap_closed(rows, "score"), 2)
    0.75
    """
    goal = 1.0 if key == "agreement" else rows[0].get(key)
    before, after = rows[1].get(key), rows[2].get(key)
    if goal is None or before is None or after is None or goal <= before:
        return None
    return float((after - before) / (goal - before))
