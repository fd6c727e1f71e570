"""Fine-tuning: a pretrained transformer and a classification head, trained together on the labelled texts.

How it is trained and judged is left to :mod:`fewshot.classifiers.fine_tuning`, what it starts from to
:mod:`fewshot.classifiers.starting_model`.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.special import expit, logit

from fewshot.classifiers.augmented import find_augmentations
from fewshot.classifiers.base import Labeled
from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.looks import probabilities_of
from fewshot.classifiers.resumable import Resumable
from fewshot.classifiers.transformer import TransformerClassifier
from fewshot.core.errors import InputError, ModelFormatError, did_you_mean
from fewshot.data.labels import LabelSpace
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.evaluation.thresholds import thresholds_of_trained
from fewshot.heads.calibration import fit_platt, fit_temperature

if TYPE_CHECKING:
    from fewshot.classifiers.fine_tune_settings import FineTuneSettings
    from fewshot.classifiers.fine_tuning import FineTuning, HeldOut, Outcome
    from fewshot.classifiers.stages import Stages
    from fewshot.classifiers.starting_model import StartingModel
    from fewshot.training.fake_quant import FakeQuantization
    from fewshot.training.sparsity import Pruning

CLASS_WEIGHTS = (None, "balanced")
PRECISIONS = ("auto", "float32", "bfloat16")
ALWAYS = 20.0
"""Logit of a label that every training text has: its probability is 1, give or take a billionth."""


class FineTunedClassifier(Resumable, TransformerClassifier):
    """A pretrained transformer that is trained to classify, head and all.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        Any transformer of the Hub or in a folder, a sentence encoder, or a classifier whose head is replaced; it is
        copied, not changed. Default: the Hub's ``sentence-transformers/paraphrase-mpnet-base-v2``; ``"bundled"`` needs
        no network.
    pooling : {"auto", "mean", "cls"}, default="auto"
        What the head sees: the mean of the token vectors, at unit length, or what transformers' own class for the model
        looks at: BERT's [CLS], GPT-2's last token. ``"auto"`` is the mean, but for models that were trained to
        classify, that read from left to right, or that are sentence encoders without mean pooling.
    epochs : int, optional
        How often each text is learnt from, at most; see Notes.
    steps : int, optional
        Optimizer steps instead of epochs.
    batch_size : int, default=16
        Texts a batch.
    learning_rate : float, default=1e-4
        Peak learning rate of the uppermost layer.
    head_learning_rate : float, optional
        That of the head. Default: 0.01 on the mean of token vectors, else ``learning_rate``.
    layer_decay : float, default=1.0
        Above 0, at most 1: each lower layer learns at so many times the rate of the one above it; embeddings come below
        the first.
    warmup : float, default=0.1
        Share of the steps over which learning rates rise; they fall to 0 after it.
    accumulation : int, default=1
        Batches a step; the same as one larger batch, in less memory.
    freeze_layers : int, optional
        Embeddings and so many of the lowest layers stay as they are. Default: all is trained.
    augment : None, str, Augmentation or sequence of them, default=None
        Learn from copies of the texts, too; see :func:`~fewshot.classifiers.augmented.find_augmentations`. They come
        beside the texts in as many steps as without them, and judge nothing. Not measured.
    class_weight : {None, "balanced"}, default=None
        Whether rare classes weigh as much as frequent ones; in multi-label tasks, whether a rare label's presence
        weighs as much as its absence. No weight is above 10.
    label_smoothing : float, default=0.0
        Share of each target, from 0 to below 1, that is spread evenly.
    folds : int, default=2
        Parts of the labels that judge in turn, each by a training without it: how long to train, how sure to be, from
        which probability each label applies. 0 trains once, uncalibrated. Not used where validation texts are given, or
        where half of the classes have fewer than two labels a fold (where texts have several labels each: with fewer
        than two texts a fold).
    patience : int, default=3
        On validation texts, stop after so many looks (8 in a training at most) without a better one.
    pruning : Pruning, optional
        How single weights of the layers become zeros in the course of each training, such as
        :class:`~fewshot.training.sparsity.MagnitudePruning`. Trainings then go to their end, since weights from before
        it are not yet pruned; held-out texts calibrate alone. Default: none do.
    quantization : FakeQuantization, optional
        Train through the rounding of int8, for a classifier that is to be exported as int8:
        :class:`~fewshot.training.fake_quant.FakeQuantization`. Default: do not.
    max_length : int, optional
        Tokens that are read of a text. Default: a sentence encoder's own, else as many as the model can read, at most
        512.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the training; ``"auto"`` computes in bfloat16 where the processor does so natively. Weights and predictions
        are float32.
    device : str, optional
        Where to train and predict; default: the fastest there is.
    random_state : int, default=0
        Decides the head, batches, dropout and folds.

    Attributes
    ----------
    model_ : PreTrainedModel or PooledModel
    tokenizer_ : PreTrainedTokenizer
    threshold_ : ndarray of shape (n_classes,)
        Probability from which each label applies; used in multi-label tasks alone.
    scale_, offset_ : ndarray of shape (n_classes,)
        What the model's outputs are multiplied by, and what is added, so that probabilities fit held-out truth.
    losses_ : list of float
        Loss of each step of the last training.
    report_ : dict
        What was tried and chosen: ``chosen`` (epochs, of how many), ``epochs``, ``steps``, ``pooling``,
        ``held_out_score`` (share of held-out labels right, in multi-label tasks the mean F1 of a text), ``held_out``
        (the same by epoch), ``judged_by``, ``n_held_out``, and ``notes`` in words.

    Notes
    -----
    With ``validation``, one training is looked at on these texts, and the weights of its best look are kept: by the
    mean F1 of the classes, or in multi-label tasks of a text. Else each fold is predicted by a training without it, and
    the last training, on all labels, ends at the epoch that the held-out answers speak for: the last, unless an earlier
    one is better by 2.5 standard errors. Better is there the share of right answers, or in multi-label tasks the mean
    F1 of a text: on few labels it moves less by chance than the mean F1 of classes.

    A head on mean vectors starts from logistic regression on the frozen ones: one that starts from nothing pulls the
    vectors about before it knows where to (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and
    Underperform Out-of-Distribution", arXiv:2202.10054).

    Few texts make fine-tuning unstable where steps are few, rates do not rise slowly, or Adam's moments are taken
    uncorrected (Mosbach et al. 2021, arXiv:2006.04884; Zhang et al. 2021, arXiv:2006.05987): the default is 20 epochs
    up to 200 texts, a tenth of the steps for warm-up, and AdamW with bias correction, without weight decay.

    Examples
    --------
    >>> FineTunedClassifier(encoder="bundled", epochs=10).get_params()["epochs"]
    10
    """

    kind = "fine-tune"

    def __init__(
        self,
        encoder: Any = DEFAULT_TEACHER,
        *,
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
        pruning: "Pruning | None" = None,
        quantization: "FakeQuantization | None" = None,
        max_length: int | None = None,
        precision: str = "auto",
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.encoder = encoder
        self.pooling = pooling
        self.epochs = epochs
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.head_learning_rate = head_learning_rate
        self.layer_decay = layer_decay
        self.warmup = warmup
        self.accumulation = accumulation
        self.freeze_layers = freeze_layers
        self.augment = augment
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.folds = folds
        self.patience = patience
        self.pruning = pruning
        self.quantization = quantization
        self.max_length = max_length
        self.precision = precision
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        texts: Sequence[str],
        labels: Sequence[Any],
        *,
        validation: Labeled | None = None,
        checkpoints: str | Path | None = None,
        resume: bool = False,
    ) -> Self:
        """Learn from labelled texts; starts afresh at each call.

        Parameters
        ----------
        texts : sequence of str
        labels : sequence of (str or int), or of sequences of them
        validation : (texts, labels), optional
            Labelled texts that decide when to stop, instead of cross-validation. Never learnt from.
        checkpoints : str or Path, optional
            A folder for what an interrupted training needs to go on. It is left there; remove it when all is saved.
        resume : bool, default=False
            Go on from what is in ``checkpoints``. The result is, bit by bit, that of an uninterrupted training.

        Returns
        -------
        self
        """
        self.check_params()
        with self._resuming(checkpoints, resume):
            return super().fit(texts, labels, validation=validation)

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        from fewshot.training.seeding import check_random_state

        for name, allowed in (("class_weight", CLASS_WEIGHTS), ("precision", PRECISIONS)):
            value = getattr(self, name)
            if value not in allowed:
                hint = did_you_mean(str(value), [str(one) for one in allowed])
                raise InputError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}.{hint}")
        if self.folds < 0 or self.folds == 1:
            raise InputError(f"folds must be 2 or more, or 0 to judge by none, got {self.folds}")
        check_random_state(self.random_state)
        find_augmentations(self.augment, device=self.device)
        self._settings()  # refuses what is out of range

    def _settings(self) -> "FineTuneSettings":
        from fewshot.classifiers.fine_tune_settings import FineTuneSettings

        names = [field.name for field in dataclasses.fields(FineTuneSettings)]
        return FineTuneSettings(**{name: getattr(self, name) for name in names})

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        from fewshot.classifiers.starting_model import open_start

        start = open_start(
            self.encoder,
            space,
            pooling=self.pooling,
            max_length=self.max_length,
            random_state=self.random_state,
        )
        trainings = self._trainings(start, texts, y, space, self._stages(start, texts, y, validation))
        outcome = trainings.validated(*validation) if validation else trainings.cross_validated()
        self._take_start(start, outcome, space)
        self._fit_to(outcome.held_out, outcome.look, y)
        self.losses_, self.report_ = outcome.losses, outcome.report()

    def _stages(
        self,
        start: "StartingModel",
        texts: list[str],
        y: np.ndarray,
        validation: tuple[list[str], np.ndarray] | None,
    ) -> "Stages":
        params = {k: value for k, value in super()._plain_params().items() if k not in ("encoder", "device")}
        known_by = [start.fingerprint, *self._known_by()]
        return self._stages_of(texts, y, validation, params=params, known_by=known_by)

    def _known_by(self) -> list[str]:
        """Return strings that change with what is learnt from besides the labelled texts."""
        return []

    def _trainings(
        self, start: "StartingModel", texts: list[str], y: np.ndarray, space: LabelSpace, stages: "Stages"
    ) -> "FineTuning":
        from fewshot.classifiers.fine_tuning import FineTuning

        return FineTuning(
            start,
            texts,
            y,
            len(space.classes),
            self._settings().lasting(len(texts)),
            folds=self.folds,
            device=self.device,
            random_state=self.random_state,
            stages=stages,
            augment=self.augment,
        )

    def _take_start(self, start: "StartingModel", outcome: "Outcome", space: LabelSpace) -> None:
        self._name = start.name
        columns = np.arange(len(space.classes))
        self._take(outcome.model, start.tokenizer, space, columns, max_length=start.max_length, device=self.device)

    def _fit_to(self, held_out: "HeldOut | None", look: int, y: np.ndarray) -> None:
        """Set scale, offset and thresholds by held-out predictions, and see to labels that all texts have."""
        n_classes = len(self.classes_)
        self.scale_, self.offset_ = np.ones(n_classes), np.zeros(n_classes)
        if held_out is not None:
            probabilities = probabilities_of(held_out.looks[look], multi_label=y.ndim == 2)
            slope, bias = calibration_of(probabilities, held_out.y)
            self.scale_, self.offset_ = self.scale_ * slope, self.offset_ + bias
            if y.ndim == 2:
                sure = expit(slope * logit(probabilities) + bias)
                self.set_thresholds(thresholds_of_trained(held_out.y, sure))
        if y.ndim == 2:
            constant = y.min(axis=0) == 1
            self.scale_[constant], self.offset_[constant] = 0.0, ALWAYS

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return the calibrated scores before softmax or sigmoid.

        Parameters
        ----------
        texts : sequence of str
            Any length; what is beyond ``max_length_`` tokens is cut off.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), float32
            In the order of ``classes_``; equal texts have equal rows.
        """
        return (super().logits(texts) * self.scale_ + self.offset_).astype(np.float32)

    @property
    def model_name(self) -> str:
        """What the model is called in results."""
        return self._name

    def _plain_params(self) -> dict[str, Any]:
        return super()._plain_params() | {"encoder": self._name, "device": None}

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = super()._state()
        return {**arrays, "scale": self.scale_, "offset": self.offset_}, {**settings, "report": self.report_}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        self._name = str((content.encoder or {}).get("name", self.encoder))
        self._restore_model(content, path, device=options.get("device"))
        scale, offset = content.arrays["scale"], content.arrays["offset"]
        if scale.shape != self.classes_.shape or offset.shape != self.classes_.shape:
            raise ModelFormatError(
                f"the model in {str(path)!r} is damaged: its scale or offset does not fit its classes"
            )
        self.scale_, self.offset_ = scale, offset
        self.losses_, self.report_ = [], dict(content.settings.get("report", {"notes": []}))


def calibration_of(probabilities: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return what log-odds are to be multiplied by, and what is to be added, to fit held-out truth.

    Examples
    --------
    >>> calibration_of(np.array([[0.99, 0.01]] * 40), np.repeat([0, 1], [30, 10]))[0] < 0.4
    True
    """
    if y.ndim == 2:
        return fit_platt(probabilities, y)
    return 1 / fit_temperature(probabilities, y), 0.0
