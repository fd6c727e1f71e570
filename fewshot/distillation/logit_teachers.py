"""Teachers of logits: any classifier with probabilities, and what it says of each text before softmax or sigmoid."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.loading import is_model_folder, load_classifier
from fewshot.classifiers.parameters import count_parameters
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.classifiers.transformer import TransformerClassifier
from fewshot.classifiers.zero_shot_nli import ZeroShotNLIClassifier
from fewshot.core.errors import InputError, TeacherError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.distillation.several_teachers import TeacherMixture
from fewshot.distillation.teachers import ClassifierTeacher
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder

_LEAST_PROBABILITY = 1e-6
_LEAST_SPREAD = 1e-6
_TOLERANCE = 0.01  # probabilities may have been stored in half precision
_TEXTS_AT_ONCE = 2**16


def open_logit_teacher(teacher: Any, *, device: str | None = None) -> Any:
    """Return what was given as a teacher, opened.

    Parameters
    ----------
    teacher : object with ``predict_proba`` and ``classes_``, str, Path or list
        A fitted classifier of texts, of this package or another, or an ``NLITeacher`` or ``TeacherMixture``: it is
        returned itself. A model directory of this package or of setfit, or a folder of a sequence classifier of
        transformers. ``[(teacher, weight), ...]`` are mixed.
    device : str, optional
        Where a teacher that is opened from a folder here runs; default: the fastest there is.

    Returns
    -------
    object with ``predict_proba`` and ``classes_``

    Raises
    ------
    InputError
        If it gives no class probabilities.
    SourceNotFoundError, ModelFormatError
        If a folder is not there, or holds no model that can be opened.
    """
    if isinstance(teacher, (str, Path)):
        teacher = _opened(teacher, device)
    elif isinstance(teacher, list):
        teacher = TeacherMixture(teacher)
    if isinstance(teacher, ClassifierTeacher):
        teacher = teacher.classifier
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
    teacher : TransformerClassifier, or object with ``predict_proba``
    texts : sequence of str

    Returns
    -------
    ndarray of shape (n_texts, n_classes), float32
        Its logits if it has any; else the logarithms of its probabilities p, at least 1e-6, in multi-label tasks
        log(p / (1 − p)): their softmax or sigmoid is p again.

    Raises
    ------
    TeacherError
        If they are not finite, or come from what are no probabilities.
    """
    logits = np.empty((len(texts), len(teacher.classes_)), dtype=np.float32)
    unread = iter(texts)  # a pool in a file is fastest read in order
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        logits[start : start + _TEXTS_AT_ONCE] = _scores(teacher, list(itertools.islice(unread, _TEXTS_AT_ONCE)))
    if not np.isfinite(logits).all():
        raise TeacherError("the teacher's scores hold NaN or infinite values; train the teacher again")
    return logits


def check_varied(logits: np.ndarray) -> None:
    """Raise :class:`TeacherError` if a teacher gives all texts of a pool the same scores ``(n_texts, n_classes)``.

    Examples
    --------
    >>> check_varied(np.zeros((3, 2)))
    Traceback (most recent call last):
    ...
    fewshot.core.errors.TeacherError: the teacher gives every text the same scores; there is nothing to distil. \
Is it trained, and does it know the words of the texts?
    """
    if len(logits) and np.ptp(logits, axis=0).max() < _LEAST_SPREAD:
        raise TeacherError(
            "the teacher gives every text the same scores; there is nothing to distil. "
            "Is it trained, and does it know the words of the texts?"
        )


def space_of(teacher: Any) -> LabelSpace:
    """Return the classes of a teacher, its ``label_space_``; one that has none has one label a text."""
    space = getattr(teacher, "label_space_", None)
    if isinstance(space, LabelSpace):
        return space
    return LabelSpace(tuple(plain_label(name) for name in teacher.classes_), multi_label=False)


def tokenizer_of(teacher: Any) -> Any:
    """Return the tokenizer of a teacher's transformer, or ``None``."""
    if isinstance(teacher, TransformerClassifier):
        return teacher.tokenizer_
    if isinstance(teacher, ZeroShotNLIClassifier):
        return teacher.scorer_.tokenizer
    holder = getattr(teacher, "model", None) if _encoder_of(teacher) is None else _encoder_of(teacher).model
    return getattr(holder, "tokenizer", None)


def body_size(classifier: Any) -> int | None:
    """Return how many parameters a classifier has without its head; ``None`` where that is not known.

    Parameters
    ----------
    classifier : TransformerClassifier, or a teacher
        Of those with an encoder, the encoder counts. BERT's pooler, which some models lack, is left out.
    """
    if isinstance(classifier, TransformerClassifier):
        return count_parameters(classifier.model_.base_model, without="pooler")
    encoder = _encoder_of(classifier)
    if isinstance(encoder, SentenceEncoder):
        return count_parameters(encoder.model, without="pooler")
    return encoder.n_parameters if isinstance(encoder, StaticEncoder) else None


def _encoder_of(teacher: Any) -> Any:
    try:
        encoder = getattr(teacher, "encoder_", None)
    except InputError:  # a teacher without vectors says so where they are asked for
        return None
    encoder = None if encoder is None else unwrapped(encoder)
    return encoder if isinstance(encoder, (SentenceEncoder, StaticEncoder)) else None


def _opened(folder: str | Path, device: str | None) -> Any:
    if is_model_folder(folder) or not (Path(folder) / "config.json").is_file():
        return load_classifier(folder, device=device)
    teacher = SequenceClassifier.from_pretrained(folder, device=device)
    if any(str(name).lower().startswith("entail") for name in teacher.classes_):
        raise InputError(
            f"teacher {str(folder)!r} tells entailment from contradiction and knows no classes; name them: "
            "NLITeacher(folder, classes=[...])"
        )
    return teacher


def _scores(teacher: Any, texts: list[str]) -> np.ndarray:
    if isinstance(teacher, TransformerClassifier):
        return teacher.logits(texts)
    p = np.asarray(teacher.predict_proba(texts), dtype=np.float64)
    if p.shape != (len(texts), len(teacher.classes_)):
        raise TeacherError(
            f"the teacher gives scores of shape {p.shape} for {len(texts)} texts and {len(teacher.classes_)} classes"
        )
    return logits_of(p, multi_label=space_of(teacher).multi_label)


def logits_of(probabilities: np.ndarray, *, multi_label: bool) -> np.ndarray:
    """Return logits ``(n_texts, n_classes)``, float64, whose softmax, in multi-label tasks sigmoid, they are.

    Raises
    ------
    TeacherError
        If they are no probabilities.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if (p < -_TOLERANCE).any() or (p > 1 + _TOLERANCE).any():  # both are False for NaN, which is told apart later
        raise TeacherError("the teacher's predict_proba gives numbers that are not from 0 to 1; are these logits?")
    if not multi_label and (np.abs(p.sum(axis=1) - 1) > _TOLERANCE).any():
        raise TeacherError(
            "the teacher's probabilities do not sum to 1 for each text; where labels are independent, its label_space_ "
            "must say multi_label=True"
        )
    p = p.clip(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY if multi_label else 1.0)
    return np.asarray(np.log(p) - (np.log1p(-p) if multi_label else 0.0))
