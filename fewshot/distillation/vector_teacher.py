"""A teacher without vectors beside an encoder that has some: classes from the one, similarities from the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.core.artifacts import fingerprint
from fewshot.distillation.several_teachers import TeacherMixture
from fewshot.distillation.teacher_targets import TeacherTargets, check_finite, encoder_of
from fewshot.distillation.teachers import open_teacher
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import load_encoder, unwrapped
from fewshot.heads.vectors import unit_rows


class VectorTeacher:
    """A teacher of classes and an encoder as one teacher, such as a zero-shot classifier and a sentence encoder.

    Parameters
    ----------
    teacher : Teacher
        Gives the probabilities; what else it has is reached through this object.
    encoder : Encoder
        Gives the vectors; the student is made from it.

    Examples
    --------
    >>> from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
    >>> from fewshot.distillation.teachers import open_teacher
    >>> teacher = open_teacher(NaiveBayesClassifier().fit(["good film", "bad film"], ["pos", "neg"]))
    >>> VectorTeacher(teacher, load_encoder("bundled")).targets(["good"]).embeddings.shape  # doctest: +SKIP
    (1, 384)
    """

    def __init__(self, teacher: Any, encoder: Encoder) -> None:
        self.teacher, self.encoder_ = teacher, encoder

    def __getattr__(self, name: str) -> Any:
        if name == "teacher":  # while it is being copied, there is none yet
            raise AttributeError(name)
        return getattr(self.teacher, name)

    @property
    def fingerprint(self) -> str:
        """Hash of both."""
        return fingerprint([self.teacher.fingerprint, unwrapped(self.encoder_).fingerprint])

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return the teacher's probabilities and the encoder's unit vectors."""
        embeddings = unit_rows(unwrapped(self.encoder_).encode(texts)).astype(np.float32)
        check_finite(embeddings)
        return TeacherTargets(embeddings, self.teacher.targets(texts).probabilities)


def open_vector_teacher(teacher: Any, encoder: str | Encoder | None = None, device: str | None = None) -> Any:
    """Return a teacher with vectors.

    Parameters
    ----------
    teacher : whatever :func:`~fewshot.distillation.teachers.open_teacher` takes, or a sequence of (teacher, weight)
    encoder : str or Encoder, optional
        Gives the vectors. Default: the teacher's own.
    device : str, optional
        Where an encoder given by name runs.

    Raises
    ------
    InputError
        If the teacher has no sentence encoder, and none is given.
    """
    opened = TeacherMixture(teacher) if isinstance(teacher, (list, tuple)) else open_teacher(teacher)
    if encoder is not None:
        return VectorTeacher(opened, load_encoder(encoder, device=device) if isinstance(encoder, str) else encoder)
    encoder_of(opened)
    return opened
