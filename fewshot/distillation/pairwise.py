"""Pairwise distillation: the student learns the teacher's cosines of all pairs of a batch of unlabelled texts.

The teacher embeds the pool once. Each batch of B texts passes through the student once and trains all B(B−1)/2 pairs;
no list of pairs is ever made. The student's head then learns the teacher's probabilities and any gold labels.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fewshot.classifiers.base import EmbeddingClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import InputError
from fewshot.distillation.students import build_student, check_student, trainable_model, trained_encoder
from fewshot.distillation.teachers import TeacherTargets, compute_targets, open_teacher
from fewshot.distillation.token_table import TokenStatistics, static_student
from fewshot.distillation.transfer_set import TransferSet, make_transfer_set
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import DEFAULT_STUDENT, unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder
from fewshot.evaluation.metrics import cosine_correlation
from fewshot.evaluation.thresholds import best_threshold
from fewshot.heads.table import C_GRID, LinearHead, fit_soft_linear
from fewshot.heads.vectors import unit_rows
from fewshot.training.losses import PairwiseCosineLoss
from fewshot.training.samplers import ShuffledBatches
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import check_random_state
from fewshot.training.targets import EmbeddingSimilarity
from fewshot.training.trainer import train_pairwise


class DistillationTrainer:
    """Distil a teacher into a small student on unlabelled text.

    Parameters
    ----------
    teacher : TextClassifier, str or Path
        A fitted classifier with a sentence encoder (``SetFitClassifier``, ``LinearProbeClassifier``,
        ``KNNClassifier``), or a model directory of one.
    student : str or Encoder, default="sentence-transformers/paraphrase-MiniLM-L3-v2"
        ``"static"``, ``"layers:N"`` or an encoder's name; see :func:`fewshot.build_student`.
    steps : int, optional
        Optimizer steps. Default: from the size of the pool.
    batch_size : int, optional
        Texts a step. Default: 512 for a token table, 64 for a transformer.
    learning_rate : float, optional
        Peak learning rate. Default: 2e-3 for a token table, 4e-4 for a transformer.
    device : str, optional
        Where the student trains; default: where the teacher runs.
    random_state : int, default=0

    Attributes
    ----------
    student_ : LinearProbeClassifier
        The distilled classifier.
    losses_ : list of float
        Pairwise loss of each step.
    report_ : dict
        ``cosine_correlation_before`` and ``cosine_correlation`` (Pearson, student against teacher, on held-out pool
        texts), ``agreement`` (share of held-out texts with the teacher's label), ``n_pool``, ``n_gold``,
        ``n_held_out``, ``steps``. The held-out figures are ``None`` for pools under 50 texts. The same texts choose the
        head's regularization among four values, so the agreement is slightly kind.

    Notes
    -----
    Relational distillation (Park et al. 2019, "Relational Knowledge Distillation", arXiv:1904.05068) with the objective
    of SetFit's (Tunstall et al. 2022, arXiv:2209.11055, section 6): the mean squared difference of cosines.

    Examples
    --------
    >>> trainer = DistillationTrainer("runs/teacher", student="static")  # doctest: +SKIP
    >>> trainer.fit(unlabeled_texts).student_.predict(["a text"])  # doctest: +SKIP
    """

    def __init__(
        self,
        teacher: Any,
        student: str | Encoder = DEFAULT_STUDENT,
        *,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        unlabeled_texts: Sequence[str],
        texts: Sequence[str] | None = None,
        labels: Sequence[Any] | None = None,
    ) -> Self:
        """Train the student.

        Parameters
        ----------
        unlabeled_texts : sequence of str
            The pool; duplicates count once. At least 8 texts.
        texts, labels : sequences, optional
            Gold labels, of the teacher's classes: they join the pool, and the head learns them beside the teacher's
            probabilities.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the pool is too small, or a gold label is not one of the teacher's classes.
        TeacherError
            If the teacher's outputs are constant or not finite.
        """
        check_random_state(self.random_state)
        teacher = open_teacher(self.teacher)
        check_student(teacher.encoder_, self.student)
        transfer = make_transfer_set(teacher.label_space_, unlabeled_texts, texts, labels, self.random_state)
        student, targets = self._student_and_targets(teacher, transfer.texts)
        before = self._correlation(student, transfer, targets)
        encoder = self._train(student, transfer, targets)
        X = unit_rows(encoder.encode(transfer.texts))
        head = self._fit_head(X, transfer, targets, teacher)
        self.student_ = LinearProbeClassifier.from_parts(encoder, head, teacher.label_space_)
        self.report_ = self._report(before, X, transfer, targets, teacher)
        return self

    def _student_and_targets(self, teacher: EmbeddingClassifier, texts: list[str]) -> tuple[Encoder, TeacherTargets]:
        encoder = unwrapped(teacher.encoder_)
        if self.student == "static" and isinstance(encoder, SentenceEncoder):
            with TokenStatistics(encoder) as statistics:  # one pass over the pool gives targets and tokens in context
                targets = compute_targets(teacher, texts)
            return static_student(encoder, statistics), targets
        return build_student(encoder, self.student, device=self.device), compute_targets(teacher, texts)

    def _train(self, student: Encoder, transfer: TransferSet, targets: TeacherTargets) -> Encoder:
        schedule = self._schedule(student, len(transfer.train))
        device = self.device or getattr(student, "device", None) or "cpu"
        model = trainable_model(student, device)
        self.losses_ = train_pairwise(
            model,
            [transfer.texts[row] for row in transfer.train],
            PairwiseCosineLoss(model, EmbeddingSimilarity(targets.embeddings[transfer.train])),
            ShuffledBatches(
                len(transfer.train),
                batch_size=schedule.batch_size,
                steps=schedule.steps,
                random_state=self.random_state,
            ),
            schedule,
            description=f"distilling into {student.name}",
            device=device,
            random_state=self.random_state,
        )
        return trained_encoder(student, model)

    def _schedule(self, student: Encoder, n_texts: int) -> Schedule:
        default = default_schedule(student, n_texts)
        batch_size = default.batch_size if self.batch_size is None else self.batch_size
        passes = default.batch_size / max(1, batch_size)  # smaller batches take more steps to see as many texts
        return Schedule(
            round(default.steps * passes) if self.steps is None else self.steps,
            batch_size,
            default.learning_rate if self.learning_rate is None else self.learning_rate,
        )

    def _correlation(self, student: Encoder, transfer: TransferSet, targets: TeacherTargets) -> float | None:
        if not len(transfer.held_out):
            return None
        vectors = student.encode([transfer.texts[row] for row in transfer.held_out])
        return _correlation(targets.embeddings[transfer.held_out], vectors, self.random_state)

    def _fit_head(
        self, X: np.ndarray, transfer: TransferSet, targets: TeacherTargets, teacher: EmbeddingClassifier
    ) -> LinearHead:
        multi_label = teacher.label_space_.multi_label
        wanted = targets.probabilities.copy()
        if transfer.y is not None:
            wanted[transfer.gold] = _matrix(transfer.y, wanted.shape[1])
        train, judged = transfer.train, transfer.held_out
        if len(judged):
            heads = [fit_soft_linear(X[train], wanted[train], multi_label=multi_label, C=C) for C in C_GRID]
            losses = [_cross_entropy(wanted[judged], head.predict_proba(X[judged]), multi_label) for head in heads]
            head = heads[int(np.argmin(losses))]
        else:
            head = fit_soft_linear(X[train], wanted[train], multi_label=multi_label)
        if not multi_label:
            return head
        decided = (wanted[train] >= np.where(np.isin(train, transfer.gold), 0.5, teacher._threshold)[:, None]).astype(
            int
        )
        return dataclasses.replace(head, threshold=best_threshold(decided, head.predict_proba(X[train])))

    def _report(
        self,
        before: float | None,
        X: np.ndarray,
        transfer: TransferSet,
        targets: TeacherTargets,
        teacher: EmbeddingClassifier,
    ) -> dict[str, Any]:
        rows = transfer.held_out
        report: dict[str, Any] = {
            "n_pool": len(transfer.texts) - len(transfer.gold),
            "n_gold": len(transfer.gold),
            "n_held_out": len(rows),
            "steps": len(self.losses_),
            "cosine_correlation_before": before,
            "cosine_correlation": None,
            "agreement": None,
        }
        if len(rows):
            theirs = teacher.labels_from(targets.probabilities[rows])
            ours = self.student_.labels_from(self.student_.probabilities_from(X[rows]))
            report["cosine_correlation"] = _correlation(targets.embeddings[rows], X[rows], self.random_state)
            report["agreement"] = float(np.mean([a == b for a, b in zip(theirs, ours, strict=True)]))
        return report


def default_schedule(student: Encoder, n_texts: int) -> Schedule:
    """Return how long to train a student on a pool of ``n_texts``.

    A token table takes large batches, a high learning rate and many passes, since a step costs little; a transformer
    takes some passes over the pool.
    """
    if isinstance(student, StaticEncoder):
        return Schedule(min(2000, max(200, round(20 * n_texts / 512))), 512, 2e-3)
    return Schedule(min(2000, max(50, round(2 * n_texts / 64))), 64, 4e-4)


def _matrix(y: np.ndarray, n_classes: int) -> np.ndarray:
    return y if y.ndim == 2 else np.eye(n_classes)[y]


def _cross_entropy(wanted: np.ndarray, given: np.ndarray, multi_label: bool) -> float:
    given = given.clip(1e-9, 1 - 1e-9)
    losses = wanted * np.log(given)
    if multi_label:
        losses = losses + (1 - wanted) * np.log1p(-given)
    return -float(losses.sum(axis=1).mean())


def _correlation(teacher: np.ndarray, student: np.ndarray, random_state: int) -> float | None:
    try:
        return cosine_correlation(teacher, student, random_state=random_state)
    except InputError:  # a student that is constant before training has no correlation to report
        return None
