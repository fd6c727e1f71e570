"""SetFit teacher: contrastive training of the encoder on the labelled texts, then a head.

Each text is encoded once a step and all pairs of a batch train together, instead of lists of pairs that grow with n²
(Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts", arXiv:2209.11055). What the training made is kept
only as far as held-out labels say that it is better than what was there before.
"""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fewshot.classifiers.augmented import augmented_examples, described, find_augmentations
from fewshot.classifiers.base import Labeled
from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.classifiers.resumable import Resumable
from fewshot.classifiers.templates import (
    TOLERATED_LOSS,
    Examples,
    check_descriptions,
    check_templates,
    help_of_sentences,
    keyed_by_class,
    sentences,
    words_of,
)
from fewshot.core.errors import InputError, did_you_mean
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import check_lengths
from fewshot.encoders.base import Encoder, check_texts
from fewshot.encoders.resolve import DEFAULT_TEACHER, load_encoder, unwrapped
from fewshot.evaluation.thresholds import thresholds_of_trained
from fewshot.heads.calibration import calibrated
from fewshot.heads.table import FITTERS, fit_head
from fewshot.heads.vectors import unit_rows

if TYPE_CHECKING:
    from setfit import SetFitModel

    from fewshot.classifiers.contrastive import ContrastiveSettings
    from fewshot.classifiers.stages import Stages
    from fewshot.classifiers.trainings import Outcome, Trainings
    from fewshot.encoders.sentence import SentenceEncoder
    from fewshot.interop.setfit_folder import SetFitContent

HEADS = ("auto", *FITTERS, "joint")
CLASS_WEIGHTS = (None, "balanced")
BATCH_SIZE = 64


class SetFitClassifier(Resumable, HeadClassifier):
    """An encoder trained so that texts of one class lie together, and a head on it.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        The sentence encoder to start from; it is copied, not changed. Default: the Hub's
        ``sentence-transformers/paraphrase-mpnet-base-v2``; ``"bundled"`` needs no network.
    loss : {"contrastive", "cosine", "triplet"}, default="contrastive"
        Over all pairs of a batch: supervised contrastive, SetFit's squared error of cosines, or batch-hard triplets.
    temperature, margin : float, optional
        Of the contrastive (default 0.1) and the triplet loss (default 0.25).
    effort : {"quick", "balanced", "thorough"}, default="balanced"
        How many steps, where ``steps`` does not say: half, once or twice the default, see Notes.
    steps : int, optional
        Optimizer steps of contrastive training. 0 trains no encoder, which makes a linear probe.
    batch_size : int, default=64
        Texts a step; all pairs among them train.
    learning_rate : float, default=2e-4
        Peak learning rate of the encoder.
    accumulation : int, default=1
        Batches a step; pairs are formed inside each.
    templates : "auto", None, str or sequence of str, default="auto"
        Sentences such as ``"This text is about {}."`` that make examples of the class names. ``"auto"`` uses that one
        unless cross-validation on the frozen encoder says that it does harm.
    label_words : mapping of label to str or sequence of str, optional
        What a class is called in templates, of several texts the first; default: its name. A class that is named here
        and has no text is learnt from its words alone.
    head : {"auto", "logistic", "prototype", "knn", "joint"}, default="auto"
        ``"auto"`` keeps logistic regression unless prototypes or neighbours are clearly better on held-out labels;
        ``"joint"`` trains a linear head together with the encoder.
    class_weight : {None, "balanced"}, default=None
        Whether rare classes weigh as much as frequent ones in the head. Batches are balanced in any case.
    folds : int, default=2
        Parts of the labels that judge in turn, each by a training without it, what to keep: how far to move from the
        frozen encoder, which head, how sure to be. 0 keeps the training as it is, uncalibrated. Not used where
        validation texts are given, or where half of the classes have fewer than two labels a fold (where texts have
        several labels each: with fewer than two texts a fold).
    augment : None, str, Augmentation or sequence of them, default=None
        Learn from copies of the texts, too; see :func:`~fewshot.classifiers.augmented.find_augmentations`. They train
        encoder and head like texts; held-out labels, thresholds, calibration and scope are of the texts themselves.
    max_length : int, optional
        Longest text in tokens; default: the encoder's own.
    long_texts : {"truncate", "chunk"}, default="truncate"
        What becomes of longer texts: cut off, or cut into chunks whose vectors are averaged.
    device : str, optional
        Where to train and predict; default: the fastest there is.
    random_state : int, default=0
        Decides batches, dropout, folds and copies.

    Attributes
    ----------
    encoder_ : SentenceEncoder
        The encoder that was kept.
    head_ : Head
    losses_ : list of float
        Contrastive loss of each step; empty where the frozen encoder was kept.
    report_ : dict
        What was tried and chosen: ``chosen``, ``held_out`` (share of held-out labels right, by candidate),
        ``judged_by``, ``n_held_out``, ``name_sentences`` and ``copies`` (how many were used), ``steps``, and ``notes``
        in words.
    precision_curve_ : PrecisionCurve or None
    scope_ : ScopeDetector or None

    Notes
    -----
    The default number of steps is 15 (10 with two classes) where all texts fit into one batch, and grows with the
    number of batches, to 60 at most: each text then takes part in about 10 steps.

    Examples
    --------
    >>> SetFitClassifier(encoder="bundled", steps=20).get_params()["steps"]
    20
    """

    kind = "setfit"

    def __init__(
        self,
        encoder: Any = DEFAULT_TEACHER,
        *,
        loss: str = "contrastive",
        temperature: float | None = None,
        margin: float | None = None,
        effort: str = "balanced",
        steps: int | None = None,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = 2e-4,
        accumulation: int = 1,
        templates: str | Sequence[str] | None = "auto",
        label_words: Mapping[Any, str | Sequence[str]] | None = None,
        head: str = "auto",
        class_weight: str | None = None,
        folds: int = 2,
        augment: Any = None,
        max_length: int | None = None,
        long_texts: str = "truncate",
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.encoder = encoder
        self.loss = loss
        self.temperature = temperature
        self.margin = margin
        self.effort = effort
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.accumulation = accumulation
        self.templates = templates
        self.label_words = label_words
        self.head = head
        self.class_weight = class_weight
        self.folds = folds
        self.augment = augment
        self.max_length = max_length
        self.long_texts = long_texts
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
            May be empty where ``label_words`` names the classes.
        labels : sequence of (str or int), or of sequences of them
        validation : (texts, labels), optional
            Labelled texts that decide when to stop and what to keep, instead of cross-validation.
        checkpoints : str or Path, optional
            A folder for what an interrupted training needs to go on. It is left there; remove it when all is saved.
        resume : bool, default=False
            Go on from what is in ``checkpoints``. The result is that of an uninterrupted training. A training that
            ``validation`` texts stop is one short part, which begins anew.

        Returns
        -------
        self
        """
        self.check_params()
        with self._resuming(checkpoints, resume):
            return super().fit(texts, labels, validation=validation)

    def update(self, texts: Sequence[str], labels: Sequence[Any]) -> Self:
        """Take in new labels or new classes: refit the head, or train anew where that is worth it.

        Parameters
        ----------
        texts : sequence of str
            New texts, or better all labelled texts, old and new: only then may the encoder be trained anew.
        labels : sequence of (str or int), or of sequences of them
            Of the same kind as before. A text given again takes the label given now.

        Returns
        -------
        self
            ``report_["updated"]`` says ``"head"`` or ``"all"``, and the last of ``report_["notes"]`` why.

        Raises
        ------
        InputError
            If labels are of another kind, or the classifier keeps no vectors of its training texts.
        """
        from fewshot.classifiers.updating import update

        self._check_fitted()
        check_texts(texts)
        check_lengths(texts, labels)
        update(self, texts, labels)
        return self

    @classmethod
    def from_setfit(cls, model: "SetFitModel", *, name: str = "setfit model", device: str | None = None) -> Self:
        """Return a fitted classifier made of a model of the package ``setfit``, with the same predictions.

        Parameters
        ----------
        model : setfit.SetFitModel
            With a fitted head; its encoder is copied.
        name : str, default="setfit model"
            How to call the encoder.
        device : str, optional
        """
        from fewshot.encoders.sentence import SentenceEncoder
        from fewshot.interop.setfit_folder import from_setfit

        body, content = from_setfit(model)
        encoder = SentenceEncoder(copy.deepcopy(body), name=name, device=device, precision="float32")
        return cls._of_setfit(encoder, content)

    @classmethod
    def from_setfit_folder(cls, path: str | Path, *, device: str | None = None) -> Self:
        """Return the classifier in a folder that ``setfit.SetFitModel.save_pretrained`` wrote; nothing in it is run."""
        from fewshot.interop.setfit_folder import read_setfit_folder

        content = read_setfit_folder(path)
        return cls._of_setfit(load_encoder(Path(path), device=device, precision="float32"), content)

    @classmethod
    def _of_setfit(cls, encoder: Encoder, content: "SetFitContent") -> Self:
        self = cls(encoder, device=None)
        self.encoder_, self.head_ = encoder, content.head
        self.takes_unit_vectors = content.normalize_embeddings
        self.losses_, self.report_ = [], {"notes": ["trained by the package setfit"]}
        self._set_space(LabelSpace(tuple(content.classes), content.multi_label))
        return self

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        from fewshot.training.seeding import check_random_state

        check_random_state(self.random_state)
        self._settings()
        if self.class_weight not in CLASS_WEIGHTS:
            raise InputError(f"class_weight must be None or 'balanced', got {self.class_weight!r}")
        check_templates(self.templates)
        check_descriptions(self.label_words)
        find_augmentations(self.augment, device=self.device)
        if self.head not in HEADS:
            raise InputError(
                f"head must be one of {', '.join(HEADS)}, got {self.head!r}.{did_you_mean(self.head, HEADS)}"
            )
        if self.folds < 0 or self.folds == 1:
            raise InputError(f"folds must be 0 or at least 2, got {self.folds}")

    def _settings(self) -> "ContrastiveSettings":
        from fewshot.classifiers.contrastive import ContrastiveSettings

        names = ("loss", "temperature", "margin", "steps", "effort", "batch_size", "learning_rate", "accumulation")
        return ContrastiveSettings(**{name: getattr(self, name) for name in names}, joint_head=self.head == "joint")

    def _classes_of(self, labels: Sequence[Any]) -> LabelSpace:
        if not self.label_words:
            return super()._classes_of(labels)
        named = list(self.label_words)
        multi_label = any(isinstance(plain_label(label), tuple) for label in labels)
        extra: list[Any] = [tuple(named)] if multi_label else named
        return super()._classes_of([*labels, *extra])

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        self.takes_unit_vectors = True  # whatever head setfit may have left here
        base = self._base()
        examples, gain = self._examples(base, texts, y, space)
        trainings = self._trainings(base, examples, len(space.classes), self._stages(base, examples, validation))
        outcome = trainings.validated(*validation) if validation else trainings.cross_validated()
        self.encoder_ = trainings.encoder(outcome)
        self.losses_ = outcome.body.losses if outcome.body and outcome.way.share else []
        X = self._embed(examples.texts)
        self._set_head(X, examples, outcome, len(space.classes))
        distances = outcome.held_out.distances.get(outcome.way.share) if outcome.held_out else None
        self._remember(X[: examples.n_own], y, distances)
        self.report_ = trainings.report(outcome, help_of_names=gain)

    def _base(self) -> "SentenceEncoder":
        from fewshot.encoders.sentence import SentenceEncoder

        base = unwrapped(self._open_encoder())
        if not isinstance(base, SentenceEncoder):
            raise InputError(f"encoder {base.name!r} cannot be trained; SetFit needs a sentence-transformers model")
        return base

    def _open_encoder(self) -> Encoder:
        if self.max_length is None and self.long_texts == "truncate":
            return super()._open_encoder()
        from fewshot.encoders.sentence import SentenceEncoder

        lengths: dict[str, Any] = {"long_texts": self.long_texts}
        if self.max_length is not None:
            lengths["max_length"] = self.max_length
        if isinstance(self.encoder, (str, Path)):
            return load_encoder(self.encoder, device=self.device, **lengths)
        opened = load_encoder(self.encoder, device=self.device)
        encoder = unwrapped(opened)  # the caller's own: a copy reads texts at other lengths
        return encoder.like(encoder.trainable_copy(), **lengths) if isinstance(encoder, SentenceEncoder) else opened

    def _examples(
        self, base: "SentenceEncoder", texts: list[str], y: np.ndarray, space: LabelSpace
    ) -> tuple[Examples, float | None]:
        """Return what to learn from, and what sentences of class names add to the labels' likelihood."""
        copied = augmented_examples(texts, y, self.augment, self.random_state, device=self.device)
        examples = Examples(copied[0], copied[1], len(texts), copied[2])
        templates = check_templates(self.templates)
        absent = np.flatnonzero((y.sum(axis=0) if y.ndim == 2 else np.bincount(y, minlength=len(space.classes))) == 0)
        if not templates and not len(absent):
            return examples, None
        added, y_added = sentences(
            templates or check_templates("auto"), words_of(space, self.label_words), multi_label=y.ndim == 2
        )
        gain = None
        if templates and self.templates == "auto":
            encode = self._open_encoder().encode
            X, X_added = unit_rows(encode(texts)), unit_rows(encode(added))
            options: dict[str, Any] = {"n_classes": len(space.classes), "random_state": self.random_state}
            gain = help_of_sentences(X, y, X_added, y_added, **options)
        if (templates and gain is None) or (gain is not None and gain > -TOLERATED_LOSS):
            return examples.joined(added, y_added), gain
        of_absent = np.isin(y_added.argmax(axis=1) if y.ndim == 2 else y_added, absent)
        return examples.joined(
            [text for text, used in zip(added, of_absent, strict=True) if used], y_added[of_absent]
        ), gain

    def _stages(
        self, base: "SentenceEncoder", examples: Examples, validation: tuple[list[str], np.ndarray] | None
    ) -> "Stages":
        apart = ("encoder", "device", "augment")
        params = {name: value for name, value in self.get_params().items() if name not in apart}
        known_by = [repr(examples.source_rows.tolist()), repr(described(self.augment)), base.fingerprint]
        return self._stages_of(examples.texts, examples.y, validation, params=params, known_by=known_by)

    def _trainings(self, base: "SentenceEncoder", examples: Examples, n_classes: int, stages: "Stages") -> "Trainings":
        from fewshot.classifiers.trainings import Trainings

        return Trainings(
            base,
            examples,
            n_classes,
            self._settings(),
            head=self.head,
            class_weight=self.class_weight,
            folds=self.folds,
            random_state=self.random_state,
            stages=stages,
        )

    def _set_head(self, X: np.ndarray, examples: Examples, outcome: "Outcome", n_classes: int) -> None:
        """Fit the head that was chosen, and calibrate it by the held-out predictions if there are any."""
        way, held_out, body = outcome.way, outcome.held_out, outcome.body
        if way.head == "joint" and body is not None and body.head is not None:
            self.head_ = body.head
        else:
            options: dict[str, Any] = {"n_classes": n_classes, "class_weight": self.class_weight}
            options |= {"source_rows": examples.source_rows, "random_state": self.random_state}
            self.head_ = fit_head(way.head, X, examples.y, **options)
        self.precision_curve_ = None
        if held_out is None:
            return
        y, probabilities = held_out.y, held_out.probabilities[way]
        self.head_, probabilities = calibrated(self.head_, probabilities, y)
        if y.ndim == 2:
            self.head_ = dataclasses.replace(self.head_, threshold=thresholds_of_trained(y, probabilities))
        self._promise(y, probabilities)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = super()._state()
        return arrays, {**settings, "report": self.report_}

    def _plain_params(self) -> dict[str, Any]:
        words = self.label_words
        plain = {"label_words": None if words is None else {str(name): text for name, text in words.items()}}
        return super()._plain_params() | plain

    def _restore_head(self, content: ModelContent) -> None:
        super()._restore_head(content)
        self.label_words = keyed_by_class(self.label_words, content.classes)
        self.losses_, self.report_ = [], dict(content.settings.get("report", {"notes": []}))
