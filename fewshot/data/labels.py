"""Class names ↔ numbers: which classes there are, and the arrays that estimators learn from.

What goes in as a string comes out as that string, what goes in as an integer as that integer.
"""

import dataclasses
import itertools
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.texts import Label


@dataclasses.dataclass(frozen=True)
class LabelSpace:
    """The classes of a task, in order.

    Parameters
    ----------
    classes : tuple of (str or int)
        Class names, sorted, all of one type.
    multi_label : bool
        Whether a text has any number of them, or exactly one.

    Examples
    --------
    >>> space = LabelSpace.of(["pos", "neg", "pos"])
    >>> space.classes, space.encode(["pos"]), space.decode(np.array([0]))
    (('neg', 'pos'), array([1]), ['neg'])
    >>> LabelSpace.of([("a", "b"), ()]).encode([("b",), ()])
    array([[0, 1],
           [0, 0]])
    """

    classes: tuple[Label, ...]
    multi_label: bool

    @classmethod
    def of(cls, labels: Sequence[Any], *, warn: bool = True) -> "LabelSpace":
        """Read the classes from labels: a sequence of labels, or of sequences of them (multi-label).

        Parameters
        ----------
        labels : sequence
            One entry a text, none missing.
        warn : bool, default True
            Whether to warn of classes that differ only by case or spaces; those who warned before switch it off.

        Raises
        ------
        InputError
            If labels are missing, of mixed types, or there is no class at all.
        """
        return cls.of_plain([plain_label(entry) for entry in labels], warn=warn)

    @classmethod
    def of_plain(cls, entries: Sequence[Any], *, warn: bool = True) -> "LabelSpace":
        """Read the classes from what :func:`plain_label` has made of labels; else as :meth:`of`."""
        kinds = set(map(type, entries))
        if type(None) in kinds:
            raise InputError(f"labels[{entries.index(None)}] is missing; select the labelled rows first (data.labeled)")
        multi_label = tuple in kinds
        if multi_label and len(kinds) > 1:
            raise InputError("labels mix single labels and lists of labels; give one kind for every text")
        classes = _distinct_classes(itertools.chain.from_iterable(entries) if multi_label else entries)
        if not classes:
            raise InputError("labels hold no class at all; at least one text must have a label")
        if multi_label and set(classes) <= {0, 1} and any(len(set(entry)) < len(entry) for entry in entries):
            raise InputError(
                "labels look like a 0/1 matrix with a column for each class; give the names that apply to each text: "
                "[[name for name, applies in zip(names, row) if applies] for row in matrix]"
            )
        if warn:
            _warn_look_alikes(classes)
        return cls(tuple(classes), multi_label)

    def encode(self, labels: Sequence[Any]) -> np.ndarray:
        """Turn labels into integers ``(n,)``, or into a 0/1 matrix ``(n, n_classes)`` where the task is multi-label.

        Raises
        ------
        InputError
            If a label is not among ``classes``.
        """
        return self.encode_plain([plain_label(entry) for entry in labels])

    def encode_plain(self, entries: Sequence[Any]) -> np.ndarray:
        """Encode what :func:`plain_label` has made of labels; else as :meth:`encode`."""
        position = {label: index for index, label in enumerate(self.classes)}
        try:
            if not self.multi_label:
                return np.array([position[entry] for entry in entries], dtype=np.int64)
            matrix = np.zeros((len(entries), len(self.classes)), dtype=np.int64)
            columns = [position[label] for label in itertools.chain.from_iterable(entries)]
            matrix[np.repeat(np.arange(len(entries)), list(map(len, entries))), columns] = 1
            return matrix
        except (KeyError, TypeError) as error:
            known = ", ".join(map(repr, self.classes[:8])) + (", …" if len(self.classes) > 8 else "")
            raise InputError(f"label {error} is not one of the {len(self.classes)} classes {known}") from None

    def decode(self, y: np.ndarray) -> list[Any]:
        """Turn what :meth:`encode` makes back into labels; multi-label rows become tuples."""
        if not self.multi_label:
            return [self.classes[int(index)] for index in y]
        return [tuple(self.classes[index] for index in np.flatnonzero(row)) for row in y]


_PLAIN = frozenset({str, int, type(None)})


def plain_label(entry: Any) -> Any:
    """Strip NumPy from a label; a list, set or array of labels becomes a tuple.

    Examples
    --------
    >>> plain_label(np.int64(3)), plain_label(["a", "b"])
    (3, ('a', 'b'))
    """
    kind = type(entry)  # most are plain already, and a comparison asks for thousands in each cell
    if kind in _PLAIN or (kind is tuple and _PLAIN.issuperset(map(type, entry))):
        return entry
    if isinstance(entry, np.generic):
        entry = entry.item()
    if isinstance(entry, (list, tuple, set, frozenset, np.ndarray)):
        return tuple(map(plain_label, entry))
    return entry


def _distinct_classes(labels: Iterable[Any]) -> list[Any]:
    distinct = list(dict.fromkeys(labels))
    for label in distinct:
        if isinstance(label, bool) or not isinstance(label, (str, int)):
            raise InputError(f"a label must be a string or an integer, got {label!r} of type {type(label).__name__}")
    kinds = {type(label) for label in distinct}
    if len(kinds) > 1:
        one_string = next(label for label in distinct if isinstance(label, str))
        one_integer = next(label for label in distinct if isinstance(label, int))
        raise InputError(f"labels mix strings ({one_string!r}) and integers ({one_integer!r}); use one type")
    return sorted(distinct)


def _warn_look_alikes(classes: Sequence[Label]) -> None:
    spellings: dict[str, list[Label]] = defaultdict(list)
    for label in classes:
        spellings[" ".join(str(label).casefold().split())].append(label)
    for group in spellings.values():
        if len(group) > 1:
            names = " and ".join(repr(label) for label in group)
            warnings.warn(
                f"labels {names} differ only by case or spaces and count as {len(group)} classes; "
                "make them one if they mean the same",
                DataWarning,
                stacklevel=3,
            )
