"""Teachers that are a transformers model in a local folder: a classifier, or a model of natural-language inference.

They have no vectors to give. A model of inference is told class names and needs no labelled text.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from fewshot.classifiers.entailment import EntailmentScorer
from fewshot.classifiers.sequence_folders import open_sequence_folder
from fewshot.classifiers.sequence_models import model_fingerprint
from fewshot.classifiers.sequence_scorer import SequenceScorer
from fewshot.classifiers.templates import TEMPLATE, check_label_words, check_templates
from fewshot.classifiers.zero_shot_nli import ZeroShotNLIClassifier
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import Label
from fewshot.distillation.teacher_targets import TeacherTargets, finite_probabilities, without_encoder
from fewshot.encoders.base import check_texts
from fewshot.encoders.transformer_opening import length_limit


class _FolderTeacher:
    """Base of teachers that are a transformers model in a folder and have no vectors to give."""

    label_space_: LabelSpace

    @property
    def classes_(self) -> np.ndarray:
        """Class names, sorted."""
        return np.array(self.label_space_.classes)

    @property
    def encoder_(self) -> Any:
        """Raise: there is no sentence encoder whose vectors a student could learn."""
        raise InputError(without_encoder(self))

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return class probabilities ``(n_texts, n_classes)``, as a classifier does."""
        return self.targets(texts).probabilities

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return class probabilities, and no vectors."""
        raise NotImplementedError


class SequenceTeacher(_FolderTeacher):
    """A sequence classifier of transformers in a local folder as a teacher.

    Parameters
    ----------
    folder : str or Path
        What ``AutoModelForSequenceClassification`` opens: safetensors weights and a tokenizer.
    classes : sequence of (str or int), optional
        Class names in the order of the model's outputs. Default: those in its ``config.json``.
    multi_label : bool, optional
        Whether a text has any number of classes (sigmoid) or exactly one (softmax). Default: as ``config.json`` says,
        else one.
    device, batch_size : optional
        See :class:`~fewshot.classifiers.sequence_scorer.SequenceScorer`.

    Raises
    ------
    InputError
        If ``classes`` does not fit the outputs, or the outputs are no classes (regression, entailment).
    ModelFormatError
        If the folder holds no such model, or an unsafe or damaged one.
    """

    def __init__(
        self,
        folder: str | Path,
        classes: Sequence[Label] | None = None,
        *,
        multi_label: bool | None = None,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        model, tokenizer = open_sequence_folder(folder)
        length = length_limit(model, tokenizer)
        options: dict[str, Any] = {"batch_size": batch_size, "device": device}
        self.model = SequenceScorer(model, tokenizer, name=str(folder), max_length=length, **options)
        outputs = [str(model.config.id2label[index]) for index in range(model.config.num_labels)]
        names = _plain_names(outputs if classes is None else classes)
        if classes is None and any(label.lower().startswith("entail") for label in outputs):
            raise InputError(
                f"teacher {self.model.name!r} tells entailment from contradiction and knows no classes; "
                "name them: NLITeacher(folder, classes=[...])"
            )
        if len(names) != len(outputs):
            raise InputError(f"classes must name the model's {len(outputs)} outputs, got {len(names)} names")
        several = model.config.problem_type == "multi_label_classification" if multi_label is None else multi_label
        self.label_space_ = _space_of(names, several)
        self._columns = [names.index(name) for name in self.label_space_.classes]

    @property
    def fingerprint(self) -> str:
        """Hash of the model, its classes and their order."""
        weights = model_fingerprint(self.model.model, self.model.tokenizer)
        return fingerprint([weights, str(self.model.max_length), repr(self.label_space_), repr(self._columns)])

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return class probabilities."""
        check_texts(texts)
        logits = self.model.logits(texts)[:, self._columns].astype(np.float64)
        probabilities = expit(logits) if self.label_space_.multi_label else softmax(logits, axis=1)
        return TeacherTargets(None, finite_probabilities(probabilities))


class NLITeacher(_FolderTeacher):
    """A model of natural-language inference as a teacher that needs class names and no labelled text (zero-shot).

    Each text is a premise, each class a hypothesis such as "This text is about refunds."; the model says whether one
    follows from the other. It takes a forward pass for every pair of text and class.

    Parameters
    ----------
    folder : str or Path
        A cross-encoder whose ``config.json`` names an output ``entailment``.
    classes : sequence of (str or int)
        Class names; ``_`` and ``-`` read as spaces.
    template : str, default="This text is about {}."
        Hypothesis, with one ``{}`` for the class.
    multi_label : bool, default=False
        ``False``: softmax of the entailment logits over the classes. ``True``: for each class, entailment against
        contradiction.
    label_words : mapping, optional
        Words to say instead of a class's name.
    device, batch_size, precision : optional
        See :class:`~fewshot.classifiers.zero_shot_nli.ZeroShotNLIClassifier`.

    Raises
    ------
    InputError
        If there are fewer than two classes (single-label), they are no labels, the template has not one ``{}``, or a
        hypothesis leaves no room for a text.
    ModelFormatError
        If the folder holds no such model, or an unsafe or damaged one.

    References
    ----------
    Yin, Hay, Roth 2019, "Benchmarking Zero-shot Text Classification: Datasets, Evaluation and Entailment Approach",
    arXiv:1909.00161.

    Examples
    --------
    >>> teacher = NLITeacher("models/nli", ["sports", "world_news"])  # doctest: +SKIP
    >>> teacher.targets(["The match ended 3:1."]).probabilities  # doctest: +SKIP
    array([[0.94, 0.06]])
    """

    def __init__(
        self,
        folder: str | Path,
        classes: Sequence[Label],
        template: str = TEMPLATE,
        *,
        multi_label: bool = False,
        label_words: Mapping[Label, str] | None = None,
        device: str | None = None,
        batch_size: int | None = None,
        precision: str = "float32",
    ) -> None:
        space = _space_of(_plain_names(classes), multi_label)
        check_templates([template])
        check_label_words(label_words)
        said = {name: words for name, words in (label_words or {}).items() if name in space.classes}
        self.classifier = ZeroShotNLIClassifier(
            folder,
            classes=space.classes,
            multi_label=multi_label,
            templates=[template],
            label_words=said,
            precision=precision,
            batch_size=batch_size,
            device=device,
        ).fit()
        self.label_space_ = self.classifier.label_space_

    @property
    def model(self) -> EntailmentScorer:
        """Model, tokenizer and hypotheses."""
        return self.classifier.scorer_

    @property
    def hypotheses(self) -> list[str]:
        """What is asked of each text, in the order of the classes."""
        return self.model.hypotheses

    @property
    def fingerprint(self) -> str:
        """Hash of the model, the classes and the hypotheses."""
        return fingerprint([self.model.fingerprint, repr(self.label_space_)])

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return class probabilities from the entailment logits of every pair of text and class."""
        return TeacherTargets(None, finite_probabilities(self.classifier.predict_proba(texts)))


def _plain_names(classes: Any) -> list[Any]:
    names = [] if isinstance(classes, str) else [plain_label(name) for name in classes]
    if not names or any(isinstance(name, bool) or not isinstance(name, (str, int)) for name in names):
        raise InputError(f"classes must be a list of class names, strings or integers, got {classes!r}")
    return names


def _space_of(names: list[Any], multi_label: bool) -> LabelSpace:
    """Return the classes, sorted."""
    space = LabelSpace.of([tuple(names)] if multi_label else names, warn=False)
    if len(space.classes) != len(names):
        raise InputError(f"classes must be different, got {names!r}")
    if len(names) < 2 and not multi_label:
        raise InputError(f"classes must be at least two to tell apart, got {names!r}")
    return space
