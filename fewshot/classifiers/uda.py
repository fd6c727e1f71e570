"""Unsupervised data augmentation: fine-tuning that learns from unlabelled texts, too, by answering copies alike.

What the loss is stands in :mod:`fewshot.training.consistency_loss`; how long to train, and how sure to be, is left to
:mod:`fewshot.classifiers.finetune`, where the copies come from to :mod:`fewshot.classifiers.unlabeled_copies`.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fewshot.classifiers.base import Labeled
from fewshot.classifiers.consistency_tuning import ConsistencyTuning
from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.unlabeled import check_unlabeled, without_texts
from fewshot.classifiers.unlabeled_copies import check_augment, pack_pairs, pair_with_copies, unpack_pairs
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.training.consistency_loss import ConsistencySettings
from fewshot.training.unlabeled_pairs import UnlabeledPairs

if TYPE_CHECKING:
    from fewshot.classifiers.stages import Stages
    from fewshot.classifiers.starting_model import StartingModel


class UDAClassifier(FineTunedClassifier):
    """A transformer that is fine-tuned on few labels and many unlabelled texts.

    Beside the labels it learns to answer changed copies of the unlabelled texts as it answers the texts themselves,
    where it is sure of that.

    Parameters
    ----------
    encoder, pooling, epochs, steps, batch_size, learning_rate, head_learning_rate, layer_decay, warmup, accumulation, \
freeze_layers, augment, class_weight, label_smoothing, folds, patience, max_length, precision, device, random_state
        As for :class:`FineTunedClassifier`. Epochs and batches count labelled texts.
    unlabeled_weight : float, default=1.0
        Weight of the loss on unlabelled texts, at least 0; 0 learns from labels alone.
    unlabeled_ratio : float, default=3
        Unlabelled texts for each labelled one in a step, above 0. Each is read twice, as it is and changed.
    temperature : float, default=0.4
        What logits of a text are divided by to sharpen its answer, above 0 and at most 1, which leaves it as it is.
    confidence : float, optional
        Probability above which an answer, before sharpening, is learnt from; at least 0, which learns from all, and
        below 1. Default: 0.95, or 0.8 for more than 10 classes, where the surest of many has a lower probability. A
        label of a multi-label task has two answers, so 0.95. The paper has 0.8 (CIFAR-10) and 0.5 (ImageNet); a model
        that knows a few dozen labels by heart is too sure of itself for that, and learns its own mistakes.
    annealing : {None, "linear", "log", "exp"}, default=None
        Whether labelled texts are left out while their right answer has more than a probability that rises from that
        of guessing to 1 over the training, and how it rises.
    align : bool, default=True
        Whether answers to unlabelled texts are held to the shares of the labels before they are learnt from. Take
        ``False`` where the pool is known to have quite other shares than the labels given.
    unlabeled_augment : str, Augmentation, or sequence of them, default="tokens"
        How unlabelled texts are changed: ``"tokens"`` (words swapped, left out, doubled), or one of ``"swap"``,
        ``"delete"``, ``"insert"``; ``"contextual:MODEL"`` and ``"back-translation:MODEL1,MODEL2"``, see
        :mod:`fewshot.training.augmentation`; or an object with a method ``augmented``.

    Attributes
    ----------
    model_, tokenizer_, threshold_, scale_, offset_, losses_
        As of :class:`FineTunedClassifier`; a step's loss has both parts.
    report_ : dict
        That of :class:`FineTunedClassifier`, and ``unlabeled`` (texts in the pool), ``unlabeled_learnt`` (texts that
        the training draws from: those that have copies, no more than it can get to), ``unlabeled_sure`` (share of
        their answers, in multi-label tasks of each of their labels, that the mask lets through at the end; of at most
        1,000 texts), ``annealing_threshold`` (at the end, or ``None``). ``notes`` say so where the training went over
        to one class, which has 95 % of these answers and 75 % of the labels at most.

    Notes
    -----
    The answer to a text as it is is given by the model as it trains, with dropout, and no gradient goes through it; see
    :class:`~fewshot.training.consistency_loss.ConsistencyLoss`, also for what differs from the paper. Copies whose
    text is not answered surely enough are not read, so that early steps are quicker than later ones.

    A model that leans to one class gives it to ever more of the pool, and learns from that to lean more. So the answers
    to unlabelled texts are multiplied by the shares of the classes among the labels over those in the model's own
    answers of the last steps (distribution alignment, Berthelot et al. 2020); in multi-label tasks the odds of each
    label are shifted alike. The mask looks at what comes out, before sharpening. On train texts of AG News, CR, Emotion
    and TREC, 8 labels a class, 1,000 unlabelled texts, ``folds=0``, one sample each, mean accuracy on 600 held-out
    texts was 64.4 % with it and 56.0 without (80.7, 68.0, 37.7, 71.0 against 78.3, 63.5, 16.7, 65.5): a collapse is
    mended, not a gain made, since :class:`FineTunedClassifier` alone had 65.5 (79.5, 67.8, 37.8, 76.8).

    Trainings on folds learn from the pool, too, without the texts of their held-out fold and copies that came out as
    one of these. Validation texts are taken out of the pool altogether.

    Copies hold no words of other texts of the pool, whose labels may be others: ``"insert"`` doubles words of the text.

    References
    ----------
    Xie, Dai, Hovy, Luong, Le 2020, "Unsupervised Data Augmentation for Consistency Training", arXiv:1904.12848.
    Berthelot et al. 2020, "ReMixMatch: Semi-Supervised Learning with Distribution Alignment and Augmentation
    Anchoring", arXiv:1911.09785.

    Examples
    --------
    >>> classifier = UDAClassifier(encoder="bundled", confidence=0.6, annealing="linear")
    >>> classifier.get_params()["unlabeled_ratio"]
    3
    """

    kind = "uda"

    def __init__(
        self,
        encoder: Any = DEFAULT_TEACHER,
        *,
        unlabeled_weight: float = 1.0,
        unlabeled_ratio: float = 3,
        temperature: float = 0.4,
        confidence: float | None = None,
        annealing: str | None = None,
        align: bool = True,
        unlabeled_augment: Any = "tokens",
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
        self.unlabeled_weight = unlabeled_weight
        self.unlabeled_ratio = unlabeled_ratio
        self.temperature = temperature
        self.confidence = confidence
        self.annealing = annealing
        self.align = align
        self.unlabeled_augment = unlabeled_augment

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
        """Learn from labelled and unlabelled texts; starts afresh at each call.

        Parameters
        ----------
        texts : sequence of str
        labels : sequence of (str or int), or of sequences of them
        unlabeled : sequence of str
            The pool; at least one text.
        validation : (texts, labels), optional
            Labelled texts that decide when to stop, instead of cross-validation. Never learnt from, not even where the
            pool holds them.
        checkpoints : str or Path, optional
            A folder for what an interrupted training needs to go on; texts of the pool lie there, too. It is left
            there; remove it when all is saved.
        resume : bool, default=False
            Go on from what is in ``checkpoints``. The result is, bit by bit, that of an uninterrupted training.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there is no pool, none that copies can be made of, or another argument is out of range.
        """
        self._pool = check_unlabeled(unlabeled)
        try:
            return super().fit(texts, labels, validation=validation, checkpoints=checkpoints, resume=resume)
        finally:
            for name in ("_pool", "_tuning"):
                self.__dict__.pop(name, None)

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        super().check_params()
        self._consistency()  # refuses what is out of range
        check_augment(self.unlabeled_augment)

    def _consistency(self) -> ConsistencySettings:
        names = [field.name for field in dataclasses.fields(ConsistencySettings)]
        return ConsistencySettings(**{name: getattr(self, name) for name in names})

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        if validation is not None:
            self._pool = without_texts(self._pool, validation[0])
            if not self._pool:
                raise InputError(
                    "unlabeled holds nothing but validation texts, which are never learnt from; add others"
                )
        super()._learn(texts, y, space, validation)
        told = self._tuning.pool_report(self._scorer.logits, self.report_["steps"], space.classes)
        notes = [*self.report_["notes"], *told.pop("notes")]
        self.report_ |= {"unlabeled": len(self._pool), **told, "notes": notes}

    def _known_by(self) -> list[str]:
        return [f"{len(self._pool)} unlabelled", *self._pool]

    def _trainings(
        self, start: "StartingModel", texts: list[str], y: np.ndarray, space: LabelSpace, stages: "Stages"
    ) -> ConsistencyTuning:
        trainings = super()._trainings(start, texts, y, space, stages)
        consistency = self._consistency()
        steps = trainings.settings.plan(len(texts)).schedule.steps
        n_most = consistency.drawn_at_most(min(len(texts), self.batch_size * self.accumulation), steps)
        self._tuning = ConsistencyTuning.of(trainings, self._paired(n_most, stages), consistency)
        return self._tuning

    def _paired(self, n_most: int, stages: "Stages") -> UnlabeledPairs:
        """Return the pairs to learn from; where a training goes on, those that it began with."""
        if not n_most:
            return UnlabeledPairs([], [])
        known = stages.finished("copies")
        if known is not None:
            return unpack_pairs(known)
        pairs = pair_with_copies(
            self._pool, self.unlabeled_augment, n_most=n_most, random_state=self.random_state, device=self.device
        )
        stages.finish("copies", pack_pairs(pairs))
        return pairs
