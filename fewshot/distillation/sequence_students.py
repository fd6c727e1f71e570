"""Students of logits before their training: transformers with a head, new, random, or cut from the teacher."""

import copy
import warnings
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.classifiers.sequence_models import with_new_head, with_random_weights
from fewshot.core.errors import DataWarning, InputError, did_you_mean
from fewshot.data.labels import LabelSpace
from fewshot.distillation.cut_students import drop_layers
from fewshot.distillation.logit_teachers import body_size, tokenizer_of
from fewshot.distillation.teacher_targets import threshold_of
from fewshot.encoders.static import is_static_folder
from fewshot.encoders.transformer_opening import open_tokenizer
from fewshot.training.seeding import seeded

_KINDS = "an encoder's name or folder, 'layers:N', a configuration of transformers or a SequenceClassifier"


def build_sequence_student(
    teacher: Any,
    student: "str | Path | PreTrainedConfig | SequenceClassifier",
    space: LabelSpace,
    *,
    tokenizer: Any = None,
    device: str | None = None,
    random_state: int = 0,
) -> SequenceClassifier:
    """Return the student before its training; nothing of the teacher, or of a student given, is shared.

    Parameters
    ----------
    teacher : object with ``predict_proba``
    student : str, Path, PreTrainedConfig or SequenceClassifier
        An encoder's name or folder (it gets a new head), ``"layers:N"`` of a teacher that is a ``SequenceClassifier``,
        a configuration (random weights), or a classifier to copy.
    space : LabelSpace
        The teacher's classes.
    tokenizer : PreTrainedTokenizer, optional
        Of a student made from a configuration. Default: the teacher's.
    device : str, optional
    random_state : int, default=0
        Decides the random weights.

    Returns
    -------
    SequenceClassifier

    Warns
    -----
    DataWarning
        If it has more parameters than its teacher, heads not counted, where both are known.

    Raises
    ------
    InputError
        If ``student`` cannot be made, or has other classes.
    SourceNotFoundError, ModelFormatError
        If an encoder is not there, or cannot be opened.
    """
    if isinstance(student, SequenceClassifier):
        _check_classes(student, space)
        made = _copied(student, device)
    elif isinstance(student, str) and student.startswith("layers:"):
        made = _cut(teacher, student, device)
    elif isinstance(student, PreTrainedConfig):
        tokenizer = tokenizer_of(teacher) if tokenizer is None else tokenizer
        with seeded(random_state):
            model = with_random_weights(student, tokenizer, space)
        made = SequenceClassifier.from_parts(model, tokenizer, space, name=f"a new {student.model_type}", device=device)
    else:
        _check_name(student)
        with seeded(random_state):
            model = with_new_head(student, space)
        made = SequenceClassifier.from_parts(model, open_tokenizer(student), space, name=str(student), device=device)
    _warn_if_larger(made, teacher)
    return made.set_thresholds(threshold_of(teacher)) if space.multi_label else made


def _check_name(student: Any) -> None:
    """Raise unless this may name an encoder with layers: the Hub is not to be asked for what was misspelt."""
    if not isinstance(student, (str, Path)) or not str(student).strip():
        raise InputError(f"student must be {_KINDS}, got {student!r}")
    kind, colon, _ = str(student).partition(":")
    is_folder = Path(student).is_dir()
    if is_static_folder(str(student)) or (kind == "static" and not is_folder):
        raise InputError(
            f"student {str(student)!r} is a table of tokens, which has no logits of its own; take "
            f"DistillationTrainer(teacher, student={str(student)!r}) for it (--loss cosine)"
        )
    if colon and not is_folder:
        hint = did_you_mean(kind, ["layers"])
        raise InputError(f"student must be {_KINDS}, got {str(student)!r}, which is no folder, either.{hint}")


def _copied(classifier: SequenceClassifier, device: str | None, name: str | None = None) -> SequenceClassifier:
    return SequenceClassifier.from_parts(
        copy.deepcopy(classifier.model_),
        classifier.tokenizer_,
        classifier.label_space_,
        name=name or classifier.model,
        columns=classifier.columns_,
        threshold=classifier.threshold_,
        max_length=classifier.max_length_,
        device=device,
    )


def _cut(teacher: Any, student: str, device: str | None) -> SequenceClassifier:
    """Return a copy of the teacher with some of its layers."""
    number = student.partition(":")[2]
    if not number.isdecimal():
        raise InputError(f"student must be 'layers:N' with a number N, got {student!r}")
    if not isinstance(teacher, SequenceClassifier):
        raise InputError(
            f"student {student!r} is cut from a SequenceClassifier, and the teacher is a {type(teacher).__name__}; "
            "give the name of an encoder, such as 'bundled', or take DistillationTrainer for it (--loss cosine)"
        )
    made = _copied(teacher, device, name=student)
    drop_layers(made.model_, int(number))
    return made


def _check_classes(student: SequenceClassifier, space: LabelSpace) -> None:
    student._check_fitted()
    if student.label_space_ != space:
        ours, theirs = student.label_space_, space
        raise InputError(
            f"student has the classes {', '.join(map(repr, ours.classes[:8]))} (multi-label: {ours.multi_label}), the "
            f"teacher {', '.join(map(repr, theirs.classes[:8]))} (multi-label: {theirs.multi_label}); make them equal"
        )


def _warn_if_larger(student: SequenceClassifier, teacher: Any) -> None:
    ours, theirs = body_size(student), body_size(teacher)
    if ours is not None and theirs is not None and ours > theirs:
        warnings.warn(
            f"the student has {ours:,} parameters and the teacher {theirs:,}, heads not counted: it will be larger and "
            "slower than what it learns from; take a smaller one",
            DataWarning,
            stacklevel=2,
        )
