"""What a teacher gives to its student, and what is refused: answers that are the same for every text, or NaN.

A teacher that says nothing has nothing to teach; a student would follow it quietly into nonsense.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from fewshot.core.errors import InputError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.base import Encoder
from fewshot.heads.vectors import unit_rows

LEAST_SPREAD = 1e-4
"""A teacher whose cosines of different texts all lie within this is constant."""

LEAST_DIFFERENCE = 1e-6
"""A teacher without vectors whose probabilities of different texts all lie within this is constant."""

_SAMPLE = 512


@dataclasses.dataclass(frozen=True)
class TeacherTargets:
    """What a teacher says of some texts.

    Parameters
    ----------
    embeddings : ndarray of shape (n_texts, dimension), or None
        Unit vectors; ``None`` where the teacher has no sentence encoder.
    probabilities : ndarray of shape (n_texts, n_classes)
        In the order of the teacher's ``classes_``. Single-label rows sum to 1; multi-label entries stand each for
        themselves.
    """

    embeddings: Any  # an array or None: those who asked for a teacher with an encoder need not ask again
    probabilities: np.ndarray


class Teacher(Protocol):
    """Whatever can say of texts which classes they have."""

    @property
    def classes_(self) -> np.ndarray:
        """Class names, in the order of the columns of the probabilities."""
        ...

    @property
    def label_space_(self) -> LabelSpace:
        """The same, and whether the task is multi-label."""
        ...

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the targets would; stored targets are known by it."""
        ...

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return what the teacher says of each text.

        Raises
        ------
        TeacherError
            If it is not finite.
        """
        ...


def check_targets(targets: TeacherTargets) -> None:
    """Raise :class:`TeacherError` if targets of different texts are not finite, or all the same.

    Where there are vectors, these alone must differ: a student can learn them.

    Examples
    --------
    >>> check_targets(TeacherTargets(None, np.full((3, 2), 0.5)))
    Traceback (most recent call last):
    ...
    fewshot.core.errors.TeacherError: the teacher gives every text the same probabilities; there is nothing to distil. \
Is it trained, does it know the words of the texts, and are these different?
    """
    probabilities = finite_probabilities(targets.probabilities)
    if targets.embeddings is not None:
        check_embeddings(targets.embeddings)
    elif len(probabilities) > 1 and np.ptp(probabilities, axis=0).max() < LEAST_DIFFERENCE:
        raise TeacherError(
            "the teacher gives every text the same probabilities; there is nothing to distil. "
            "Is it trained, does it know the words of the texts, and are these different?"
        )


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
    check_finite(embeddings)
    some = unit_rows(embeddings[:_SAMPLE].astype(np.float64))
    cosines = (some @ some.T)[np.triu_indices(len(some), k=1)]
    if (len(cosines) and np.ptp(cosines) < LEAST_SPREAD and cosines.mean() > 1 - LEAST_SPREAD) or not embeddings.any():
        raise TeacherError(
            f"the teacher gives every text the same vector (all cosines within {LEAST_SPREAD}); "
            "there is nothing to distil. Is it trained, and are the texts different?"
        )


def check_finite(embeddings: np.ndarray) -> None:
    """Raise :class:`TeacherError` if vectors hold NaN or infinity."""
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        raise TeacherError(
            f"the teacher's vectors hold NaN or infinite values for {int((~finite).sum())} of {len(finite)} texts; "
            "train the teacher again, with a lower learning rate"
        )


def finite_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Return ``probabilities``; raise :class:`TeacherError` if they hold NaN or infinity."""
    if not np.isfinite(probabilities).all():
        raise TeacherError("the teacher's probabilities hold NaN or infinite values; train the teacher again")
    return probabilities


def threshold_of(teacher: Any) -> Any:
    """Return the probability from which a teacher's labels apply, for all or for each; multi-label only."""
    return getattr(teacher, "_threshold", 0.5)


def without_encoder(teacher: Any) -> str:
    """Return what to say where a student is to be made from the sentence encoder of a teacher that has none."""
    return (
        f"teacher must be a fitted classifier with a sentence encoder, and a {type(teacher).__name__} has none; name "
        "one by encoder=, such as 'bundled': the student is made from it and learns its similarities beside the "
        "teacher's classes"
    )


def encoder_of(teacher: Any) -> Encoder:
    """Return the sentence encoder of a teacher; raise :class:`InputError` if it has none."""
    encoder = getattr(teacher, "encoder_", None)
    if not isinstance(encoder, Encoder):
        raise InputError(without_encoder(teacher))
    return encoder
