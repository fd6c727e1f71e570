"""Students of logits before their training: transformers with a head, new, random, or cut from the teacher."""

import copy
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.logit_teachers import threshold_of, tokenizer_of
from fewshot.distillation.students import check_depth, layer_list, kept_layers


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

    Raises
    ------
    InputError
        If ``student`` cannot be made, or has other classes.
    """
    if isinstance(student, SequenceClassifier):
        _check_classes(student, space)
        made = _copied(student, device)
    elif isinstance(student, str) and student.startswith("layers:"):
        made = _cut(teacher, student, device)
    elif isinstance(student, PreTrainedConfig) or (isinstance(student, (str, Path)) and str(student).strip()):
        tokenizer = tokenizer if tokenizer is not None else tokenizer_of(teacher)
        made = SequenceClassifier.untrained(
            student, space, tokenizer=tokenizer, device=device, random_state=random_state
        )
    else:
        raise InputError(
            "student must be an encoder's name or folder, 'layers:N', a configuration of transformers or a "
            f"SequenceClassifier, got {student!r}"
        )
    return made.set_thresholds(threshold_of(teacher)) if space.multi_label else made


def _copied(classifier: SequenceClassifier, device: str | None) -> SequenceClassifier:
    return SequenceClassifier.from_parts(
        copy.deepcopy(classifier.model_),
        classifier.tokenizer_,
        classifier.label_space_,
        name=classifier.model,
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
            "give the name of an encoder"
        )
    made = _copied(teacher, device)
    layers = layer_list(made.model_)
    check_depth(len(layers), int(number))
    for index in sorted(set(range(len(layers))) - set(kept_layers(len(layers), int(number))), reverse=True):
        del layers[index]
    made.model_.config.num_hidden_layers = int(number)
    made.model = student
    return made


def _check_classes(student: SequenceClassifier, space: LabelSpace) -> None:
    student._check_fitted()
    if student.label_space_ != space:
        ours, theirs = student.label_space_, space
        raise InputError(
            f"student has the classes {', '.join(map(repr, ours.classes[:8]))} (multi-label: {ours.multi_label}), the "
            f"teacher {', '.join(map(repr, theirs.classes[:8]))} (multi-label: {theirs.multi_label}); make them equal"
        )
