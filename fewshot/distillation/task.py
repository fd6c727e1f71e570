"""One task of a distillation: what its teacher says of its texts, and how near a student comes to that."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.distillation.class_loss import TeacherClasses
from fewshot.distillation.confidence import confidence_weights
from fewshot.distillation.target_store import TargetStore
from fewshot.distillation.teacher_targets import TeacherTargets, check_targets, threshold_of
from fewshot.distillation.token_statistics import ObservedTeacher, TokenStatistics
from fewshot.distillation.transfer_set import TransferSet
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.evaluation.domain import MAX_VECTORS, MIN_VECTORS, DomainDistance, domain_distance, domain_note
from fewshot.evaluation.metrics import cosine_correlation
from fewshot.evaluation.thresholds import best_threshold
from fewshot.heads.table import C_GRID, LinearHead, fit_soft_linear
from fewshot.heads.vectors import unit_rows

MOST_FOR_HEAD = 20_000
"""A head is fitted on so many texts of a pool at most; more change it no further."""

LEAST_TO_CROSS = 10


@dataclasses.dataclass(frozen=True)
class DistillationTask:
    """A teacher's answers about the texts of one task.

    Parameters
    ----------
    teacher : Teacher
    transfer : TransferSet
    train : TeacherTargets
        Of ``transfer.train``.
    gold : TeacherTargets or None
        Of the gold texts.
    held_out : TeacherTargets or None
        Of ``transfer.held_out``; ``None`` where there are none.
    weight : ndarray of shape (n_train,), or None
        How much each training text counts; ``None``: alike.
    """

    teacher: Any
    transfer: TransferSet
    train: TeacherTargets
    gold: TeacherTargets | None
    held_out: TeacherTargets | None
    weight: np.ndarray | None

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return bool(self.teacher.label_space_.multi_label)

    def classes(self) -> TeacherClasses:
        """Return what a student shall say of the training texts' classes."""
        gold = None if self.transfer.y is None else self._gold_matrix()[: self.transfer.n_joined]
        return TeacherClasses(self.train.probabilities, multi_label=self.multi_label, gold=gold, weight=self.weight)

    def look(self, encoder: Encoder, n_texts: int | None = None) -> dict[str, float | None]:
        """Return how near a student's vectors are to the teacher, on held-out texts.

        Parameters
        ----------
        encoder : Encoder
        n_texts : int, optional
            Look at no more texts than this. Default: all that are held out.

        Returns
        -------
        dict
            ``cosine_correlation`` (Pearson, over pairs of texts) and ``agreement``: the share of texts that get the
            teacher's label from a head fitted on the other half of them. ``None`` where there are too few texts (fewer
            than 3, and than 10), or the student's cosines are all the same.
        """
        if self.held_out is None:
            return {"cosine_correlation": None, "agreement": None}
        texts = self.transfer.held_out[:n_texts]
        X = unit_rows(encoder.encode(texts))
        wanted = self.held_out.probabilities[: len(texts)]
        theirs = np.asarray(self.held_out.embeddings[: len(texts)])
        known = theirs.any(axis=1)  # of a text without any token that it knows, a table has nothing to teach
        return {
            "cosine_correlation": _correlation(theirs[known], X[known]),
            "agreement": self._crossed_agreement(X, wanted),
        }

    def fit_head(self, encoder: Encoder) -> LinearHead:
        """Fit a head on a student's vectors that follows the teacher's probabilities, and gold labels where known.

        Its regularization is chosen on held-out texts.
        """
        texts, wanted, weight, is_gold = self._head_rows()
        X = unit_rows(encoder.encode(texts))
        options: dict[str, Any] = {"multi_label": self.multi_label, "sample_weight": weight}
        if self.held_out is not None:
            X_judged = unit_rows(encoder.encode(self.transfer.held_out))
            heads = [fit_soft_linear(X, wanted, C=C, **options) for C in C_GRID]
            given = [head.predict_proba(X_judged) for head in heads]
            losses = [_cross_entropy(self.held_out.probabilities, rows, self.multi_label) for rows in given]
            head = heads[int(np.argmin(losses))]
        else:
            head = fit_soft_linear(X, wanted, **options)
        if not self.multi_label:
            return head
        lowest = np.where(is_gold[:, None], 0.5, self.threshold)
        counts = slice(None) if weight is None else weight > 0
        decided = (wanted >= lowest).astype(int)[counts]
        return dataclasses.replace(head, threshold=best_threshold(decided, head.predict_proba(X[counts])))

    def report(
        self, student: Any, before: Mapping[str, float | None], *, steps: int, kept_step: int | None
    ) -> dict[str, Any]:
        """Return what is to be said of a finished distillation.

        Parameters
        ----------
        student : EmbeddingClassifier
        before : mapping
            What :meth:`look` saw before the training.
        steps : int
            How many there were.
        kept_step : int or None
            Whose weights were kept, where not simply the last.
        """
        after = self.look(student.encoder_)
        distance = self._domain_distance()
        note = domain_note(*distance) if distance is not None else None
        agreement = of_teacher = None
        if self.held_out is not None:
            of_teacher = self._crossed_agreement(np.asarray(self.held_out.embeddings), self.held_out.probabilities)
            probabilities = student.predict_proba(self.transfer.held_out)
            agreement = float(np.mean(self._agrees(self.held_out.probabilities, probabilities, student._threshold)))
        return {
            "n_pool": self.transfer.n_pool,
            "n_gold": len(self.transfer.gold_texts),
            "n_held_out": len(self.transfer.held_out),
            "n_left_out": 0 if self.weight is None else int((self.weight == 0).sum()),
            "steps": steps,
            "kept_step": kept_step,
            "cosine_correlation_before": before["cosine_correlation"],
            "cosine_correlation": after["cosine_correlation"],
            "probe_agreement_before": before["agreement"],
            "probe_agreement": after["agreement"],
            "probe_agreement_of_teacher": of_teacher,
            "agreement": agreement,
            "domain_distance": None if distance is None else distance.distance,
            "notes": [note] if note else [],
        }

    def _domain_distance(self) -> DomainDistance | None:
        """Return how unlike the gold texts the pool is; ``None`` where there are too few of either."""
        if self.gold is None:
            return None
        gold = self.gold.embeddings
        n_pool = len(self.transfer.pool)
        rows = self.transfer.n_joined + np.linspace(0, n_pool - 1, min(n_pool, MAX_VECTORS)).astype(np.int64)
        if min(len(gold), len(rows)) < MIN_VECTORS:
            return None
        return domain_distance(gold, self.train.embeddings[rows])

    @property
    def threshold(self) -> Any:
        """The probability from which the teacher's labels apply, for all or for each; multi-label only."""
        return threshold_of(self.teacher)

    def _agrees(self, wanted: np.ndarray, given: np.ndarray, threshold: Any) -> np.ndarray:
        if self.multi_label:
            return np.asarray(((wanted >= self.threshold) == (given >= threshold)).all(axis=1))
        return np.asarray(wanted.argmax(axis=1) == given.argmax(axis=1))

    def _crossed_agreement(self, X: np.ndarray, wanted: np.ndarray) -> float | None:
        if len(X) < LEAST_TO_CROSS:
            return None
        halves = [np.arange(start, len(X), 2) for start in (0, 1)]
        right = []
        for ours, theirs in (halves, halves[::-1]):
            head = fit_soft_linear(X[ours], wanted[ours], multi_label=self.multi_label)
            right.append(self._agrees(wanted[theirs], head.predict_proba(X[theirs]), self.threshold))
        return float(np.mean(np.concatenate(right)))

    def _gold_matrix(self) -> np.ndarray:
        y = np.asarray(self.transfer.y)
        return y if y.ndim == 2 else np.eye(self.train.probabilities.shape[1])[y]

    def _head_rows(self) -> tuple[list[str], np.ndarray, np.ndarray | None, np.ndarray]:
        """Return texts, wanted probabilities, weights, and which of them are gold."""
        transfer, pool = self.transfer, self.transfer.pool
        rows = np.linspace(0, len(pool) - 1, min(len(pool), MOST_FOR_HEAD)).astype(np.int64)
        answers = np.asarray(self.train.probabilities[transfer.n_joined + rows], dtype=np.float64)
        weight = None if self.weight is None else self.weight[transfer.n_joined + rows]
        texts = [*transfer.gold_texts, *(pool[row] for row in rows.tolist())]
        is_gold = np.arange(len(texts)) < len(transfer.gold_texts)
        if transfer.y is None:
            return texts, answers, weight, is_gold
        gold = self._gold_matrix()
        if weight is not None:
            weight = np.concatenate([np.ones(len(gold)), weight])
        return texts, np.concatenate([gold, answers]), weight, is_gold


def open_task(
    teacher: Any, transfer: TransferSet, *, store: TargetStore | None, observe: bool, confidence: str
) -> tuple[DistillationTask, TokenStatistics | None]:
    """Ask a teacher about all texts of a task.

    Parameters
    ----------
    teacher : Teacher
        With vectors and an ``encoder_``.
    transfer : TransferSet
    store : TargetStore or None
        Where the pool's targets are kept; ``None``: in memory.
    observe : bool
        Whether to sum the tokens of its encoder, for a token table; no further pass over the texts is made for that.
    confidence : str
        See :func:`~fewshot.distillation.confidence.confidence_weights`; gold texts count in full.

    Returns
    -------
    (DistillationTask, TokenStatistics or None)

    Raises
    ------
    TeacherError
        If the teacher's answers are not finite, or the same for all texts.
    """
    encoder = unwrapped(teacher.encoder_)
    observed = encoder if observe and isinstance(encoder, SentenceEncoder) else None
    ask = teacher.targets if store is None else functools.partial(store.targets, teacher)
    gold = teacher.targets(transfer.gold_texts) if transfer.gold_texts else None
    joined = [gold] if gold is not None and transfer.n_joined else []
    if store is None or not len(transfer.pool):
        pool, statistics = _in_memory(teacher, transfer.pool, observed)
        train = _joined([*joined, *pool])
        check_targets(train)
    else:  # what is stored was checked before
        stored, statistics = _stored(teacher, transfer.pool, observed, store)
        train = _joined([*joined, stored])
    held_out = ask(transfer.held_out) if transfer.held_out else None
    weight = None
    if confidence != "none":
        weight = confidence_weights(train.probabilities, confidence, multi_label=teacher.label_space_.multi_label)
        weight[: transfer.n_joined] = 1.0
    return DistillationTask(teacher, transfer, train, gold, held_out, weight), statistics


def _in_memory(
    teacher: Any, pool: Sequence[str], observed: SentenceEncoder | None
) -> tuple[list[TeacherTargets], TokenStatistics | None]:
    if observed is None or not len(pool):
        return [teacher.targets(list(pool))] if len(pool) else [], None
    with TokenStatistics(observed) as statistics:
        return [teacher.targets(list(pool))], statistics


def _stored(
    teacher: Any, pool: Sequence[str], observed: SentenceEncoder | None, store: TargetStore
) -> tuple[TeacherTargets, TokenStatistics | None]:
    if observed is None:
        return store.targets(teacher, pool), None
    watched = ObservedTeacher(teacher, observed, pool, store.shard_rows, tokens_folder(store))
    return store.targets(watched, pool), watched.statistics()


def _joined(parts: list[TeacherTargets]) -> TeacherTargets:
    """Return one after the other; a single part, which may be memory maps, as it is."""
    if len(parts) == 1:
        return parts[0]
    return TeacherTargets(
        np.concatenate([part.embeddings for part in parts]), np.concatenate([part.probabilities for part in parts])
    )


def tokens_folder(store: TargetStore) -> Path:
    """Return where sums of tokens lie beside stored targets."""
    return store.folder / "tokens"


def _cross_entropy(wanted: np.ndarray, given: np.ndarray, multi_label: bool) -> float:
    given = given.clip(1e-9, 1 - 1e-9)
    losses = wanted * np.log(given)
    if multi_label:
        losses = losses + (1 - wanted) * np.log1p(-given)
    return -float(losses.sum(axis=1).mean())


def _correlation(teacher: np.ndarray, student: np.ndarray) -> float | None:
    try:
        return cosine_correlation(teacher, student)
    except InputError:  # a student that is constant before training has no correlation to report
        return None
