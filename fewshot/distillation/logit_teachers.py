"""Teachers of logits: any classifier with probabilities, and what it says of each text before softmax or sigmoid."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import MARKER
from fewshot.classifiers.loading import SETFIT_MARKER, load_classifier
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.errors import InputError, TeacherError
from fewshot.data.labels import LabelSpace, plain_label

_LEAST_PROBABILITY = 1e-6
_LEAST_SPREAD = 1e-6


def open_logit_teacher(teacher: Any) -> Any:
    """Return the teacher itself, or the classifier in the folder that it names.

    Parameters
    ----------
    teacher : object with ``predict_proba`` and ``classes_``, str or Path

    Raises
    ------
    InputError
        If it gives no class probabilities.
    """
    if isinstance(teacher, (str, Path)):
        ours = any((Path(teacher) / marker).is_file() for marker in (MARKER, SETFIT_MARKER))
        of_transformers = (Path(teacher) / "config.json").is_file() and not ours
        teacher = SequenceClassifier.from_pretrained(teacher) if of_transformers else load_classifier(teacher)
    if isinstance(teacher, TextClassifier):
        teacher._check_fitted()
    if not hasattr(teacher, "predict_proba") or not hasattr(teacher, "classes_"):
        raise InputError(
            "teacher must be a fitted classifier of texts with predict_proba and classes_, or a folder of one, got "
            f"{teacher!r}"
        )
    return teacher


def teacher_logits(teacher: Any, texts: Sequence[str]) -> np.ndarray:
    """Return a teacher's scores of texts.

    Parameters
    ----------
    teacher : SequenceClassifier, or object with ``predict_proba``
    texts : sequence of str

    Returns
    -------
    ndarray of shape (n_texts, n_classes), float32
        Its logits if it has any; else the logarithms of its probabilities p, at least 1e-6, in multi-label tasks
        log(p / (1 − p)): their softmax or sigmoid is p again.

    Raises
    ------
    TeacherError
        If they are not finite, or the same for all texts.
    """
    if isinstance(teacher, SequenceClassifier):
        logits = teacher.logits(texts)
    else:
        several = space_of(teacher).multi_label
        highest = 1 - _LEAST_PROBABILITY if several else 1.0
        probabilities = np.asarray(teacher.predict_proba(list(texts)), dtype=np.float64)
        p = probabilities.clip(_LEAST_PROBABILITY, highest)
        logits = (np.log(p) - (np.log1p(-p) if several else 0.0)).astype(np.float32)
    if logits.shape != (len(texts), len(teacher.classes_)):
        raise TeacherError(
            f"the teacher gives scores of shape {logits.shape} for {len(texts)} texts and {len(teacher.classes_)} "
            "classes"
        )
    if not np.isfinite(logits).all():
        raise TeacherError("the teacher's scores hold NaN or infinite values; train the teacher again")
    if np.ptp(logits, axis=0).max(initial=0.0) < _LEAST_SPREAD:
        raise TeacherError("the teacher gives every text the same scores; there is nothing to distil. Is it trained?")
    return logits


def space_of(teacher: Any) -> LabelSpace:
    """Return the classes of a teacher; one that does not say so has one label a text."""
    if isinstance(teacher, TextClassifier):
        return teacher.label_space_
    return LabelSpace(tuple(plain_label(name) for name in teacher.classes_), multi_label=False)


def threshold_of(teacher: Any) -> Any:
    """Return the probability from which a teacher's labels apply, for all or for each."""
    return teacher._threshold if isinstance(teacher, TextClassifier) else 0.5


def tokenizer_of(teacher: Any) -> Any:
    """Return the tokenizer of a teacher's transformer, or ``None``."""
    if isinstance(teacher, SequenceClassifier):
        return teacher.tokenizer_
    return getattr(getattr(getattr(teacher, "encoder_", None), "model", None), "tokenizer", None)
