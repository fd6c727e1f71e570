"""The one table that travels from a file to a classifier: texts, their labels or ``None``, and where each row stood."""

import dataclasses
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError

Label = str | int
"""One class name: what the user wrote, a string or an integer."""

LabelSet = tuple[Label, ...]
"""The labels of one text in multi-label data; the empty tuple says that none applies."""


@dataclasses.dataclass(frozen=True)
class TextData:
    """Texts with their labels, in the order of their source.

    Parameters
    ----------
    texts : list of str
        One text a row.
    labels : list
        One entry a row: a label (single-label), a tuple of labels (multi-label), or ``None`` for *unlabeled*.
    multi_label : bool
        Whether entries are tuples.
    rows : list of int
        Row number in the source, from 0; kept by selection and cleaning.
    source : str
        Where the texts came from, for messages and provenance.
    rejected : list of (int, str)
        Source rows that could not be used, each with the reason.

    Examples
    --------
    >>> data = TextData(["good", "bad", "hm"], ["pos", "neg", None], multi_label=False, rows=[0, 1, 2])
    >>> len(data), len(data.labeled), data.unlabeled.texts
    (3, 2, ['hm'])
    """

    texts: list[str]
    labels: list[Any]
    multi_label: bool
    rows: list[int]
    source: str = "memory"
    rejected: list[tuple[int, str]] = dataclasses.field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def texts_fingerprint(self) -> str:
        """Fingerprint of the texts in their order."""
        return fingerprint(self.texts)

    @property
    def labeled(self) -> "TextData":
        """The rows that have a label (in multi-label data also those to which none applies)."""
        return self.select([i for i, label in enumerate(self.labels) if label is not None])

    @property
    def unlabeled(self) -> "TextData":
        """The rows without a label."""
        return self.select([i for i, label in enumerate(self.labels) if label is None])

    def select(self, indices: Iterable[int] | np.ndarray) -> "TextData":
        """Return the rows at ``indices`` (positions in this table, not source rows), in that order."""
        chosen = [int(index) for index in indices]
        return dataclasses.replace(
            self,
            texts=[self.texts[i] for i in chosen],
            labels=[self.labels[i] for i in chosen],
            rows=[self.rows[i] for i in chosen],
        )


def check_lengths(texts: Sequence[str], labels: Sequence[Any]) -> None:
    """Raise unless there are as many labels as texts."""
    if len(texts) != len(labels):
        raise InputError(f"texts and labels must have the same length, got {len(texts)} texts and {len(labels)} labels")
