"""Pairwise distillation: the student learns the teacher's cosines of all pairs of a batch of unlabelled texts.

The teacher embeds the pool once. Each batch of B texts passes through the student once and trains all B(B−1)/2 pairs;
no list of pairs is ever made. The student's head then learns the teacher's probabilities and any gold labels.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from torch.utils.data import BatchSampler
from transformers import PreTrainedConfig

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import InputError
from fewshot.distillation.confidence import check_rule
from fewshot.distillation.distiller import Distiller
from fewshot.distillation.mining import check_mining, make_batches
from fewshot.distillation.similarity_losses import check_similarity_losses, make_similarity_loss
from fewshot.distillation.student_training import StudentTraining, check_weights
from fewshot.distillation.students import build_student, check_student, is_part, is_table, make_student
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
from fewshot.training.sparsity import Pruning


class DistillationTrainer(Distiller):
    """Distil a teacher into a small student on unlabelled text.

    Parameters
    ----------
    teacher : TextClassifier, Teacher, str, Path, or sequence of (teacher, weight)
        A fitted classifier with a sentence encoder (``SetFitClassifier``, ``LinearProbeClassifier``,
        ``KNNClassifier``), or a model directory of one; with ``encoder``, also one without, such as an
        :class:`~fewshot.distillation.teachers.NLITeacher`. Several are averaged
        (:class:`~fewshot.distillation.several_teachers.TeacherMixture`), and students are cut from the first.
    student : str, PreTrainedConfig or Encoder, default="sentence-transformers/paraphrase-MiniLM-L3-v2"
        ``"static"``, ``"layers:N"``, ``"pruned:S"``, an encoder's name and more; see :func:`fewshot.build_student`.
    encoder : str or Encoder, optional
        The encoder whose similarities the student learns and which it is made from. Default: the teacher's own.
    loss : str or mapping of str to float, default="cosine"
        How the student's pairs are held against the teacher's: ``"cosine"``, ``"softmax"``, ``"relational"``,
        ``"match"``, ``"classes"``, or several with weights; see
        :func:`~fewshot.distillation.similarity_losses.make_similarity_loss`.
    temperature : float, optional
        Of the loss ``"softmax"``. Default: 0.05.
    queue_size : int, default=0
        How many past texts ``"cosine"`` and ``"softmax"`` hold each batch against as well.
    mining : {"uniform", "hard", "boundary"}, default="uniform"
        Which texts share a batch: any, neighbours by the teacher's vectors, or more of those that the teacher is unsure
        of; see :mod:`fewshot.distillation.mining`.
    confidence : str, default="none"
        Whether texts of which the teacher is unsure count less (``"weight"``) or nothing (``"drop:0.8"``); see
        :func:`~fewshot.distillation.confidence.confidence_weights`.
    generated : int, default=0
        Make so many more texts from parts of the pool's and let the teacher answer them, too; for small pools. See
        :func:`fewshot.generate_transfer_texts`.
    steps : int, optional
        Optimizer steps. Default: from the size of the pool. 0 gives the untrained student with a head, a baseline.
    batch_size : int, optional
        Texts a batch. Default: 512 for a token table, 64 for a transformer.
    learning_rate : float, optional
        Peak learning rate. Default: 2e-3 for a token table, 4e-4 for a transformer.
    accumulation : int, default=1
        Batches a step; pairs are formed inside each.
    patience : int, optional
        Stop when the agreement on held-out texts did not rise for so many of about ten looks, and keep the best look's
        weights. Default: train to the end.
    pruning : Pruning, optional
        How single weights of the student's layers become zeros while it learns, such as
        :class:`~fewshot.training.sparsity.MagnitudePruning`. Default: none do.
    quantization : FakeQuantization, optional
        Train through the rounding of int8, for a student that is to be exported as int8:
        :class:`~fewshot.training.fake_quant.FakeQuantization`. Default: do not.
    targets : TargetStore, str or Path, optional
        Where the teacher's answers about the pool are kept on disk, for other students and seeds, and to go on from
        after a kill. Default: in memory.
    device : str, optional
        Where the student trains; default: where the teacher runs.
    random_state : int, default=0

    Attributes
    ----------
    student_ : LinearProbeClassifier
        The distilled classifier.
    losses_ : list of float
        Loss of each step.
    curve_ : list of dict
        Of each look at the student in training: ``step``, ``loss`` (the mean since the last look),
        ``cosine_correlation`` and ``agreement`` (by a head fitted on the other half of the texts looked at).
    report_ : dict
        ``cosine_correlation_before`` and ``cosine_correlation`` (Pearson, student against teacher, on held-out pool
        texts), ``probe_agreement_before`` and ``probe_agreement`` (share of these with the teacher's label by a head
        fitted on the other half of them), ``probe_agreement_of_teacher`` (the same with the teacher's own vectors: what
        such a head can reach), ``agreement`` (by the student's own head), ``n_pool``, ``n_gold``, ``n_held_out``,
        ``n_left_out`` (texts that ``confidence`` drops), ``steps``, ``kept_step`` (whose weights were kept, if not the
        last), ``domain_distance`` (how unlike the gold texts the pool is; see :func:`fewshot.domain_distance`) and
        ``notes``. The held-out figures are ``None`` for pools under 50 texts, those of the probe under 100: it needs 10
        held-out texts. The same texts choose the head's regularization among four values, so the agreement is slightly
        kind.

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
        student: str | PreTrainedConfig | Encoder = DEFAULT_STUDENT,
        *,
        encoder: str | Encoder | None = None,
        loss: str | Mapping[str, float] = "cosine",
        temperature: float | None = None,
        queue_size: int = 0,
        mining: str = "uniform",
        confidence: str = "none",
        generated: int = 0,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        accumulation: int = 1,
        patience: int | None = None,
        pruning: Pruning | None = None,
        quantization: FakeQuantization | None = None,
        targets: TargetStore | str | Path | None = None,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.encoder = encoder
        self.loss = loss
        self.temperature = temperature
        self.queue_size = queue_size
        self.mining = mining
        self.confidence = confidence
        self.generated = generated
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.accumulation = accumulation
        self.patience = patience
        self.pruning = pruning
        self.quantization = quantization
        self.targets = targets
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        unlabeled_texts: Sequence[str],
        texts: Sequence[str] | None = None,
        labels: Sequence[Any] | None = None,
        *,
        checkpoints: str | Path | None = None,
        resume: bool = False,
    ) -> Self:
        """Train the student.

        Parameters
        ----------
        unlabeled_texts : sequence of str
            The pool; duplicates count once. At least 8 texts. A :class:`~fewshot.data.pool.Pool` stays on disk.
        texts, labels : sequences, optional
            Gold labels, of the teacher's classes: they join the pool (one of up to 200,000 texts), and the head learns
            them beside the teacher's probabilities.
        checkpoints : str or Path, optional
            A folder private to this run, where checkpoints are written; the caller removes it.
        resume : bool, default=False
            Go on from the newest whole checkpoint, to the same student, bit by bit, as without a break.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the pool is too small, arguments do not fit together, a gold label is not one of the teacher's classes,
            or a student given by name is larger than the teacher's encoder.
        TeacherError
            If the teacher's outputs are constant or not finite.
        """
        self._check()
        teacher = open_vector_teacher(self.teacher, self.encoder, self.device)
        check_student(teacher.encoder_, self.student)  # before a large pool is read; what costs more comes after
        transfer = make_transfer_set(
            teacher.label_space_,
            unlabeled_texts,
            texts,
            labels,
            most_joined=MOST_JOINED,
            generated=self.generated,
            random_state=self.random_state,
        )
        student = make_student(teacher.encoder_, self.student, device=self.device, random_state=self.random_state)
        task, statistics = open_task(
            teacher, transfer, store=as_store(self.targets), observe=is_table(self.student), confidence=self.confidence
        )
        if student is None:  # a table is made of what the teacher said of the pool's tokens
            student = build_student(
                teacher.encoder_,
                self.student,
                texts=transfer.pool,
                statistics=statistics,
                device=self.device,
                random_state=self.random_state,
            )
        before = task.look(student)
        trained = self._training(checkpoints, resume).run(
            student,
            transfer.train,
            functools.partial(self._loss, task),
            functools.partial(self._batches, task),
            None if task.held_out is None else task.look,
        )
        self.losses_, self.curve_ = trained.losses, trained.curve
        self.student_ = LinearProbeClassifier.from_parts(
            trained.encoder, task.fit_head(trained.encoder), teacher.label_space_
        )
        self.report_ = task.report(self.student_, before, steps=len(trained.losses), kept_step=trained.kept_step)
        return self

    def _check(self) -> None:
        check_random_state(self.random_state)
        check_similarity_losses(self.loss, queue_size=self.queue_size, temperature=self.temperature)
        check_mining(self.mining)
        check_rule(self.confidence)
        if self.accumulation < 1:
            raise InputError(f"accumulation must be at least 1, got {self.accumulation}")
        check_weights(self.student, self.patience, self.pruning, self.quantization)

    def _training(self, checkpoints: str | Path | None, resume: bool) -> StudentTraining:
        return StudentTraining(
            self.steps,
            self.batch_size,
            self.learning_rate,
            self.accumulation,
            self.patience,
            self.device,
            self.random_state,
            None if checkpoints is None else Path(checkpoints),
            resume,
            self.pruning,
            self.quantization,
        )

    def _loss(self, task: DistillationTask, model: Any) -> BatchLoss:
        dimension = model.get_embedding_dimension()
        return make_similarity_loss(
            self.loss,
            model,
            task.train.embeddings,
            weight=task.weight,
            classes=task.classes(),
            queue_size=self.queue_size,
            temperature=self.temperature,
            same_space=is_part(self.student) and dimension == task.train.embeddings.shape[1],
            random_state=self.random_state,
        )

    def _batches(self, task: DistillationTask, schedule: Schedule) -> BatchSampler:
        return make_batches(
            self.mining,
            task.train.embeddings,
            task.train.probabilities,
            batch_size=schedule.batch_size,
            steps=schedule.steps * self.accumulation,
            random_state=self.random_state,
            multi_label=task.multi_label,
            threshold=task.threshold,
        )
