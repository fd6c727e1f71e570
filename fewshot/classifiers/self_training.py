"""Self-training: a fine-tuned classifier that goes on learning from its own surest answers to unlabelled texts.

Rounds are left to :mod:`fewshot.classifiers.teaching_rounds`.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fewshot.classifiers.base import Labeled
from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.unlabeled import check_unlabeled, without_texts
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.resolve import DEFAULT_TEACHER

if TYPE_CHECKING:
    from fewshot.classifiers.fine_tuning import FineTuning
    from fewshot.classifiers.self_train_settings import SelfTrainSettings
    from fewshot.classifiers.stages import Stages
    from fewshot.classifiers.starting_model import StartingModel


class SelfTrainingClassifier(FineTunedClassifier):
    """A fine-tuned transformer that is taught again by its own answers to unlabelled texts.

    A teacher learns from the labels. It reads the pool several times with dropout: what it says on average are the
    pseudo-labels, and how much its answers differ is how unsure it is of them. A student learns from the labels and a
    balanced draw of the pseudo-labelled texts, and is the next round's teacher (uncertainty-aware self-training, UST).

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        As all parameters that are not listed here, that of
        :class:`~fewshot.classifiers.finetune.FineTunedClassifier`. It must have dropout, as most have.
    epochs : int, optional
        How often each text is learnt from in each training, at most. Default: as there; half as often by students,
        whose texts are many.
    steps : int, optional
        Optimizer steps of each training instead of epochs.
    rounds : int, default=2
        Students after the first teacher, at most; fewer where less than 1 % of the pseudo-labels change from round to
        round, or where held-out answers get worse (see Notes).
    passes : int, default=10
        How often the pool is read with dropout in each round, at least 2.
    per_round : int, default=256
        Pseudo-labelled texts that a student learns from, at most.
    max_unlabeled : int, default=1000
        Texts of the pool that are looked at, at most; a larger pool gives a random part.
    sampling : {"easy", "hard", "uniform"}, default="easy"
        Whether texts whose answers agree, those whose answers differ, or all alike are rather drawn.
    balanced : bool, default=True
        Draw as many texts of each pseudo-label, as far as there are. In multi-label tasks as many with each label, and
        without any.
    dropout : float, optional
        Share that is dropped when the pool is read, above 0 and below 1. Default: the model's own.
    upper_layers : int or None, default=2
        Drop out in so many of the uppermost layers alone, so that those below are computed once for all passes;
        ``None`` drops out in all, which takes about three times as long with six layers, five with twelve.
    random_state : int, default=0
        Decides draws, too.

    Attributes
    ----------
    report_ : dict
        ``chosen`` (how many rounds were kept), ``rounds`` (of each: texts looked at and ``pseudo_labeled``, their
        ``classes``, mean ``uncertainty`` as BALD score in nats, share of pseudo-labels that ``changed``, held-out
        ``score``), ``held_out`` (score by round), ``epochs`` and ``steps`` of the last training, ``teacher`` (report on
        the first), ``judged_by`` and ``notes``.

    Notes
    -----
    Without ``validation``, each fold is predicted round by round by a teacher and students that know none of its
    labels, and the rounds end where the held-out answers say so: after the last, unless an earlier one, or the teacher
    that knows no pool, is better by 2.5 standard errors. That takes ``folds + 1`` times as long as the rounds alone;
    ``folds=0`` spares it, and leaves probabilities uncalibrated. With ``validation`` each round is judged on it, and
    the rounds end after one that is clearly worse. Texts of the pool that are labelled, or validation texts, are never
    pseudo-labelled.

    Each student starts from the pretrained weights, as in the paper, and so forgets its teacher's mistakes. It weighs
    labelled texts 1, and a pseudo-labelled one by minus the logarithm of the variance of its answer,
    divided by the mean of that; variances below 0.000001 count as that. BALD scores enter the draw by their share of
    the largest. Labels apply, in multi-label tasks, from the thresholds that the first teacher's held-out answers give.

    References
    ----------
    Mukherjee, Awadallah 2020, "Uncertainty-aware Self-training for Few-shot Text Classification", arXiv:2006.15315.
    Gal, Ghahramani 2016, "Dropout as a Bayesian Approximation", arXiv:1506.02142.

    Examples
    --------
    >>> SelfTrainingClassifier(encoder="bundled", rounds=1).get_params()["rounds"]
    1
    """

    kind = "self-training"

    def __init__(
        self,
        encoder: Any = DEFAULT_TEACHER,
        *,
        rounds: int = 2,
        passes: int = 10,
        per_round: int = 256,
        max_unlabeled: int = 1000,
        sampling: str = "easy",
        balanced: bool = True,
        dropout: float | None = None,
        upper_layers: int | None = 2,
        pooling: str = "auto",
        epochs: int | None = None,
        steps: int | None = None,
        batch_size: int = 16,
        learning_rate: float = 1e-4,
        head_learning_rate: float | None = None,
        layer_decay: float = 1.0,
        warmup: float = 0.1,
        accumulation: int = 1,
        freeze_layers: int | None = None,
        augment: Any = None,
        class_weight: str | None = None,
        label_smoothing: float = 0.0,
        folds: int = 2,
        patience: int = 3,
        max_length: int | None = None,
        precision: str = "auto",
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(
            encoder,
            pooling=pooling,
            epochs=epochs,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            head_learning_rate=head_learning_rate,
            layer_decay=layer_decay,
            warmup=warmup,
            accumulation=accumulation,
            freeze_layers=freeze_layers,
            augment=augment,
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            folds=folds,
            patience=patience,
            max_length=max_length,
            precision=precision,
            device=device,
            random_state=random_state,
        )
        self.rounds = rounds
        self.passes = passes
        self.per_round = per_round
        self.max_unlabeled = max_unlabeled
        self.sampling = sampling
        self.balanced = balanced
        self.dropout = dropout
        self.upper_layers = upper_layers

    def fit(
        self,
        texts: Sequence[str],
        labels: Sequence[Any],
        *,
        unlabeled: Sequence[str] | None = None,
        validation: Labeled | None = None,
        checkpoints: str | Path | None = None,
        resume: bool = False,
    ) -> Self:
        """Learn from labelled texts and a pool; starts afresh at each call.

        Parameters
        ----------
        texts : sequence of str
        labels : sequence of (str or int), or of sequences of them
        unlabeled : sequence of str
            The pool. What is in it twice, labelled, or a validation text, is left out.
        validation : (texts, labels), optional
            Labelled texts that decide when to stop, instead of cross-validation. Never learnt from.
        checkpoints : str or Path, optional
            A folder for what an interrupted training needs to go on. It is left there; remove it when all is saved.
        resume : bool, default=False
            Go on from what is in ``checkpoints``. The result is, bit by bit, that of an uninterrupted training.

        Returns
        -------
        self

        Raises
        ------
        InputError
            As any classifier; and if there is no pool, or nothing new in it.
        """
        self._pool = check_unlabeled(unlabeled)
        try:
            return super().fit(texts, labels, validation=validation, checkpoints=checkpoints, resume=resume)
        finally:
            del self._pool

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        super().check_params()
        self._self_train_settings()  # refuses what is out of range

    def _self_train_settings(self) -> "SelfTrainSettings":
        from fewshot.classifiers.self_train_settings import SelfTrainSettings

        return SelfTrainSettings(**{one.name: getattr(self, one.name) for one in dataclasses.fields(SelfTrainSettings)})

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        pool = without_texts(self._pool, [*texts, *(validation[0] if validation else ())])
        if not pool:
            raise InputError("unlabeled holds no text that is not labelled or a validation text; give others")
        if len(pool) > self.max_unlabeled:
            rows = np.random.default_rng(self.random_state).choice(len(pool), self.max_unlabeled, replace=False)
            pool = [pool[row] for row in np.sort(rows)]
        self._pool = pool
        super()._learn(texts, y, space, validation)

    def _known_by(self) -> list[str]:
        return self._pool

    def _trainings(
        self, start: "StartingModel", texts: list[str], y: np.ndarray, space: LabelSpace, stages: "Stages"
    ) -> "FineTuning":
        from fewshot.classifiers.teaching_rounds import SelfTraining

        plain = super()._trainings(start, texts, y, space, stages)
        fields = {one.name: getattr(plain, one.name) for one in dataclasses.fields(plain)}
        return SelfTraining(**fields, pool=self._pool, how=self._self_train_settings(), own_settings=self._settings())
