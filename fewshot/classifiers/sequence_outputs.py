"""Which output of a sequence classification model stands for which class.

Models come with their outputs in any order; classes are sorted everywhere else.
"""

from typing import Any

import numpy as np
from transformers import PreTrainedConfig

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace


def classes_of_outputs(names: list[Any], n_outputs: int, *, multi_label: bool) -> tuple[LabelSpace, np.ndarray]:
    """Return the classes, sorted, and which output of a model belongs to each.

    Parameters
    ----------
    names : list of (str or int)
        What the outputs stand for, in their order.
    n_outputs : int
        How many the model has.
    multi_label : bool

    Raises
    ------
    InputError
        If names are too few, too many or twice the same.
    ModelFormatError
        If the model has one output and the task is not multi-label.

    Examples
    --------
    >>> classes_of_outputs(["spam", "ham"], 2, multi_label=False)
    (LabelSpace(classes=('ham', 'spam'), multi_label=False), array([1, 0]))
    """
    if len(names) != n_outputs:
        raise InputError(f"classes must name the model's {n_outputs} outputs in their order, got {len(names)} names")
    if n_outputs < 2 and not multi_label:
        raise ModelFormatError(
            "the model has one output, as for regression; pass multi_label=True if it is the score of one label"
        )
    space = LabelSpace(LabelSpace.of(names).classes, multi_label)
    if len(space.classes) != len(names):
        raise InputError("classes must all be different")
    return space, np.array([names.index(name) for name in space.classes])


def name_outputs(config: PreTrainedConfig, space: LabelSpace, columns: np.ndarray) -> None:
    """Write into a model's configuration which class each output stands for.

    Parameters
    ----------
    config : PreTrainedConfig
        Changed in place.
    space : LabelSpace
    columns : ndarray of shape (n_classes,)
        Which output belongs to each class.
    """
    names = [str(space.classes[row]) for row in np.argsort(columns)]
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    config.problem_type = "multi_label_classification" if space.multi_label else "single_label_classification"
