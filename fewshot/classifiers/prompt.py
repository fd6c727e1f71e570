"""Classification as filling a mask: zero-shot by the words of the classes, or trained on labelled texts.

The model reads a text in a sentence such as "… This text is about [MASK]." and the class whose words it would sooner
put there wins. Trained that way (PET) it needs no new head: a handful of labels goes into what it knows already.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.special import expit, softmax

from fewshot.classifiers.augmented import augmented_examples, described, find_augmentations
from fewshot.classifiers.base import Labeled
from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.label_thresholds import ThresholdClassifier, are_thresholds
from fewshot.classifiers.masked_models import DEFAULT_MODEL, open_masked
from fewshot.classifiers.prompt_scorer import CONTENT_FREE, PromptScorer
from fewshot.classifiers.prompt_training import PromptTraining
from fewshot.classifiers.prompts import TEMPLATE, check_prompt_templates
from fewshot.classifiers.resumable import Resumable
from fewshot.classifiers.selection import right
from fewshot.classifiers.sequence_models import model_fingerprint
from fewshot.classifiers.verbalizer import Verbalizer, check_words
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.encoders.base import check_texts
from fewshot.encoders.opening import quiet
from fewshot.evaluation.thresholds import best_thresholds_per_label
from fewshot.training.phrases import check_aggregate

if TYPE_CHECKING:
    from fewshot.classifiers.stages import Stages
    from fewshot.data.texts import Label

_TOKENIZER = "tokenizer_config.json"


@dataclasses.dataclass(frozen=True)
class _Trained:
    """What became of a fit's training."""

    losses: list[float]
    held_out: dict[str, float]
    notes: list[str]


class PromptClassifier(Resumable, ThresholdClassifier):
    """A masked language model that fills in a word for the class.

    Parameters
    ----------
    model : str or Path
        A masked language model by folder or Hub id. Default: the Hub's ``FacebookAI/roberta-base``.
    templates : str or sequence of str, default="{text} This text is about {mask}."
        Sentences with one ``{text}`` and one ``{mask}`` each. Of several, log-probabilities are averaged.
    label_words : mapping of label to str or sequence of str, optional
        Words or phrases that stand for a class at the mask; default: its name, with ``_`` and ``-`` as spaces. Without
        ``classes``, a class that is named here and has no text is one of the classes, too.
    classes : sequence of (str or int), optional
        The classes. Default: those of the labels and of ``label_words``.
    multi_label : bool, optional
        Whether any number of classes applies to a text. Default: what the labels say; without labels, exactly one.
    calibrate : bool, default=True
        Whether words that the model likes to fill in whatever the text are discounted: see Notes.
    aggregate : {"mean_log", "log_mean"}, default="mean_log"
        How several words of a class become one score: each has one vote, or one that fits well is enough.
    temperature : float, default=1.0
        Scores are divided by it before softmax or logistic function; above 1 it makes answers less sure.
    steps : int, optional
        Optimizer steps on labelled texts. 0 leaves the model as it is. Default: see Notes.
    batch_size : int, default=16
        Texts a step.
    learning_rate : float, default=1e-5
        Peak learning rate, of all weights.
    accumulation : int, default=1
        Batches a step.
    mlm_weight : float, default=0.0
        Weight of a second loss that lets the model go on learning the language of the texts: the cross-entropy of 15 %
        of their tokens, hidden. PET takes 1e-4. It takes a further pass a step.
    augment : None, str, Augmentation or sequence of them, default=None
        Train on copies of the texts, too; see :func:`~fewshot.classifiers.augmented.find_augmentations`. Not measured.
    max_length : int, optional
        Most tokens of text and template together; the text's end is cut off. Default: as many as the model can read, at
        most 512.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What training computes in; weights stay float32. ``"auto"``: bfloat16 where the processor has it natively.
    device : str, optional
        Where to train and predict; default: the fastest there is.
    random_state : int, default=0
        Decides batches, dropout and hidden tokens.

    Attributes
    ----------
    model_ : PreTrainedModel
    tokenizer_ : PreTrainedTokenizer
    max_length_ : int
    baseline_ : ndarray of shape (n_phrases,)
        What is taken off the score of each word or phrase, in the order of the classes and their words.
    constant_ : ndarray of shape (n_classes,), bool
        Labels that apply to every text, since they applied to every training text; multi-label tasks alone.
    threshold_ : ndarray of shape (n_classes,)
        Probability from which each label applies; used in multi-label tasks alone.
    losses_ : list of float
        Loss of each step.
    report_ : dict
        ``chosen`` (``"trained"`` or ``"zero-shot"``), ``steps``, ``judged_by``, ``held_out`` (share of
        validation labels right before and after the training) and ``notes`` in words.

    Notes
    -----
    The score of a word is its log-probability at the mask. Of more than one token, as many masks stand there, all
    filled at once, and the mean over the tokens counts, so that words of any length compare. Words of k different
    lengths take k prompts a text.

    With ``calibrate`` the word's log-probability beside texts that say nothing (``""``, ``"N/A"``, ``"..."``; their
    probabilities averaged) is taken off: contextual calibration (Zhao et al. 2021), or pointwise mutual information
    (Holtzman et al. 2021). It is measured once, before any training, and stays. Else each word is compared with one
    drawn at random from the vocabulary.

    In single-label tasks scores go through a softmax. In multi-label tasks each goes through a logistic function: 0.5
    says that the text makes the label's words neither more nor less likely than a text that says nothing. From there on
    a label applies, unless labels choose better thresholds (:mod:`fewshot.evaluation.thresholds`): those of
    ``validation``, or with ``steps=0`` the training labels, from which nothing was learnt then. After a training
    without ``validation`` texts it is 0.5, which the loss aims at.

    Training minimizes the cross-entropy of these very scores (binary in multi-label tasks) by all weights of the model,
    as PET and LM-BFF do. By default it takes so many steps that each text comes up 20 times, but at least 60, at most
    250; 250 steps, batches of 16 and 1e-5 are PET's. The figures are those of the papers: none was measured here. With
    ``validation`` texts the trained model is kept only if it gets at least as many of them right as the untrained one.

    References
    ----------
    Schick, Schütze 2021 (PET), arXiv:2001.07676 and arXiv:2009.07118. Tam et al. 2021 (ADAPET), arXiv:2103.11955. Gao,
    Fisch, Chen 2021 (LM-BFF), arXiv:2012.15723. Zhao et al. 2021, "Calibrate Before Use", arXiv:2102.09690. Holtzman et
    al. 2021, "Surface Form Competition", arXiv:2104.08315.

    Examples
    --------
    >>> zero_shot = PromptClassifier(classes=["sports", "business"])
    >>> zero_shot.fit().predict(["The cup final ended in a draw."])  # doctest: +SKIP
    array(['sports'], dtype='<U8')
    """

    kind = "prompt"

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        *,
        templates: str | Sequence[str] = TEMPLATE,
        label_words: Mapping[Any, str | Sequence[str]] | None = None,
        classes: Sequence[Any] | None = None,
        multi_label: bool | None = None,
        calibrate: bool = True,
        aggregate: str = "mean_log",
        temperature: float = 1.0,
        steps: int | None = None,
        batch_size: int = 16,
        learning_rate: float = 1e-5,
        accumulation: int = 1,
        mlm_weight: float = 0.0,
        augment: Any = None,
        max_length: int | None = None,
        precision: str = "auto",
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.templates = templates
        self.label_words = label_words
        self.classes = classes
        self.multi_label = multi_label
        self.calibrate = calibrate
        self.aggregate = aggregate
        self.temperature = temperature
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.accumulation = accumulation
        self.mlm_weight = mlm_weight
        self.augment = augment
        self.max_length = max_length
        self.precision = precision
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        texts: Sequence[str] = (),
        labels: Sequence[Any] = (),
        *,
        validation: Labeled | None = None,
        checkpoints: str | Path | None = None,
        resume: bool = False,
    ) -> Self:
        """Take up the classes, and learn from labelled texts if there are any; starts afresh at each call.

        Parameters
        ----------
        texts : sequence of str
            None for zero-shot: ``classes`` or ``label_words`` then name the classes.
        labels : sequence of (str or int), or of sequences of them
        validation : (texts, labels), optional
            Labelled texts that decide whether to keep the training and, in multi-label tasks, the thresholds.
        checkpoints : str or Path, optional
            A folder for what an interrupted training needs to go on. It is left there; remove it when all is saved.
        resume : bool, default=False
            Go on from what is in ``checkpoints``. The result is that of an uninterrupted training.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there are neither labels nor names of classes, or texts, labels or settings cannot be used.
        SourceNotFoundError, ModelFormatError
            If the model cannot be opened, or is no masked language model.
        """
        self.check_params()
        with self._resuming(checkpoints, resume):
            return super().fit(texts, labels, validation=validation)

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        check_prompt_templates(self.templates)
        check_words(self.label_words)
        if self.classes is not None:
            _checked_classes(self.classes)
        check_aggregate(self.aggregate)
        find_augmentations(self.augment, device=self.device)
        self._training()

    def _training(self) -> PromptTraining:
        return PromptTraining(**{field.name: getattr(self, field.name) for field in dataclasses.fields(PromptTraining)})

    def _classes_of(self, labels: Sequence[Any]) -> LabelSpace:
        named = list(check_words(self.label_words)) if self.classes is None else _checked_classes(self.classes)
        several = self.multi_label
        if len(labels):
            several = any(isinstance(plain_label(label), tuple) for label in labels)
            if self.multi_label not in (None, several):
                kind = "sets of labels" if several else "one label a text"
                raise InputError(f"multi_label={self.multi_label} does not fit labels, which are {kind}; leave it out")
        extra: list[Any] = [tuple(named)] if several and named else named
        space = super()._classes_of([*labels, *extra])
        if self.classes is None:
            return space
        return LabelSpace(LabelSpace.of(named, warn=False).classes, space.multi_label)

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        scorer, verbalizer = self._open(space)
        scorer.calibrate(CONTENT_FREE if self.calibrate else ())
        self._take(scorer)
        self.constant_ = _constant_labels(y, len(space.classes))
        trained = self._trained(texts, y, space, validation)
        self.losses_ = trained.losses
        judge = validation or ((texts, y) if texts and not trained.losses else None)
        self.threshold_ = np.full(len(space.classes), 0.5)
        if space.multi_label and judge is not None:
            self.threshold_ = best_thresholds_per_label(judge[1], self._probabilities_of(judge[0], space))
        self.report_ = {
            "chosen": "trained" if trained.losses else "zero-shot",
            "steps": len(trained.losses),
            "judged_by": f"{len(validation[0])} validation texts" if validation else None,
            "held_out": {name: round(score, 4) for name, score in trained.held_out.items()},
            "notes": [*verbalizer.notes(space), *trained.notes],
        }

    def _open(self, space: LabelSpace) -> tuple[PromptScorer, Verbalizer]:
        model, tokenizer = open_masked(self.model)
        return self._scorer_of(model, tokenizer, space, max_length=self.max_length, device=self.device)

    def _scorer_of(
        self, model: Any, tokenizer: Any, space: LabelSpace, **options: Any
    ) -> tuple[PromptScorer, Verbalizer]:
        templates = check_prompt_templates(self.templates)
        verbalizer = Verbalizer.of(space, check_words(self.label_words), tokenizer, templates)
        name = str(self.model)
        scorer = PromptScorer(model, tokenizer, verbalizer, templates, aggregate=self.aggregate, name=name, **options)
        return scorer, verbalizer

    def _take(self, scorer: PromptScorer) -> None:
        self._scorer = scorer
        self.model_, self.tokenizer_ = scorer.model, scorer.tokenizer
        self.max_length_, self.baseline_ = scorer.max_length, scorer.baseline

    def _trained(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> _Trained:
        """Train the model, and go back to the untrained one where validation texts say that it was better."""
        training = self._training()
        if not texts or not training.schedule(len(texts)).steps:
            return _Trained([], {}, [])
        texts, y, _ = augmented_examples(texts, y, self.augment, self.random_state, device=self.device)
        stages = self._stages(texts, y, validation)
        before = None if validation is None else self._share_right(validation, space)
        losses = training.train(
            self._scorer,
            texts,
            y,
            checkpoints=stages.checkpoints("model"),
            resume=stages.resume and bool(stages.folder),
        )
        if validation is None or before is None:  # both or neither
            return _Trained(losses, {}, [])
        held_out = {"zero-shot": before, "trained": self._share_right(validation, space)}
        if held_out["trained"] >= before:
            return _Trained(losses, held_out, [])
        scorer, _ = self._open(space)
        scorer.set_baseline(self.baseline_)
        self._take(scorer)
        better = f"{100 * before:.1f} % of validation labels right against {100 * held_out['trained']:.1f} %"
        return _Trained([], held_out, [f"training does not help here: the model is kept as it was ({better})"])

    def _stages(self, texts: list[str], y: np.ndarray, validation: tuple[list[str], np.ndarray] | None) -> "Stages":
        apart = ("model", "device", "augment")
        params = {name: value for name, value in self.get_params().items() if name not in apart}
        known_by = [repr(described(self.augment)), model_fingerprint(self.model_, self.tokenizer_)]
        return self._stages_of(texts, y, validation, params=params, known_by=known_by)

    def _share_right(self, validation: tuple[list[str], np.ndarray], space: LabelSpace) -> float:
        return float(right(validation[1], self._probabilities_of(validation[0], space)).mean())

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return the scores before softmax or logistic function.

        Parameters
        ----------
        texts : sequence of str
            Any length; what does not fit into the prompt is cut off.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), float32
            How much more likely the text makes each class's words, in nats a token, over the temperature; in the order
            of ``classes_``.
        """
        self._check_fitted()
        check_texts(texts)
        return self._scorer(texts) / np.float32(self.temperature)

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        return self._probabilities_of(texts, self.label_space_)

    def _probabilities_of(self, texts: list[str], space: LabelSpace) -> np.ndarray:
        logits = self._scorer(texts).astype(np.float64) / self.temperature
        if not space.multi_label:
            return softmax(logits, axis=1)
        return np.where(self.constant_, 1.0, expit(logits))

    def _encoder_entry(self) -> dict[str, Any] | None:
        return {"name": str(self.model), "max_length": self.max_length_}

    def _save_encoder(self, folder: Path) -> None:
        with quiet():
            self.model_.save_pretrained(folder)
            self.tokenizer_.save_pretrained(folder)

    def _plain_params(self) -> dict[str, Any]:
        plain = super()._plain_params() | {"model": str(self.model), "device": None}
        if not isinstance(self.templates, str):
            plain["templates"] = list(self.templates)
        if self.classes is not None:
            plain["classes"] = [plain_label(name) for name in self.classes]
        if self.label_words is not None:
            plain["label_words"] = {str(name): list(words) for name, words in check_words(self.label_words).items()}
        return plain

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {
            "baseline": self.baseline_,
            "threshold": self.threshold_,
            "constant": self.constant_.astype(np.uint8),
        }
        weights = model_fingerprint(self.model_, self.tokenizer_)  # two trainings differ, though all else be equal
        return arrays, {"max_length": self.max_length_, "fingerprint": weights, "report": self.report_}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        if not (path / _TOKENIZER).is_file():  # transformers would make one up, by the kind of the model
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: {_TOKENIZER} is missing")
        space = LabelSpace(tuple(content.classes), content.multi_label)
        if self.label_words:  # JSON has made strings of integer names
            words = dict(self.label_words)
            self.label_words = {name: words[str(name)] for name in content.classes if str(name) in words}
        length = int(content.settings["max_length"])
        model, tokenizer = open_masked(path)
        scorer, _ = self._scorer_of(model, tokenizer, space, max_length=length, device=options.get("device"))
        arrays = {name: content.arrays[name] for name in ("baseline", "threshold", "constant")}
        fitting = {"baseline": scorer.baseline.shape, "constant": (len(space.classes),)}
        if any(arrays[name].shape != shape for name, shape in fitting.items()) or not are_thresholds(
            arrays["threshold"], len(space.classes)
        ):
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: its baseline or thresholds do not fit")
        scorer.set_baseline(arrays["baseline"])
        self._take(scorer)
        self.threshold_, self.constant_ = arrays["threshold"], arrays["constant"].astype(bool)
        self.losses_, self.report_ = [], dict(content.settings["report"])


def _checked_classes(classes: Any) -> "list[Label]":
    if isinstance(classes, str) or not isinstance(classes, (Sequence, np.ndarray)) or not len(classes):
        raise InputError(f"classes must be a list of names, got {classes!r}; leave it out to take those of the labels")
    names = [plain_label(name) for name in classes]
    if len(set(names)) != len(names):
        raise InputError("classes must all be different")
    return names


def _constant_labels(y: np.ndarray, n_classes: int) -> np.ndarray:
    """Return which labels of a multi-label task all training texts have: nothing says where they would not apply."""
    if y.ndim == 1 or not len(y):
        return np.zeros(n_classes, dtype=bool)
    return np.asarray(y.all(axis=0))
