"""Teachers by what a user calls them: folders, several with weights, or a model of inference told class names."""

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.loading import is_model_folder, load_classifier
from fewshot.classifiers.templates import TEMPLATE
from fewshot.core.errors import InputError
from fewshot.distillation.logit_teachers import open_logit_teacher
from fewshot.distillation.several_teachers import TeacherMixture
from fewshot.distillation.teachers import NLITeacher, open_teacher

NLI = "nli:"


def open_teachers(
    names: Any,
    *,
    classes: Sequence[str] | None = None,
    template: str | None = None,
    multi_label: bool = False,
    layers: bool = False,
    device: str | None = None,
) -> Any:
    """Return the teacher, or the mixture of several, that names stand for.

    Parameters
    ----------
    names : str, Path, teacher, or sequence of them
        A folder of a classifier; ``"nli:FOLDER"`` with ``classes``; a teacher itself. Of several each may end in
        ``"=WEIGHT"``; the default is 1.
    classes : sequence of str, optional
        Class names for models of inference.
    template : str, optional
        Their hypothesis, with one ``{}`` for the class.
    multi_label : bool, default=False
        Whether they may give a text several classes.
    layers : bool, default=False
        Open a single folder of transformers as a classifier whose layers can be reached.
    device : str, optional

    Raises
    ------
    InputError
        If there is none, a weight is no number, or class names are missing or not asked for.

    Examples
    --------
    >>> open_teachers("nli:models/nli")
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: teacher 'nli:models/nli' must be told the class names: classes=["a", "b"] \
(--classes a,b)
    """
    listed = list(names) if isinstance(names, (list, tuple)) else [names]
    if not listed:
        raise InputError("teacher must be at least one folder of a classifier, got none")
    pairs = [_weighted(name) for name in listed]
    if classes is not None and not any(_is_nli(name) for name, _ in pairs):
        raise InputError(f"classes are for a teacher 'nli:FOLDER', got {', '.join(str(name) for name, _ in pairs)}")

    def opened(name: Any) -> Any:
        if _is_nli(name):
            if not classes:
                raise InputError(f'teacher {name!r} must be told the class names: classes=["a", "b"] (--classes a,b)')
            folder, hypothesis = name.removeprefix(NLI), TEMPLATE if template is None else template
            return NLITeacher(folder, list(classes), hypothesis, multi_label=multi_label, device=device)
        if isinstance(name, (str, Path)) and is_model_folder(name):
            return load_classifier(name, device=device)
        return name

    if len(pairs) > 1:
        return TeacherMixture([(open_teacher(opened(name), device=device), weight) for name, weight in pairs])
    only = opened(pairs[0][0])
    if layers:
        return open_logit_teacher(only, device=device)
    return only if isinstance(only, TextClassifier) else open_teacher(only, device=device)


def _is_nli(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(NLI)


def _weighted(name: Any) -> tuple[Any, float]:
    """Return a teacher and its weight."""
    if not isinstance(name, str) or "=" not in name or Path(name).exists():
        return name, 1.0
    folder, _, number = name.rpartition("=")
    with contextlib.suppress(ValueError):
        if 0 < float(number) < math.inf:
            return folder, float(number)
    raise InputError(f"the weight of a teacher must be a number above 0, as in 'runs/teacher=2', got {name!r}")
