"""Who can be a teacher, and what it says of a pool of texts, asked once.

A classifier of this package, a setfit folder, a transformers classifier, or a model of natural-language inference that
is told class names: all answer :meth:`~fewshot.distillation.teacher_targets.Teacher.targets`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import EmbeddingClassifier, TextClassifier
from fewshot.classifiers.loading import is_model_folder, load_classifier
from fewshot.classifiers.sequence_folders import is_sequence_folder
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.sequence_teachers import NLITeacher, SequenceTeacher
from fewshot.distillation.teacher_targets import (
    Teacher,
    TeacherTargets,
    check_embeddings,
    check_finite,
    check_targets,
    finite_probabilities,
    without_encoder,
)
from fewshot.encoders.resolve import unwrapped
from fewshot.heads.vectors import unit_rows
from fewshot.training.targets import array_fingerprint

__all__ = [
    "ClassifierTeacher",
    "NLITeacher",
    "SequenceTeacher",
    "Teacher",
    "TeacherTargets",
    "check_embeddings",
    "check_targets",
    "compute_targets",
    "open_teacher",
]


class ClassifierTeacher:
    """A fitted classifier of this package as a teacher; what else the classifier has is reached through it.

    Parameters
    ----------
    classifier : TextClassifier
        Kept by reference. With a sentence encoder it gives vectors and probabilities, else probabilities alone.

    Examples
    --------
    >>> from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
    >>> teacher = ClassifierTeacher(NaiveBayesClassifier().fit(["good film", "bad film"], ["pos", "neg"]))
    >>> targets = teacher.targets(["good"])
    >>> print(targets.probabilities.round(2), targets.embeddings)
    [[0.33 0.67]] None
    """

    def __init__(self, classifier: TextClassifier) -> None:
        classifier._check_fitted()
        self.classifier = classifier

    def __getattr__(self, name: str) -> Any:
        if name == "classifier":  # while it is being copied, there is none yet
            raise AttributeError(name)
        if name == "encoder_" and not isinstance(self.classifier, EmbeddingClassifier):
            raise InputError(without_encoder(self.classifier))
        return getattr(self.classifier, name)

    @property
    def classes_(self) -> np.ndarray:
        """Class names, sorted."""
        return self.classifier.classes_

    @property
    def label_space_(self) -> LabelSpace:
        """The same, and whether the task is multi-label."""
        return self.classifier.label_space_

    @property
    def fingerprint(self) -> str:
        """Hash of classes, encoder and head."""
        classifier, encoder = self.classifier, ""
        if isinstance(classifier, EmbeddingClassifier):
            encoder = unwrapped(classifier.encoder_).fingerprint
        arrays, settings = classifier._state()
        settings = {name: value for name, value in settings.items() if name != "report"}  # how it came to be
        hashes = [part for name in sorted(arrays) for part in (name, array_fingerprint(arrays[name]))]
        facts = [classifier.kind, repr(classifier.label_space_), encoder, json.dumps(settings, sort_keys=True)]
        return fingerprint([*facts, *hashes])

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Embed each text once and read its class probabilities off the vector."""
        classifier = self.classifier
        if not isinstance(classifier, EmbeddingClassifier):
            return TeacherTargets(None, finite_probabilities(classifier.predict_proba(texts)))
        vectors = unwrapped(classifier.encoder_).encode(texts)
        embeddings = unit_rows(vectors).astype(np.float32)
        check_finite(embeddings)
        probabilities = classifier.probabilities_from(classifier.head_input(vectors))
        return TeacherTargets(embeddings, finite_probabilities(probabilities))


def open_teacher(teacher: Any, *, device: str | None = None) -> Any:
    """Return what was given as a teacher.

    Parameters
    ----------
    teacher : TextClassifier, str, Path or Teacher
        A fitted classifier; a model directory of this package or of setfit, here or on the Hub (see
        :func:`fewshot.load_classifier`); a local folder of a transformers sequence classifier; or a teacher, which is
        returned as it is. A model of natural-language inference needs class names: give an :class:`NLITeacher`.
    device : str, optional
        Where a teacher that is opened here runs; default: the fastest there is.

    Returns
    -------
    Teacher
        A classifier is reached through it: a teacher with a sentence encoder has ``encoder_``, ``labels_from`` and all
        else that its classifier has. One without raises :class:`InputError` where ``encoder_`` is asked for.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(teacher, (str, Path)):
        if not is_model_folder(teacher) and is_sequence_folder(teacher):
            return SequenceTeacher(teacher, device=device)
        teacher = load_classifier(teacher, device=device)
    if isinstance(teacher, TextClassifier):
        return ClassifierTeacher(teacher)
    if callable(getattr(teacher, "targets", None)) and hasattr(teacher, "label_space_"):
        return teacher
    raise InputError(
        "teacher must be a fitted classifier with a sentence encoder (without one it teaches probabilities only), "
        f"a folder of one, or an NLITeacher, got {teacher!r}"
    )


def compute_targets(teacher: Any, texts: Sequence[str]) -> TeacherTargets:
    """Ask a teacher about each text once, and look whether there is anything to learn from its answers.

    Parameters
    ----------
    teacher : anything that :func:`open_teacher` takes
    texts : sequence of str

    Raises
    ------
    TeacherError
        If the teacher's vectors or probabilities are not finite, or the same for all texts.
    """
    targets = open_teacher(teacher).targets(texts)
    check_targets(targets)
    return targets
