"""Logit distillation: the student is a whole classifier, a transformer with a head, that learns its teacher's scores.

Where :mod:`fewshot.distillation.pairwise` teaches an encoder and fits a head on it, here encoder and head learn at
once, from the teacher's softened probabilities of unlabelled texts and any gold labels, and from its hidden layers
where both are transformers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.special import expit
from transformers import PreTrainedConfig

from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.errors import InputError
from fewshot.distillation.layer_losses import LayerLoss, check_same_tokens
from fewshot.distillation.logit_losses import LogitObjective, Temperature
from fewshot.distillation.logit_targets import targets_of
from fewshot.distillation.logit_teachers import open_logit_teacher, space_of, teacher_logits, threshold_of
from fewshot.distillation.logit_training import LiveTeacher, distill_logits
from fewshot.distillation.sequence_students import build_sequence_student
from fewshot.distillation.transfer_set import TransferSet, make_transfer_set
from fewshot.encoders.resolve import DEFAULT_STUDENT
from fewshot.evaluation.thresholds import best_thresholds_per_label
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import check_random_state

_MOST_FOR_THRESHOLDS = 2000


class LogitDistillationTrainer:
    """Distil a teacher into a small transformer classifier on unlabelled text.

    Parameters
    ----------
    teacher : TextClassifier, str or Path
        A fitted classifier with ``predict_proba`` (its logits are the logarithms of the probabilities), a
        :class:`~fewshot.classifiers.sequence.SequenceClassifier` (it has logits), or a folder of either; a folder of a
        classifier of transformers will do.
    student : str, PreTrainedConfig or SequenceClassifier, default="sentence-transformers/paraphrase-MiniLM-L3-v2"
        An encoder's name or folder, to which a new head is added; ``"layers:N"``, which keeps N of the layers of a
        teacher that is a ``SequenceClassifier``, evenly spaced, and its head; a configuration of transformers, for
        random weights; or a classifier to start from, of which a copy is trained.
    alpha : float, default=0.5
        Weight of the gold labels, from 0 to 1; the teacher weighs ``1 − alpha``. Texts without gold label have the
        teacher's term alone.
    temperature : float or Temperature, default=2.0
        Softens the teacher's probabilities, above 0; see :class:`~fewshot.distillation.logit_losses.Temperature`.
    loss : {"kl", "mse"}, default="kl"
        Follow the softened probabilities (with several labels: one binary cross-entropy a label), or the logits.
    ramp : str or mapping, default="constant"
        How the teacher's weight, or that of other terms, changes in training; see
        :class:`~fewshot.distillation.logit_losses.LogitObjective`.
    layer_losses : sequence of LayerLoss, default=()
        Hidden layers to match; the teacher must be a ``SequenceClassifier``.
    steps : int, optional
        Optimizer steps. Default: 4 passes over the pool, from 100 to 3,000 steps.
    batch_size : int, optional
        Texts a batch. Default: 32.
    learning_rate : float, optional
        Peak learning rate. Default: 2e-4.
    accumulation : int, default=1
        Batches a step.
    tokenizer : PreTrainedTokenizer, optional
        Of a student made from a configuration. Default: the teacher's.
    device : str, optional
        Where the student trains; default: the fastest there is.
    random_state : int, default=0

    Attributes
    ----------
    student_ : SequenceClassifier
    losses_ : list of float
        Loss of each step.
    report_ : dict
        ``agreement_before`` and ``agreement`` (share of held-out pool texts with the teacher's label, before and after
        the training; ``None`` for pools under 50 texts), ``n_pool``, ``n_gold``, ``n_held_out``, ``steps``.

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
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        accumulation: int = 1,
        tokenizer: Any = None,
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
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.accumulation = accumulation
        self.tokenizer = tokenizer
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
        TeacherError
            If the teacher's scores are constant or not finite.
        """
        check_random_state(self.random_state)
        teacher = open_logit_teacher(self.teacher)
        space = space_of(teacher)
        objective = LogitObjective(self.alpha, self.temperature, self.loss, space.multi_label, self.ramp)
        transfer = make_transfer_set(space, unlabeled_texts, texts, labels, self.random_state)
        if self.alpha == 1 and transfer.y is None:
            raise InputError("alpha=1 learns gold labels alone; give texts and labels, or a lower alpha")
        if resume and checkpoints is None:
            raise InputError("resume=True needs checkpoints, the folder of the run to go on with")
        schedule = self._schedule(len(transfer.train))
        student = build_sequence_student(
            teacher,
            self.student,
            space,
            tokenizer=self.tokenizer,
            device=self.device,
            random_state=self.random_state,
        )
        live = self._live_teacher(teacher, student, transfer)
        wanted = teacher_logits(teacher, transfer.texts)
        before = _agreement(student, wanted, transfer, threshold_of(teacher))
        self.losses_ = distill_logits(
            student.model_,
            [transfer.texts[row] for row in transfer.train],
            student.features,
            targets_of(transfer, wanted, student.columns_),
            schedule,
            objective=objective,
            teacher=live,
            layer_losses=self.layer_losses,
            accumulation=self.accumulation,
            device=self.device,
            random_state=self.random_state,
            checkpoints=None if checkpoints is None else Path(checkpoints),
            resume=resume,
            description=f"distilling into {student.model}",
        )
        if space.multi_label:
            student.set_thresholds(self._thresholds(student, wanted, transfer, threshold_of(teacher)))
        self.student_ = student
        self.report_ = {
            "n_pool": len(transfer.texts) - len(transfer.gold),
            "n_gold": len(transfer.gold),
            "n_held_out": len(transfer.held_out),
            "steps": len(self.losses_),
            "agreement_before": before,
            "agreement": _agreement(student, wanted, transfer, threshold_of(teacher)),
        }
        return self

    def _schedule(self, n_texts: int) -> Schedule:
        if self.accumulation < 1:
            raise InputError(f"accumulation must be at least 1, got {self.accumulation}")
        batch_size = 32 if self.batch_size is None else self.batch_size
        passes = 4 * n_texts / max(1, batch_size * self.accumulation)
        return Schedule(
            min(3000, max(100, round(passes))) if self.steps is None else self.steps,
            batch_size,
            2e-4 if self.learning_rate is None else self.learning_rate,
        )

    def _live_teacher(self, teacher: Any, student: SequenceClassifier, transfer: TransferSet) -> LiveTeacher | None:
        if not self.layer_losses:
            return None
        if not isinstance(teacher, SequenceClassifier):
            raise InputError(
                f"layer_losses compare the layers of two transformers, and the teacher is a {type(teacher).__name__}; "
                "leave them out, or give a SequenceClassifier"
            )
        some = transfer.texts[:32]  # before the teacher reads the whole pool
        check_same_tokens(self.layer_losses, student.features(some), teacher.features(some))
        return LiveTeacher(teacher.model_, teacher.features)

    def _thresholds(
        self, student: SequenceClassifier, wanted: np.ndarray, transfer: TransferSet, threshold: Any
    ) -> np.ndarray:
        """Choose each label's threshold so that the student decides as the teacher does, and as the gold labels say."""
        rows = np.random.default_rng(self.random_state).permutation(transfer.train)[:_MOST_FOR_THRESHOLDS]
        decided = (expit(wanted[rows]) >= threshold).astype(int)
        if transfer.y is not None:
            is_gold = rows < len(transfer.y)
            decided[is_gold] = transfer.y[rows[is_gold]]
        return best_thresholds_per_label(decided, student.predict_proba([transfer.texts[row] for row in rows]))


def _agreement(student: SequenceClassifier, wanted: np.ndarray, transfer: TransferSet, threshold: Any) -> float | None:
    """Return the share of held-out texts that the student gives the teacher's label, or set of labels."""
    rows = transfer.held_out
    if not len(rows):
        return None
    ours = student.predict_proba([transfer.texts[row] for row in rows])
    if not student.label_space_.multi_label:
        return float(np.mean(ours.argmax(axis=1) == wanted[rows].argmax(axis=1)))
    same = (ours >= student.threshold_) == (expit(wanted[rows].astype(np.float64)) >= threshold)
    return float(np.mean(same.all(axis=1)))
