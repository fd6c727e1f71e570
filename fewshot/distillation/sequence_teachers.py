"""Teachers that are a transformers model in a local folder: a classifier, or a model of natural-language inference.

They have no vectors to give. A model of inference is told class names and needs no labelled text.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from fewshot.classifiers.templates import TEMPLATE, check_label_words, check_templates, words_of
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import Label
from fewshot.distillation.sequence_model import SequenceModel
from fewshot.distillation.teacher_targets import TeacherTargets, finite_probabilities, without_encoder
from fewshot.encoders.base import check_texts

_PAIRS = 2**14
"""Pairs of text and class that wait for the model at once, so that a large pool takes no more memory than a small."""


class _FolderTeacher:
    """Base of teachers that are a transformers model in a folder and have no vectors to give."""

    model: SequenceModel
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
        See :class:`~fewshot.distillation.sequence_model.SequenceModel`.

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
        self.model = SequenceModel(folder, device=device, batch_size=batch_size)
        names = _plain_names(self.model.labels if classes is None else classes)
        if classes is None and any(label.lower().startswith("entail") for label in self.model.labels):
            raise InputError(
                f"teacher {self.model.name!r} tells entailment from contradiction and knows no classes; "
                "name them: NLITeacher(folder, classes=[...])"
            )
        if len(names) != len(self.model.labels):
            raise InputError(f"classes must name the model's {len(self.model.labels)} outputs, got {len(names)} names")
        self.label_space_ = _space_of(names, self.model.multi_label if multi_label is None else multi_label)
        self._columns = [names.index(name) for name in self.label_space_.classes]

    @property
    def fingerprint(self) -> str:
        """Hash of the model, its classes and their order."""
        return fingerprint([self.model.fingerprint, repr(self.label_space_), repr(self._columns)])

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
    device, batch_size : optional
        See :class:`~fewshot.distillation.sequence_model.SequenceModel`.

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
    ) -> None:
        self.label_space_ = _space_of(_plain_names(classes), multi_label)
        (template,) = check_templates([template])
        check_label_words(label_words)
        self.hypotheses = [template.replace("{}", words) for words in words_of(self.label_space_, label_words)]
        self.model = SequenceModel(folder, device=device, batch_size=batch_size)
        self._outputs = _entailment_outputs(self.model)
        longest = max(map(self.model.n_tokens, self.hypotheses))
        if longest > self.model.max_length // 2:
            raise InputError(
                f"template or class names too long: a hypothesis has {longest} tokens and the model reads "
                f"{self.model.max_length} of text and hypothesis together; take shorter label_words"
            )

    @property
    def fingerprint(self) -> str:
        """Hash of the model, the classes and the hypotheses."""
        return fingerprint([self.model.fingerprint, repr(self.label_space_), *self.hypotheses])

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return class probabilities from the entailment logits of every pair of text and class."""
        check_texts(texts)
        step = max(1, _PAIRS // len(self.hypotheses))
        parts = [self._probabilities(texts[start : start + step]) for start in range(0, len(texts), step)]
        probabilities = np.concatenate(parts) if parts else np.empty((0, len(self.hypotheses)))
        return TeacherTargets(None, finite_probabilities(probabilities))

    def _probabilities(self, texts: Sequence[str]) -> np.ndarray:
        pairs = [(text, hypothesis) for text in texts for hypothesis in self.hypotheses]
        logits = self.model.logits([text for text, _ in pairs], [hypothesis for _, hypothesis in pairs])
        logits = logits[:, self._outputs].astype(np.float64).reshape(len(texts), len(self.hypotheses), 2)
        if self.label_space_.multi_label:
            return softmax(logits, axis=2)[:, :, 0]
        return softmax(logits[:, :, 0], axis=1)


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


def _entailment_outputs(model: SequenceModel) -> list[int]:
    """Return the places of entailment and of its opposite among a model's outputs."""
    labels = [label.lower() for label in model.labels]
    entailment = [index for index, label in enumerate(labels) if label.startswith("entail")]
    others = [index for index in range(len(labels)) if index not in entailment]
    opposite = others if len(labels) == 2 else [i for i in others if labels[i].startswith("contradict")]
    if len(entailment) != 1 or len(opposite) != 1:
        raise ModelFormatError(
            f"the model in {model.name!r} is not known to tell entailment from contradiction: its outputs are called "
            f"{', '.join(model.labels[:8])}; name them in its config.json (id2label)"
        )
    return [entailment[0], opposite[0]]
