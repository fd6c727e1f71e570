"""Logit distillation: the student is a whole classifier, a transformer with a head, that learns its teacher's scores.

Where :mod:`fewshot.distillation.pairwise` teaches an encoder and fits a head on it, here encoder and head learn at
once, from the teacher's softened probabilities of unlabelled texts and any gold labels, and from its hidden layers
where both are transformers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from transformers import PreTrainedConfig

from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.classifiers.transformer import TransformerClassifier
from fewshot.core.errors import InputError
from fewshot.distillation.confidence import check_rule
from fewshot.distillation.distiller import Distiller
from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.layer_matcher import check_same_tokens
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_task import LogitTask, open_logit_task
from fewshot.distillation.logit_teachers import open_logit_teacher, space_of
from fewshot.distillation.logit_temperature import Temperature
from fewshot.distillation.logit_training import LiveTeacher, distill_logits, probe_models
from fewshot.distillation.sequence_students import build_sequence_student
from fewshot.distillation.student_training import check_weights
from fewshot.distillation.target_store import TargetStore, as_store
from fewshot.distillation.transfer_set import make_transfer_set
from fewshot.distillation.watching import LOOKS, StudentWatch, with_losses
from fewshot.encoders.resolve import DEFAULT_STUDENT
from fewshot.training.fake_quant import FakeQuantization
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import check_random_state, seeded
from fewshot.training.sparsity import Pruning

_PROBED = 32


class LogitDistillationTrainer(Distiller):
    """Distil a teacher into a small transformer classifier on unlabelled text.

    Parameters
    ----------
    teacher : TextClassifier, NLITeacher, TeacherMixture, str, Path or list
        A fitted classifier with ``predict_proba`` (its logits are the logarithms of the probabilities), a
        :class:`~fewshot.classifiers.sequence.SequenceClassifier` (it has logits), or a folder of either; a folder of a
        classifier of transformers will do. ``[(teacher, weight), ...]`` are mixed, see
        :class:`~fewshot.distillation.several_teachers.TeacherMixture`.
    student : str, PreTrainedConfig or SequenceClassifier, default="sentence-transformers/paraphrase-MiniLM-L3-v2"
        An encoder's name or folder, to which a new head is added; ``"layers:N"``, which keeps N of the layers of a
        teacher that is a ``SequenceClassifier``, evenly spaced, and its head; a configuration of transformers, for
        random weights; or a classifier to start from, of which a copy is trained.
    alpha : float, default=0.5
        Weight of the gold labels, from 0 to 1; the teacher weighs ``1 − alpha``. Texts without gold label have the
        teacher's term alone.
    temperature : float or Temperature, default=2.0
        Softens the teacher's probabilities, above 0; see :class:`~fewshot.distillation.logit_temperature.Temperature`.
    loss : {"kl", "mse"}, default="kl"
        Follow the softened probabilities (with several labels: one binary cross-entropy a label), or the logits.
    ramp : str or mapping, default="constant"
        How the teacher's weight, or that of other terms, changes in training; see
        :class:`~fewshot.distillation.logit_objective.LogitObjective`.
    layer_losses : sequence of LayerLoss, default=()
        Hidden layers to match; the teacher must be a ``SequenceClassifier``. It runs on the GPU it is on, or else where
        the student trains.
    confidence : str, default="none"
        How much the pool's texts count: ``"none"``: alike; ``"weight"``: by how sure the teacher is; ``"drop:P"``, such
        as ``"drop:0.8"``: those of which the teacher is not that sure not at all. Gold texts count in full. See
        :func:`~fewshot.distillation.confidence.confidence_weights`.
    steps : int, optional
        Optimizer steps. Default: 4 passes over the pool, from 100 to 3,000 steps.
    batch_size : int, optional
        Texts a batch, at least 1. Default: 32.
    learning_rate : float, optional
        Peak learning rate. Default: 2e-4.
    accumulation : int, default=1
        Batches a step.
    patience : int, optional
        Stop when so many of about ten looks in a row brought no higher agreement with the teacher on held-out texts,
        and keep the weights of the best look; for pools of at least 50 texts. Default: train to the end.
    pruning : Pruning, optional
        How single weights of the student's layers become zeros while it learns, such as
        :class:`~fewshot.training.sparsity.MagnitudePruning`. Default: none do.
    quantization : FakeQuantization, optional
        Train through the rounding of int8, for a student that is to be exported as int8:
        :class:`~fewshot.training.fake_quant.FakeQuantization`. Default: do not.
    tokenizer : PreTrainedTokenizer, optional
        Of a student made from a configuration. Default: the teacher's.
    targets : TargetStore, str or Path, optional
        Where the answers of a teacher without logits are kept on disk. Default: in memory.
    device : str, optional
        Where the student trains; default: the fastest there is.
    random_state : int, default=0

    Attributes
    ----------
    student_ : SequenceClassifier
    losses_ : list of float
        Loss of each step.
    curve_ : list of dict
        Of each look, about every tenth of the steps: ``step``, ``loss`` (the mean since the look before) and
        ``agreement`` on at most 200 held-out texts, with several labels at the teacher's thresholds.
    report_ : dict
        ``agreement_before`` and ``agreement`` (share of held-out pool texts with the teacher's label, before and after
        the training; ``None`` for pools under 50 texts), ``n_pool``, ``n_gold``, ``n_held_out``, ``n_left_out`` (texts
        that ``confidence`` drops), ``steps``, ``kept_step`` (whose weights were kept, if not the last).

    Notes
    -----
    Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531; on unlabelled text:
    Turc et al. 2019, "Well-Read Students Learn Better", arXiv:1908.08962.

    Examples
    --------
    >>> trainer = LogitDistillationTrainer("runs/teacher", student="bundled")  # doctest: +SKIP
    >>> trainer.fit(unlabeled_texts).student_.predict(["a text"])  # doctest: +SKIP
    """

    def __init__(
        self,
        teacher: Any,
        student: "str | Path | PreTrainedConfig | SequenceClassifier" = DEFAULT_STUDENT,
        *,
        alpha: float = 0.5,
        temperature: float | Temperature = 2.0,
        loss: str = "kl",
        ramp: str | Mapping[str, str] = "constant",
        layer_losses: Sequence[LayerLoss] = (),
        confidence: str = "none",
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        accumulation: int = 1,
        patience: int | None = None,
        pruning: Pruning | None = None,
        quantization: FakeQuantization | None = None,
        tokenizer: Any = None,
        targets: TargetStore | str | Path | None = None,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.alpha = alpha
        self.temperature = temperature
        self.loss = loss
        self.ramp = ramp
        self.layer_losses = layer_losses
        self.confidence = confidence
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.accumulation = accumulation
        self.patience = patience
        self.pruning = pruning
        self.quantization = quantization
        self.tokenizer = tokenizer
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
            The pool; duplicates count once. At least 8 texts.
        texts, labels : sequences, optional
            Gold labels, of the teacher's classes: they join the pool, with weight ``alpha``.
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
            If the pool is too small, arguments do not fit together, or a gold label is not one of the teacher's
            classes.
        SourceNotFoundError, ModelFormatError
            If a folder of teacher or student is not there, or cannot be opened.
        TeacherError
            If the teacher's scores are constant or not finite.

        Warns
        -----
        DataWarning
            If the student is larger than its teacher, or ``confidence`` leaves hardly any texts.
        """
        check_random_state(self.random_state)
        check_rule(str(self.confidence))
        check_weights(self.student, self.patience, self.pruning, self.quantization)
        teacher = open_logit_teacher(self.teacher)
        space = space_of(teacher)
        objective = LogitObjective(self.alpha, self.temperature, self.loss, space.multi_label, self.ramp)
        transfer = make_transfer_set(space, unlabeled_texts, texts, labels)
        if self.alpha == 1 and transfer.y is None:
            raise InputError("alpha=1 learns gold labels alone; give texts and labels, or a lower alpha")
        if resume and checkpoints is None:
            raise InputError("resume=True needs checkpoints, the folder of the run to go on with")
        self.schedule(len(transfer.train))  # a mistake is found before the teacher reads the pool
        student = build_sequence_student(
            teacher,
            self.student,
            space,
            tokenizer=self.tokenizer,
            device=self.device,
            random_state=self.random_state,
        )
        live = self._live_teacher(teacher, student, transfer.train[:_PROBED])
        task = open_logit_task(teacher, transfer, self.confidence, as_store(self.targets))
        before = task.agreement(student)
        folder = None if checkpoints is None else Path(checkpoints)
        watch = None
        if len(task.held_out):
            watch = StudentWatch(lambda _: task.look(student), patience=self.patience, folder=folder, resume=resume)
        self.losses_ = self._train(student, task, objective, live, watch, folder, resume=resume)
        kept_step = None if watch is None else watch.restore(student.model_)
        self.curve_ = [] if watch is None else with_losses(watch.rows, self.losses_)
        if space.multi_label:
            student.set_thresholds(task.thresholds(student, self.random_state))
        self.student_ = student
        self.report_ = {
            "n_pool": transfer.n_pool,
            "n_gold": len(transfer.gold_texts),
            **self._report(task, before),
            "kept_step": kept_step,
        }
        return self

    def _report(self, task: LogitTask, before: float | None) -> dict[str, Any]:
        return {
            "n_held_out": len(task.held_out),
            "n_left_out": task.n_left_out,
            "steps": len(self.losses_),
            "agreement_before": before,
            "agreement": task.agreement(self.student_),
        }

    def schedule(self, n_texts: int) -> Schedule:
        """Return how long to train on ``n_texts`` texts."""
        if self.accumulation < 1:
            raise InputError(f"accumulation must be at least 1, got {self.accumulation}")
        batch_size = 32 if self.batch_size is None else self.batch_size
        passes = 4 * n_texts / max(1, batch_size * self.accumulation)
        return Schedule(
            min(3000, max(100, round(passes))) if self.steps is None else self.steps,
            batch_size,
            2e-4 if self.learning_rate is None else self.learning_rate,
            in_pairs=False,
        )

    def _live_teacher(self, teacher: Any, student: SequenceClassifier, texts: Sequence[str]) -> LiveTeacher | None:
        """Return the teacher to run beside the student; what can be wrong with that is found on a few texts."""
        if not self.layer_losses:
            return None
        if not isinstance(teacher, TransformerClassifier):
            raise InputError(
                f"layer_losses compare the layers of two transformers, and the teacher is a {type(teacher).__name__}; "
                "leave them out, or give a SequenceClassifier or FineTunedClassifier"
            )
        check_same_tokens(self.layer_losses, student.features(texts), teacher.features(texts))
        place = teacher.model_.device  # a processor is no place for it beside a faster student
        live = LiveTeacher(teacher.model_, teacher.features, None if place.type == "cpu" else place)
        with seeded(self.random_state):
            probe_models(student.model_, texts, student.features, live, self.layer_losses, student.model_.device)
        return live

    def _train(
        self,
        student: SequenceClassifier,
        task: LogitTask,
        objective: LogitObjective,
        live: LiveTeacher | None,
        watch: StudentWatch | None,
        checkpoints: Path | None,
        *,
        resume: bool,
    ) -> list[float]:
        texts, targets = task.lesson(student.columns_)
        schedule = self.schedule(len(texts))
        return distill_logits(
            student.model_,
            texts,
            student.features,
            targets,
            schedule,
            objective=objective,
            teacher=live,
            layer_losses=self.layer_losses,
            accumulation=self.accumulation,
            device=self.device,
            random_state=self.random_state,
            checkpoints=checkpoints,
            resume=resume,
            watch=watch,
            watch_every=max(1, schedule.steps // LOOKS),
            description=f"distilling into {student.model}",
            pruning=self.pruning,
            quantization=self.quantization,
        )
