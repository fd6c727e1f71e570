"""Which texts share a batch: class-aware batches for the teacher, shuffled ones for the student.

A sampler yields a fixed number of batches of row numbers, decided by its seed alone, so that one "epoch" of the trainer
is the whole training.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import BatchSampler

from fewshot.core.errors import InputError


class ShuffledBatches(BatchSampler):
    """Batches of distinct rows; every row comes once before any comes again.

    Parameters
    ----------
    n : int
        Number of rows.
    batch_size : int
        Rows a batch; all rows where there are fewer.
    steps : int
        Number of batches.
    random_state : int

    Examples
    --------
    >>> batches = list(ShuffledBatches(5, batch_size=2, steps=5, random_state=0))
    >>> len(batches), sorted(row for batch in batches for row in batch)
    (5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    """

    def __init__(self, n: int, *, batch_size: int, steps: int, random_state: int) -> None:
        if n < 2:
            raise InputError(f"pairwise training needs at least 2 texts, got {n}")
        self.n, self.batch_size, self.steps, self.random_state = n, min(batch_size, n), steps, random_state

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng(self.random_state)
        deck = _Deck(np.arange(self.n), generator)
        for _ in range(self.steps):
            yield deck.draw(self.batch_size)


class EpochBatches(BatchSampler):
    """Batches of distinct rows for losses that look at each row alone; every epoch holds each row exactly once.

    An epoch is cut into steps of nearly even size, a step into ``accumulation`` batches of nearly even size: a last
    step of two rows would move the weights as far as one of sixteen.

    Parameters
    ----------
    n : int
        Number of rows.
    batch_size : int
        Rows a batch, at most; with batches of 1, some of a step that has no row for each of its batches have 2.
    accumulation : int
        Batches a step, at most; fewer where a step has fewer rows.
    steps : int
        Number of steps; the last epoch may be cut short.
    random_state : int

    Attributes
    ----------
    accumulation : int
        Batches a step.
    steps_per_epoch : int

    Examples
    --------
    >>> batches = EpochBatches(5, batch_size=2, accumulation=1, steps=3, random_state=0)
    >>> [len(batch) for batch in batches], sorted(row for batch in batches for row in batch)
    ([2, 2, 1], [0, 1, 2, 3, 4])
    """

    def __init__(self, n: int, *, batch_size: int, accumulation: int, steps: int, random_state: int) -> None:
        if n < 1:
            raise InputError("training needs at least 1 text, got none")
        self.n, self.steps, self.random_state = n, steps, random_state
        self.steps_per_epoch = steps_per_epoch(n, batch_size, accumulation)
        self.accumulation = min(accumulation, n // self.steps_per_epoch)

    def __len__(self) -> int:
        return self.steps * self.accumulation

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng(self.random_state)
        for step in range(self.steps):
            if step % self.steps_per_epoch == 0:
                epoch = np.array_split(generator.permutation(self.n), self.steps_per_epoch)
            for batch in np.array_split(epoch[step % self.steps_per_epoch], self.accumulation):
                yield batch.tolist()

    def mean_size(self, step: int) -> float:
        """Return the mean number of rows of the batches of a step, counted from 0.

        The mean over the batches of a step, of their sums divided by this, is the mean over the rows of the step.
        """
        whole, rest = divmod(self.n, self.steps_per_epoch)
        return (whole + (step % self.steps_per_epoch < rest)) / self.accumulation


class MixedBatches(BatchSampler):
    """Batches of labelled rows and, beside them, of unlabelled texts paired with copies of them.

    Every unlabelled text comes once before any comes again, each time with the next of its copies. Row numbers from
    ``labeled.n`` on are pairs: those of the first text, then those of the second.

    Parameters
    ----------
    labeled : EpochBatches
        Whose rows a batch holds, and how many batches make a step.
    n_copies : sequence of int
        How many copies each unlabelled text has, 1 or more. Without any text batches are those of ``labeled``.
    ratio : float
        Unlabelled texts a labelled one in a step, above 0; in a step is at least one, and none twice.
    random_state : int

    Examples
    --------
    >>> labeled = EpochBatches(2, batch_size=2, accumulation=1, steps=3, random_state=0)
    >>> [sorted(batch) for batch in MixedBatches(labeled, [2, 1], ratio=1, random_state=0)]
    [[0, 1, 2, 4], [0, 1, 3, 4], [0, 1, 2, 4]]
    """

    def __init__(self, labeled: EpochBatches, n_copies: Sequence[int], *, ratio: float, random_state: int) -> None:
        self.labeled, self.ratio, self.random_state = labeled, ratio, random_state
        self.n_copies = np.asarray(n_copies, dtype=np.int64)
        self.accumulation = labeled.accumulation

    def __len__(self) -> int:
        return len(self.labeled)

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.random_state, 1])  # not the stream of the labelled rows
        deck = _Deck(np.arange(len(self.n_copies)), generator)
        first = self.labeled.n + np.cumsum(self.n_copies) - self.n_copies
        times = np.zeros_like(self.n_copies)
        labeled = iter(self.labeled)
        for step in range(self.labeled.steps):
            drawn = np.array(deck.draw(self._n_unlabeled(step)), dtype=np.int64)
            pairs = first[drawn] + times[drawn] % self.n_copies[drawn]
            times[drawn] += 1
            for part in np.array_split(pairs, self.accumulation):
                yield _interleaved(next(labeled), part.tolist())

    def mean_size(self, step: int) -> float:
        """Return the mean number of labelled rows of the batches of a step, counted from 0."""
        return self.labeled.mean_size(step)

    def mean_pairs(self, step: int) -> float:
        """Return the mean number of pairs of the batches of a step, counted from 0."""
        return self._n_unlabeled(step) / self.accumulation

    def _n_unlabeled(self, step: int) -> int:
        n_labeled = round(self.labeled.mean_size(step) * self.accumulation)
        return min(len(self.n_copies), max(1, round(self.ratio * n_labeled)))


def _interleaved(one: list[int], other: list[int]) -> list[int]:
    """Return both lists as one, in even turns: processes that share a batch out then have some of each."""
    places = [(place + 0.5) / len(rows) for rows in (one, other) for place in range(len(rows))]
    return [row for _, row in sorted(zip(places, [*one, *other], strict=True))]


def steps_per_epoch(n: int, batch_size: int, accumulation: int = 1) -> int:
    """Return how many steps it takes to see each of ``n`` rows once.

    Examples
    --------
    >>> steps_per_epoch(33, 8), steps_per_epoch(33, 8, 4)
    (5, 2)
    """
    return -(-n // (batch_size * accumulation))


class ClassBatches(BatchSampler):
    """Batches with several rows of each class that they hold, rare classes as often as frequent ones.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix; a multi-label row belongs to each of its labels, a row without any to one more.
    batch_size : int
        Rows a batch. All rows make one batch where they fit.
    steps : int
        Number of batches.
    random_state : int

    Notes
    -----
    A batch takes at least two rows of a class where the class has them, so that each batch has positive pairs; classes
    take turns. A class of one row never meets itself; its pairs are all negative.
    """

    def __init__(self, y: np.ndarray, *, batch_size: int, steps: int, random_state: int) -> None:
        if len(y) < 2:
            raise InputError(f"contrastive training needs at least 2 texts, got {len(y)}")
        self.members = _members(y)
        self.n, self.batch_size, self.steps, self.random_state = len(y), batch_size, steps, random_state

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng(self.random_state)
        if self.n <= self.batch_size:
            for _ in range(self.steps):
                yield generator.permutation(self.n).tolist()
            return
        per_class = max(2, self.batch_size // len(self.members))
        decks = [_Deck(rows, generator) for rows in self.members]
        turn = _Deck(np.arange(len(decks)), generator)
        for _ in range(self.steps):
            batch: dict[int, None] = {}
            while len(batch) < self.batch_size:
                drawn = decks[turn.draw(1)[0]].draw(per_class)
                batch.update(dict.fromkeys(drawn))
            yield list(batch)[: self.batch_size]


class _Deck:
    """Cards in shuffled order; reshuffled when the last one is drawn."""

    def __init__(self, cards: np.ndarray, generator: np.random.Generator) -> None:
        self.cards, self.generator = cards, generator
        self.left: list[int] = []

    def draw(self, count: int) -> list[int]:
        count = min(count, len(self.cards))
        if len(self.left) < count:  # a new round; cards still held come last in it, so that no draw repeats one
            held = set(self.left)
            fresh = self.generator.permutation(self.cards).tolist()
            self.left += [card for card in fresh if card not in held] + [card for card in fresh if card in held]
        drawn, self.left = self.left[:count], self.left[count:]
        return drawn


def _members(y: np.ndarray) -> list[np.ndarray]:
    if y.ndim == 1:
        return [np.flatnonzero(y == label) for label in np.unique(y)]
    groups = [np.flatnonzero(y[:, label]) for label in range(y.shape[1])] + [np.flatnonzero(y.sum(axis=1) == 0)]
    return [rows for rows in groups if len(rows)]
