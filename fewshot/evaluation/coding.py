"""True and predicted labels as numbers of one label space, whatever either side holds that the other has not."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import Label


def encode_labels(
    y_true: Sequence[Any], y_pred: Sequence[Any], *, multi_label: bool, classes: Sequence[Label] = ()
) -> tuple[LabelSpace, np.ndarray, np.ndarray]:
    """Turn true and predicted labels into codes of one label space.

    Parameters
    ----------
    y_true, y_pred : sequence
        One entry a text: a label (str or int), or where ``multi_label`` a tuple of labels.
    multi_label : bool
        Whether entries are tuples.
    classes : sequence of labels, optional
        More classes of the space. It has all labels in ``y_true`` and ``y_pred`` in any case.

    Returns
    -------
    space : LabelSpace
        Without any class where a multi-label task has no label at all.
    Y, P : ndarray of shape (n,), or (n, n_classes) of 0 and 1 where ``multi_label``
        The true and the predicted codes.

    Raises
    ------
    InputError
        If there is nothing to score, the lengths differ, or an entry is missing or of the wrong kind.

    Examples
    --------
    >>> space, Y, P = encode_labels(["a", "b"], ["a", "c"], multi_label=False)
    >>> space.classes, Y, P
    (('a', 'b', 'c'), array([0, 1]), array([0, 2]))
    """
    true, predicted = _entries("y_true", y_true, multi_label), _entries("y_pred", y_pred, multi_label)
    if not true or len(true) != len(predicted):
        raise InputError(
            f"y_true and y_pred must have the same length of at least 1, got {len(true)} and {len(predicted)}"
        )
    space = _space_of_plain([*true, *predicted], multi_label, [plain_label(one) for one in classes])
    return space, space.encode_plain(true), space.encode_plain(predicted)


def space_of(entries: Sequence[Any], *, multi_label: bool, classes: Sequence[Label] = ()) -> LabelSpace:
    """Return the label space of entries and ``classes``; a multi-label task may have no class at all.

    Examples
    --------
    >>> space_of([(), ()], multi_label=True).classes
    ()
    """
    plain, more = [plain_label(entry) for entry in entries], [plain_label(one) for one in classes]
    return _space_of_plain(plain, multi_label, more)


def _space_of_plain(entries: list[Any], multi_label: bool, classes: Sequence[Label]) -> LabelSpace:
    extra: list[Any] = [tuple(classes)] if multi_label else list(classes)
    if multi_label and not any(entries) and not classes:
        return LabelSpace((), True)
    return LabelSpace.of_plain([*entries, *extra], warn=False)


def _entries(name: str, labels: Sequence[Any], multi_label: bool) -> list[Any]:
    entries = [plain_label(entry) for entry in labels]
    kinds = set(map(type, entries))
    if kinds == {tuple} if multi_label else kinds <= {str, int}:  # of thousands of rows in each cell nothing is amiss
        return entries
    for row, entry in enumerate(entries):
        if entry is None:
            raise InputError(f"{name}[{row}] is missing; score labelled rows only (data.labeled)")
        if isinstance(entry, tuple) != multi_label:
            wanted = "a tuple of labels" if multi_label else "one label"
            raise InputError(f"{name}[{row}] must be {wanted} as multi_label={multi_label}, got {entry!r}")
    return entries
