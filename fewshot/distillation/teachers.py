"""What a teacher gives to its student: vectors, and class probabilities, of every text, computed once.

A teacher that says the same of every text, or NaN, has nothing to teach; a student would follow it quietly into
nonsense, so it is refused here.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import EmbeddingClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import InputError, TeacherError
from fewshot.encoders.resolve import unwrapped
from fewshot.heads.vectors import unit_rows

LEAST_SPREAD = 1e-4
"""A teacher whose cosines of different texts all lie within this is constant."""

_SAMPLE = 512


@dataclasses.dataclass(frozen=True)
class TeacherTargets:
    """What a teacher says of some texts.

    Parameters
    ----------
    embeddings : ndarray of shape (n_texts, dimension)
        Unit vectors.
    probabilities : ndarray of shape (n_texts, n_classes)
    """

    embeddings: np.ndarray
    probabilities: np.ndarray


def open_teacher(teacher: Any) -> EmbeddingClassifier:
    """Return the teacher itself, or the classifier in the model directory that it names.

    Raises
    ------
    InputError
        If it has no sentence encoder whose vectors a student could learn.
    """
    if isinstance(teacher, (str, Path)):
        teacher = load_classifier(teacher)
    if not isinstance(teacher, EmbeddingClassifier):
        raise InputError(
            f"teacher must be a fitted classifier with a sentence encoder, or a folder of one, got {teacher!r}"
        )
    teacher._check_fitted()
    return teacher


def compute_targets(teacher: EmbeddingClassifier, texts: Sequence[str]) -> TeacherTargets:
    """Embed each text once and read its class probabilities off the vector.

    Raises
    ------
    TeacherError
        If the teacher's vectors or probabilities are not finite, or its vectors are the same for all texts.
    """
    vectors = unwrapped(teacher.encoder_).encode(texts)
    embeddings = unit_rows(vectors).astype(np.float32)
    check_embeddings(embeddings)
    probabilities = teacher.probabilities_from(teacher.head_input(vectors))
    if not np.isfinite(probabilities).all():
        raise TeacherError("the teacher's probabilities hold NaN or infinite values; train the teacher again")
    return TeacherTargets(embeddings, probabilities)


def check_embeddings(embeddings: np.ndarray) -> None:
    """Raise :class:`TeacherError` if vectors are not finite, or the same for different texts.

    Examples
    --------
    >>> check_embeddings(np.ones((3, 4)))
    Traceback (most recent call last):
    ...
    fewshot.core.errors.TeacherError: the teacher gives every text the same vector (all cosines within 0.0001); \
there is nothing to distil. Is it trained, and are the texts different?
    """
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        raise TeacherError(
            f"the teacher's vectors hold NaN or infinite values for {int((~finite).sum())} of {len(finite)} texts; "
            "train the teacher again, with a lower learning rate"
        )
    some = unit_rows(embeddings[:_SAMPLE].astype(np.float64))
    cosines = (some @ some.T)[np.triu_indices(len(some), k=1)]
    if (len(cosines) and np.ptp(cosines) < LEAST_SPREAD and cosines.mean() > 1 - LEAST_SPREAD) or not embeddings.any():
        raise TeacherError(
            f"the teacher gives every text the same vector (all cosines within {LEAST_SPREAD}); "
            "there is nothing to distil. Is it trained, and are the texts different?"
        )
