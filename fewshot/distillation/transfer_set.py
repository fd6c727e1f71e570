"""The texts of a distillation: gold ones and a pool, each pool text once, some held out to report on."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.text_file import TextFile
from fewshot.data.texts import check_lengths
from fewshot.data.transfer_text import generate_transfer_texts
from fewshot.encoders.base import check_texts

LEAST_POOL = 8
LEAST_TO_HOLD_OUT = 50
MOST_HELD_OUT = 500
MOST_JOINED = 200_000
"""Gold texts stand among a pool of no more texts than this; beside a larger one they would be lost, and cost a copy."""

_ROWS_AT_ONCE = 8192


class OrderedTexts(Sequence[str]):
    """Texts of a file in an order of their own, after some that are in memory; each is read when it is asked for.

    Parameters
    ----------
    first : list of str
        The texts in memory.
    file : TextFile
    rows : ndarray of int
        Which texts of the file follow, in which order.
    """

    def __init__(self, first: list[str], file: TextFile, rows: np.ndarray) -> None:
        self.first, self.file, self.rows = first, file, rows

    def __len__(self) -> int:
        return len(self.first) + len(self.rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)} texts")
        row = index % len(self)
        return self.first[row] if row < len(self.first) else self.file[int(self.rows[row - len(self.first)])]

    def __iter__(self) -> Iterator[str]:
        yield from self.first
        for start in range(0, len(self.rows), _ROWS_AT_ONCE):
            yield from self.file.take(self.rows[start : start + _ROWS_AT_ONCE])


@dataclasses.dataclass(frozen=True)
class TransferSet:
    """The texts of one distillation.

    Parameters
    ----------
    gold_texts : list of str
    y : ndarray or None
        Class numbers ``(n_gold,)`` or 0/1 matrix ``(n_gold, n_classes)`` of the gold texts.
    pool : sequence of str
        Unlabelled texts to train on: each once, none of them gold.
    held_out : list of str
        Unlabelled texts to report on.
    joined : bool
        Whether gold texts are trained on beside the pool.
    """

    gold_texts: list[str]
    y: np.ndarray | None
    pool: Sequence[str]
    held_out: list[str]
    joined: bool = True

    @property
    def n_joined(self) -> int:
        """How many of the texts to train on, the first ones, are gold."""
        return len(self.gold_texts) if self.joined else 0

    @functools.cached_property
    def train(self) -> Sequence[str]:
        """The texts to train on: gold ones, if they are joined, then the pool."""
        if not self.n_joined:
            return self.pool
        if isinstance(self.pool, OrderedTexts):
            return OrderedTexts(self.gold_texts, self.pool.file, self.pool.rows)
        return [*self.gold_texts, *self.pool]

    @property
    def n_pool(self) -> int:
        """How many unlabelled texts there are, those held out and generated ones among them."""
        return len(self.pool) + len(self.held_out)


def make_transfer_set(
    space: LabelSpace,
    pool: Sequence[str],
    texts: Sequence[str] | None = None,
    labels: Sequence[Any] | None = None,
    *,
    most_joined: int | None = None,
    generated: int = 0,
    random_state: int = 0,
) -> TransferSet:
    """Return the texts of a distillation.

    Parameters
    ----------
    space : LabelSpace
        The teacher's classes.
    pool : sequence of str
        Unlabelled texts; duplicates, empty texts and gold texts are left out. A
        :class:`~fewshot.data.pool.Pool` stays in its file.
    texts, labels : sequences, optional
        Gold labels.
    most_joined : int, optional
        Gold texts do not stand among a larger pool than this. Default: they always do.
    generated : int, default=0
        Make so many more texts from those to train on; see
        :func:`~fewshot.data.transfer_text.generate_transfer_texts`. None of them is held out.
    random_state : int, default=0
        Decides these.

    Returns
    -------
    TransferSet
        A tenth of the pool, at most 500 texts, and none of a pool under 50, is held out: always the same texts of a
        pool, so that students and seeds are held against the same.

    Raises
    ------
    InputError
        If there are fewer than 8 texts, or a label is not one of the classes.
    """
    gold_texts, y = _gold(space, texts, labels)
    known = set(gold_texts)
    rows = None
    if isinstance(pool, TextFile):
        rows = np.array([row for row, text in enumerate(pool) if text not in known]) if known else np.arange(len(pool))
        n_pool = len(rows)
    else:
        check_texts(pool)
        pool = [text for text in dict.fromkeys(pool) if text.strip() and text not in known]
        n_pool = len(pool)
    if n_pool + len(known) < LEAST_POOL:
        raise InputError(
            f"unlabeled_texts holds {n_pool} different texts that are not empty; distillation needs at least "
            f"{LEAST_POOL}, and gets better up to some thousands"
        )
    drawn = _draw(n_pool)
    kept: Sequence[str]
    if isinstance(pool, TextFile) and rows is not None:
        kept, held_out = OrderedTexts([], pool, rows[~drawn]), pool.take(rows[drawn])
    else:
        kept, held_out = list(itertools.compress(pool, ~drawn)), list(itertools.compress(pool, drawn))
    joined = most_joined is None or n_pool <= most_joined
    if generated:
        kept = [*kept, *_generated([*gold_texts, *kept], generated, held_out, random_state)]
    return TransferSet(gold_texts, y, kept, held_out, joined)


def _generated(texts: list[str], n: int, held_out: list[str], random_state: int) -> list[str]:
    if n < 0:
        raise InputError(f"generated must be 0 texts or more, got {n}")
    unseen = set(held_out)
    made = generate_transfer_texts(texts, n, random_state=random_state)
    return [text for text in made if text not in unseen]


def _gold(
    space: LabelSpace, texts: Sequence[str] | None, labels: Sequence[Any] | None
) -> tuple[list[str], np.ndarray | None]:
    if (texts is None) != (labels is None):
        raise InputError("texts and labels must be given together, or neither")
    if texts is None or labels is None:
        return [], None
    check_texts(texts)
    check_lengths(texts, labels)
    return list(texts), space.encode(labels) if len(texts) else None


def _draw(n: int) -> np.ndarray:
    """Return which of ``n`` pool texts are held out."""
    held_out = np.zeros(n, dtype=bool)
    if n >= LEAST_TO_HOLD_OUT:
        held_out[np.random.default_rng(0).choice(n, min(MOST_HELD_OUT, n // 10), replace=False)] = True
    return held_out
