"""Several tasks in one student: one encoder learns from every task's teacher, and each task has a head of its own."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch.utils.data import BatchSampler
from transformers import PreTrainedConfig

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import InputError
from fewshot.distillation.distiller import Distiller
from fewshot.distillation.several_teachers import TaskBatches, TaskSimilarity
from fewshot.distillation.similarity_losses import check_similarity_losses, make_similarity_loss
from fewshot.distillation.student_training import StudentTraining, check_weights
from fewshot.distillation.students import build_student, is_table, make_student
from fewshot.distillation.target_store import TargetStore, as_store
from fewshot.distillation.task import DistillationTask, open_task
from fewshot.distillation.transfer_set import MOST_JOINED, make_transfer_set
from fewshot.distillation.vector_teacher import open_vector_teacher
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import DEFAULT_STUDENT
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.fake_quant import FakeQuantization
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import check_random_state
from fewshot.training.targets import EmbeddingSimilarity

PAIR_LOSSES = ("cosine", "softmax", "relational")
"""Losses that ask for similarities alone; vectors of several teachers cannot be matched by one projection."""


class MultiTaskDistillationTrainer(Distiller):
    """Distil the teachers of several tasks into one small encoder with a head for each task.

    Parameters
    ----------
    teachers : mapping of str to teacher
        Each as for :class:`~fewshot.distillation.pairwise.DistillationTrainer`, by the name of its task. Students that
        are cut from a teacher are cut from the first.
    student : str, PreTrainedConfig or Encoder, default="sentence-transformers/paraphrase-MiniLM-L3-v2"
        See :func:`fewshot.build_student`.
    tau : float, default=1.0
        Tasks are drawn in proportion to ``size ** tau``: 1 shows every text as often as any other, 0 every task.
    loss : {"cosine", "softmax", "relational"}, or mapping of these to float, default="cosine"
    steps, batch_size, learning_rate, patience, quantization, device, random_state
        As for :class:`~fewshot.distillation.pairwise.DistillationTrainer`.
    targets : TargetStore, str or Path, optional
        Where the teachers' answers are kept on disk. Default: in memory.

    Attributes
    ----------
    students_ : dict of str to LinearProbeClassifier
        One a task; all share one encoder.
    losses_, curve_ : list
        As for :class:`~fewshot.distillation.pairwise.DistillationTrainer`; a look is the mean over tasks.
    report_ : dict of str to dict
        One a task.

    Notes
    -----
    A batch holds texts of one task, so each pair is held against the one teacher that knows both. Sampling as in
    Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
    arXiv:1910.10683 (section 3.5.2, with ``tau`` for their inverse temperature).

    Examples
    --------
    >>> trainer = MultiTaskDistillationTrainer({"topic": "runs/topic", "tone": "runs/tone"}, "static")
    >>> trainer.fit({"topic": news, "tone": reviews}).students_["tone"].predict(["a text"])  # doctest: +SKIP
    """

    def __init__(
        self,
        teachers: Mapping[str, Any],
        student: str | PreTrainedConfig | Encoder = DEFAULT_STUDENT,
        *,
        tau: float = 1.0,
        loss: str | Mapping[str, float] = "cosine",
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        quantization: FakeQuantization | None = None,
        targets: TargetStore | str | Path | None = None,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.teachers = teachers
        self.student = student
        self.tau = tau
        self.loss = loss
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.quantization = quantization
        self.targets = targets
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        unlabeled_texts: Mapping[str, Sequence[str]],
        gold: Mapping[str, tuple[Sequence[str], Sequence[Any]]] | None = None,
        *,
        checkpoints: str | Path | None = None,
        resume: bool = False,
    ) -> Self:
        """Train the student.

        Parameters
        ----------
        unlabeled_texts : mapping of str to sequence of str
            The pool of each task.
        gold : mapping of str to (texts, labels), optional
            Gold labels of those tasks that have some.
        checkpoints, resume
            As for :meth:`~fewshot.distillation.pairwise.DistillationTrainer.fit`.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If a task lacks a pool, or anything is wrong with one of them.
        TeacherError
            If a teacher's outputs are constant or not finite.
        """
        self._check(unlabeled_texts, gold or {})
        teachers = {name: open_vector_teacher(teacher, device=self.device) for name, teacher in self.teachers.items()}
        base = next(iter(teachers.values())).encoder_
        student = make_student(base, self.student, device=self.device, random_state=self.random_state)
        tasks: dict[str, DistillationTask] = {}
        statistics = None
        for name, teacher in teachers.items():
            transfer = make_transfer_set(
                teacher.label_space_, unlabeled_texts[name], *(gold or {}).get(name, ()), most_joined=MOST_JOINED
            )
            observe = is_table(self.student) and not tasks  # a table is made of the first teacher's tokens
            tasks[name], seen = open_task(
                teacher, transfer, store=as_store(self.targets), observe=observe, confidence="none"
            )
            statistics = statistics or seen
        if student is None:
            pool = list(itertools.chain.from_iterable(task.transfer.pool for task in tasks.values()))
            student = build_student(
                base,
                self.student,
                texts=pool,
                statistics=statistics,
                device=self.device,
                random_state=self.random_state,
            )
        self._learn(student, tasks, None if checkpoints is None else Path(checkpoints), resume)
        return self

    def _check(self, pools: Mapping[str, Any], gold: Mapping[str, Any]) -> None:
        check_random_state(self.random_state)
        check_weights(self.student, self.patience, None, self.quantization)
        if not isinstance(self.teachers, Mapping) or not self.teachers:
            raise InputError(f"teachers must be teachers by the names of their tasks, got {self.teachers!r}")
        if set(pools) != set(self.teachers):
            raise InputError(
                f"unlabeled_texts must hold a pool for each task, {', '.join(map(repr, self.teachers))}; got "
                f"{', '.join(map(repr, pools)) or 'none'}"
            )
        if unknown := sorted(set(gold) - set(self.teachers)):
            raise InputError(f"gold holds labels of tasks without a teacher: {', '.join(map(repr, unknown))}")
        for name in check_similarity_losses(self.loss):
            if name not in PAIR_LOSSES:
                raise InputError(f"loss of several tasks must be one of {', '.join(PAIR_LOSSES)}, got {name!r}")

    def _learn(
        self, student: Encoder, tasks: Mapping[str, DistillationTask], checkpoints: Path | None, resume: bool
    ) -> None:
        before = {name: task.look(student) for name, task in tasks.items()}
        texts = [task.transfer.train for task in tasks.values()]
        targets = [EmbeddingSimilarity(task.train.embeddings) for task in tasks.values()]
        sizes = list(map(len, texts))
        trained = self._training(checkpoints, resume).run(
            student,
            list(itertools.chain.from_iterable(texts)),
            functools.partial(self._loss, TaskSimilarity(list(zip(targets, sizes, strict=True)))),
            functools.partial(self._batches, sizes),
            functools.partial(_look, list(tasks.values())),
        )
        self.losses_, self.curve_ = trained.losses, trained.curve
        self.students_, self.report_ = {}, {}
        for name, task in tasks.items():
            head = task.fit_head(trained.encoder)
            made = LinearProbeClassifier.from_parts(trained.encoder, head, task.teacher.label_space_)
            self.students_[name] = made
            self.report_[name] = task.report(made, before[name], steps=len(trained.losses), kept_step=trained.kept_step)

    def _training(self, checkpoints: Path | None, resume: bool) -> StudentTraining:
        return StudentTraining(
            self.steps,
            self.batch_size,
            self.learning_rate,
            patience=self.patience,
            device=self.device,
            random_state=self.random_state,
            checkpoints=checkpoints,
            resume=resume,
            quantization=self.quantization,
        )

    def _loss(self, similarity: TaskSimilarity, model: Any) -> BatchLoss:
        return make_similarity_loss(self.loss, model, similarity, random_state=self.random_state)

    def _batches(self, sizes: list[int], schedule: Schedule) -> BatchSampler:
        how = {"batch_size": schedule.batch_size, "steps": schedule.steps, "random_state": self.random_state}
        return TaskBatches(sizes, tau=self.tau, **how)


def _look(tasks: Sequence[DistillationTask], encoder: Encoder, n_texts: int | None) -> dict[str, float | None]:
    return _mean([task.look(encoder, n_texts) for task in tasks])


def _mean(looks: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Return the means of figures over tasks that have them."""
    means: dict[str, float | None] = {}
    for name in looks[0]:
        known = [value for look in looks if (value := look[name]) is not None]
        means[name] = float(np.mean(known)) if known else None
    return means
