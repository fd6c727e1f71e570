"""One logit distillation: its texts, what the teacher says of them, and how near a student comes to that."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.classifiers.transformer import TransformerClassifier
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.distillation.confidence import confidence_weights
from fewshot.distillation.logit_targets import LogitTargets, targets_of
from fewshot.distillation.logit_teachers import check_varied, logits_of, space_of, teacher_logits
from fewshot.distillation.target_store import TargetStore
from fewshot.distillation.teacher_targets import TeacherTargets, threshold_of
from fewshot.distillation.teachers import ClassifierTeacher
from fewshot.distillation.transfer_set import TransferSet
from fewshot.distillation.watching import MOST_LOOKED_AT
from fewshot.evaluation.thresholds import best_thresholds_per_label

MOST_FOR_THRESHOLDS = 2000
_ROWS_AT_ONCE = 65_536


class ChosenTexts(Sequence[str]):
    """Some of many texts; each is looked up when it is asked for, so that those in a file stay there.

    Parameters
    ----------
    texts : sequence of str
    rows : ndarray of int
        Which of them, in which order.

    Examples
    --------
    >>> list(ChosenTexts(["a", "b", "c"], np.array([2, 0])))
    ['c', 'a']
    """

    def __init__(self, texts: Sequence[str], rows: np.ndarray) -> None:
        self.texts, self.rows = texts, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.texts[int(row)] for row in self.rows[index]]
        return self.texts[int(self.rows[index])]

    def __iter__(self) -> Iterator[str]:
        return (self.texts[int(row)] for row in self.rows)


@dataclasses.dataclass(frozen=True)
class LogitTask:
    """A teacher's scores of the texts of a distillation.

    Parameters
    ----------
    texts : sequence of str
        To train on, the gold ones first.
    y : ndarray or None
        Class numbers ``(n_gold,)`` or 0/1 matrix ``(n_gold, n_classes)`` of the gold texts.
    logits : ndarray of shape (n_texts, n_classes)
        The teacher's.
    weights : ndarray of shape (n_texts,), or None
        How much each text counts; ``None``: alike.
    held_out : sequence of str
    held_out_logits : ndarray of shape (n_held_out, n_classes)
    multi_label : bool
    threshold : float or ndarray of shape (n_classes,)
        Probability from which the teacher's labels apply; multi-label only.
    """

    texts: Sequence[str]
    y: np.ndarray | None
    logits: np.ndarray
    weights: np.ndarray | None
    held_out: Sequence[str]
    held_out_logits: np.ndarray
    multi_label: bool
    threshold: Any

    def lesson(self, columns: np.ndarray) -> tuple[Sequence[str], LogitTargets]:
        """Return the texts to train on and their targets; texts without weight are left out.

        Parameters
        ----------
        columns : ndarray of shape (n_classes,)
            Which of the student's outputs stands for each class.
        """
        if self.weights is None or self.weights.all():
            return self.texts, targets_of(self.logits, columns, self.y, self.weights)
        rows = np.flatnonzero(self.weights)  # gold texts all weigh something, so that they stay the first
        targets = targets_of(self.logits[rows], columns, self.y, self.weights[rows])
        return ChosenTexts(self.texts, rows), targets

    @property
    def n_left_out(self) -> int:
        """How many texts have no weight."""
        return 0 if self.weights is None else int((self.weights == 0).sum())

    def agreement(self, student: SequenceClassifier, n_texts: int | None = None, threshold: Any = None) -> float | None:
        """Return the share of held-out texts that get the teacher's label, or set of labels; ``None`` without any.

        Parameters
        ----------
        student : SequenceClassifier
            Of the teacher's classes.
        n_texts : int, optional
            Look at so many of them alone.
        threshold : float or ndarray of shape (n_classes,), optional
            Probability from which the student's labels apply; multi-label only. Default: the student's own.
        """
        if not len(self.held_out):
            return None
        ours, theirs = student.predict_proba(self.held_out[:n_texts]), self.held_out_logits[:n_texts]
        if not self.multi_label:
            return float(np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1)))
        decided = ours >= (student.threshold_ if threshold is None else threshold)
        return float(np.mean((self._decided(theirs) == decided).all(axis=1)))

    def look(self, student: SequenceClassifier) -> dict[str, float | None]:
        """Return the agreement of a student in training on some texts, with several labels at the teacher's thresholds.

        Its own thresholds are chosen when it has learnt.
        """
        return {"agreement": self.agreement(student, MOST_LOOKED_AT, self.threshold)}

    def thresholds(self, student: SequenceClassifier, random_state: int = 0) -> np.ndarray:
        """Return a threshold for each label: the student then decides as its teacher, and as the gold labels say.

        Parameters
        ----------
        student : SequenceClassifier
        random_state : int, default=0
            Decides which texts to look at, at most 2,000; none that has no weight.

        Returns
        -------
        ndarray of shape (n_classes,)
        """
        counted = np.arange(len(self.texts)) if self.weights is None else np.flatnonzero(self.weights)
        rows = np.random.default_rng(random_state).permutation(counted)[:MOST_FOR_THRESHOLDS]
        decided = self._decided(self.logits[rows]).astype(int)
        if self.y is not None:
            is_gold = rows < len(self.y)
            decided[is_gold] = self.y[rows[is_gold]]
        return best_thresholds_per_label(decided, student.predict_proba(ChosenTexts(self.texts, rows)))

    def _decided(self, logits: np.ndarray) -> np.ndarray:
        return np.asarray(expit(logits.astype(np.float64)) >= self.threshold)


def open_logit_task(
    teacher: Any, transfer: TransferSet, confidence: str = "none", store: TargetStore | None = None
) -> LogitTask:
    """Ask a teacher about all texts of a distillation.

    Parameters
    ----------
    teacher : object with ``predict_proba`` and ``classes_``
    transfer : TransferSet
    confidence : str, default="none"
        See :func:`~fewshot.distillation.confidence.confidence_weights`. Gold texts count in full whatever the teacher
        thinks of them, and pool texts that count at all have a mean weight of 1.
    store : TargetStore, optional
        Keeps the logits that a teacher gives the pool, of one without logits its probabilities. Default: in memory.

    Returns
    -------
    LogitTask

    Raises
    ------
    InputError
        If too few texts are left to learn from.
    TeacherError
        If the teacher's scores are not finite, or the same for all texts.
    """
    texts, held_out, n_gold = transfer.train, transfer.held_out, transfer.n_joined
    logits = _logits(teacher, transfer, store)
    check_varied(logits)
    multi_label = space_of(teacher).multi_label
    weights = None
    if confidence != "none" and len(texts) > n_gold:
        weights = np.ones(len(texts))
        weights[n_gold:] = _weights(logits[n_gold:], confidence, multi_label)
        if (weights > 0).sum() < 2:
            raise InputError(f"confidence {confidence!r} leaves one text to learn from; take 'weight' or 'none'")
    return LogitTask(
        texts,
        transfer.y if n_gold else None,
        logits,
        weights,
        held_out,
        teacher_logits(teacher, held_out),
        multi_label,
        threshold_of(teacher),
    )


def _logits(teacher: Any, transfer: TransferSet, store: TargetStore | None) -> np.ndarray:
    """Return the teacher's scores of the texts to train on."""
    n_gold = transfer.n_joined
    known = isinstance(teacher, TextClassifier) or hasattr(teacher, "targets")
    if store is None or not len(transfer.pool) or not known:
        return teacher_logits(teacher, transfer.train)
    has_logits = isinstance(teacher, TransformerClassifier)
    if has_logits:
        stored = store.exact().targets(LogitsAsTargets(teacher), transfer.pool).probabilities
    else:
        stored = store.targets(teacher, transfer.pool).probabilities
    logits = np.empty((len(transfer.train), stored.shape[1]), dtype=np.float32)
    logits[:n_gold] = teacher_logits(teacher, transfer.gold_texts[:n_gold])
    for start in range(0, len(stored), _ROWS_AT_ONCE):
        part = stored[start : start + _ROWS_AT_ONCE]
        rows = slice(n_gold + start, n_gold + start + len(part))
        logits[rows] = part if has_logits else logits_of(part, multi_label=space_of(teacher).multi_label)
    return logits


class LogitsAsTargets:
    """A teacher whose logits stand where a :class:`~fewshot.distillation.target_store.TargetStore` has probabilities.

    Parameters
    ----------
    teacher : TransformerClassifier
    """

    def __init__(self, teacher: TransformerClassifier) -> None:
        self._teacher = teacher
        self.classes_, self.label_space_ = teacher.classes_, teacher.label_space_

    @property
    def fingerprint(self) -> str:
        """Another one than that of the teacher's probabilities."""
        return fingerprint(["logits", ClassifierTeacher(self._teacher).fingerprint])

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return the logits ``(n_texts, n_classes)``."""
        return TeacherTargets(None, teacher_logits(self._teacher, texts))


def _weights(logits: np.ndarray, confidence: str, multi_label: bool) -> np.ndarray:
    probabilities = expit(logits) if multi_label else softmax(logits, axis=1)
    weights = confidence_weights(probabilities, confidence, multi_label=multi_label)
    return weights / weights[weights > 0].mean()
