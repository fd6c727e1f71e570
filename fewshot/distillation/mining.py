"""Which texts of a large pool share a batch: neighbours, which are hard to tell apart, or those near a decision.

Most pairs that :class:`~fewshot.training.samplers.ShuffledBatches` draws from a large pool are far apart, and a student
soon has nothing to learn from them. The samplers here keep a part of each batch uniform, so that every row comes
within a known number of batches; batches are of exact size, hold no row twice, and are decided by the seed alone.
Checkpoints know a run by its batches themselves, so nothing else of a sampler need be remembered.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import BatchSampler

from fewshot.core.errors import InputError, did_you_mean
from fewshot.core.progress import track
from fewshot.distillation.confidence import decision_margins
from fewshot.heads.vectors import unit_rows
from fewshot.training.samplers import ShuffledBatches

EXACT_ROWS = 50_000
"""Neighbours are exact among this many rows; beyond, an inverted index finds most of them."""

INDEXED_ROWS = 1_000_000
"""The index holds no more rows than this, at one byte a dimension; a larger pool has neighbours in a sample of it."""

_COSINES_AT_ONCE = 2**24
_ROWS_AT_ONCE = 8192
_MOST_LISTS = 1024
_LISTS_SEARCHED = 32
_TRIES = 8

_Search = Callable[[np.ndarray, int], np.ndarray]


class HardBatches(BatchSampler):
    """Batches of neighbourhoods: rows drawn at random, and the rows nearest to them by the teacher's vectors.

    Parameters
    ----------
    embeddings : ndarray of shape (n, dimension)
        The teacher's vectors of the training texts; a memory map is read in blocks.
    batch_size : int
        Rows a batch; all rows where there are fewer.
    steps : int
        Number of batches.
    random_state : int
    neighbors : int, default=7
        Neighbours of each row drawn; a batch of 64 then holds 8 neighbourhoods of 8.

    Notes
    -----
    ``ceil(batch_size / (1 + neighbors))`` rows a batch are drawn as :class:`~fewshot.training.samplers.ShuffledBatches`
    does: each row of the pool once before any comes again. Their neighbours join from the nearest on, all
    neighbourhoods in turn; rows at random fill up where neighbourhoods overlap. Neighbours are looked for on first use:
    by matrix products in blocks up to 50,000 rows; beyond in a FAISS index (Johnson et al. 2021, "Billion-scale
    similarity search with GPUs", arXiv:1702.08734; inverted lists, one byte a dimension) of at most a million rows.
    Cosines that differ by rounding alone may rank otherwise with another processor or number of threads.

    Examples
    --------
    >>> angles = np.linspace(0, 3, 12)
    >>> circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> batches = HardBatches(circle, batch_size=3, steps=2, random_state=0, neighbors=2)
    >>> [max(batch) - min(batch) <= 4 for batch in batches]
    [True, True]
    """

    def __init__(
        self, embeddings: np.ndarray, *, batch_size: int, steps: int, random_state: int, neighbors: int = 7
    ) -> None:
        if embeddings.ndim != 2:
            raise InputError(f"embeddings must be a matrix with one row a text, got shape {embeddings.shape}")
        _check_sizes(batch_size, steps)
        if neighbors < 1:
            raise InputError(f"neighbors must be at least 1, got {neighbors}; ShuffledBatches looks for none")
        self.embeddings, self.neighbors, self.steps, self.random_state = embeddings, neighbors, steps, random_state
        self.n, self.batch_size = len(embeddings), min(batch_size, len(embeddings))
        drawn = -(-self.batch_size // (1 + neighbors))
        self.drawn = ShuffledBatches(self.n, batch_size=drawn, steps=steps, random_state=random_state)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.random_state, 1])
        rows, neighbors = self._neighborhoods
        for drawn in self.drawn:
            nearest = neighbors[np.searchsorted(rows, drawn)].T.ravel()  # the first of all, the second of all, ...
            batch = dict.fromkeys([*drawn, *nearest[nearest >= 0].tolist()])
            yield _filled(batch, self.batch_size, self.n, generator)

    @cached_property
    def _neighborhoods(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that will ever be drawn, sorted, and their neighbours; twice those wanted, as some overlap."""
        rows = np.unique(np.fromiter((row for drawn in self.drawn for row in drawn), dtype=np.int64))
        if not len(rows):
            return rows, np.empty((0, 1), dtype=np.int64)
        return rows, nearest_rows(
            self.embeddings, rows, min(2 * self.neighbors, self.n - 1), random_state=self.random_state
        )


class BoundaryBatches(BatchSampler):
    """Batches that show the texts near the teacher's decisions more often.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        The teacher's, of the training texts.
    batch_size : int
        Rows a batch; all rows where there are fewer.
    steps : int
        Number of batches.
    random_state : int
    share : float, default=0.5
        Share of a batch drawn by nearness to a decision, from 0 to below 1. The rest is drawn as
        :class:`~fewshot.training.samplers.ShuffledBatches` does: each row once before any comes again.
    multi_label : bool, default=False
    threshold : float or ndarray of shape (n_classes,), default=0.5
        The probability from which a label applies; multi-label only.

    Notes
    -----
    A text is drawn in proportion to ``1 − margin``: 1 where two classes tie (multi-label: where a label is at its
    threshold), 0 where the teacher is certain; see :func:`~fewshot.distillation.confidence.decision_margins`. A teacher
    that is certain of everything leaves uniform batches.

    Examples
    --------
    >>> unsure = np.repeat([[1.0, 0.0], [0.5, 0.5]], [90, 10], axis=0)
    >>> batches = list(BoundaryBatches(unsure, batch_size=10, steps=50, random_state=0))
    >>> bool(np.mean(np.concatenate(batches) >= 90) > 0.4)  # a tenth of the rows
    True
    """

    def __init__(
        self,
        probabilities: np.ndarray,
        *,
        batch_size: int,
        steps: int,
        random_state: int,
        share: float = 0.5,
        multi_label: bool = False,
        threshold: float | np.ndarray = 0.5,
    ) -> None:
        _check_sizes(batch_size, steps)
        if not 0 <= share < 1:
            raise InputError(f"share must be from 0 to below 1, so that every row comes now and then; got {share}")
        self.steps, self.share, self.random_state = steps, share, random_state
        self.cumulative = np.cumsum(1.0 - decision_margins(probabilities, multi_label=multi_label, threshold=threshold))
        self.n = len(probabilities)
        self.batch_size = min(batch_size, self.n)
        even = max(1, self.batch_size - round(share * self.batch_size))
        self.even = ShuffledBatches(self.n, batch_size=even, steps=steps, random_state=random_state)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.random_state, 1])
        for even in self.even:
            batch = dict.fromkeys(even)
            for _ in range(_TRIES if self.cumulative[-1] > 0 else 0):  # few texts may hold all the weight
                if len(batch) >= self.batch_size:
                    break
                batch.update(dict.fromkeys(self._near(generator)))
            yield _filled(batch, self.batch_size, self.n, generator)

    def _near(self, generator: np.random.Generator) -> list[int]:
        places = generator.random(self.batch_size) * self.cumulative[-1]
        found: list[int] = np.searchsorted(self.cumulative, places, side="right").clip(max=self.n - 1).tolist()
        return found


MINING = ("uniform", "hard", "boundary")
"""Every way to mine by name."""


def check_mining(mining: str) -> None:
    """Raise :class:`InputError` if there is no such way to mine."""
    if mining not in MINING:
        raise InputError(
            f"mining must be one of {', '.join(MINING)}; got {mining!r}.{did_you_mean(str(mining), MINING)}"
        )


def make_batches(
    mining: str,
    embeddings: np.ndarray,
    probabilities: np.ndarray,
    *,
    batch_size: int,
    steps: int,
    random_state: int,
    multi_label: bool = False,
    threshold: float | np.ndarray = 0.5,
) -> BatchSampler:
    """Return batches by the name of a way to mine.

    Parameters
    ----------
    mining : {"uniform", "hard", "boundary"}
        :class:`~fewshot.training.samplers.ShuffledBatches`, :class:`HardBatches` or :class:`BoundaryBatches`.
    embeddings : ndarray of shape (n, dimension)
    probabilities : ndarray of shape (n, n_classes)
        The teacher's, of the training texts.
    batch_size, steps, random_state, multi_label, threshold
        See there.
    """
    check_mining(mining)
    sizes = {"batch_size": batch_size, "steps": steps, "random_state": random_state}
    if mining == "hard":
        return HardBatches(embeddings, **sizes)
    if mining == "boundary":
        return BoundaryBatches(probabilities, multi_label=multi_label, threshold=threshold, **sizes)
    return ShuffledBatches(len(embeddings), **sizes)


def nearest_rows(embeddings: np.ndarray, rows: np.ndarray, count: int, *, random_state: int = 0) -> np.ndarray:
    """Return the rows whose vectors have the highest cosine to some rows, nearest first.

    Parameters
    ----------
    embeddings : ndarray of shape (n, dimension)
    rows : ndarray of shape (m,)
        Row numbers to look from.
    count : int
        Neighbours wanted, from 1 to ``n - 1``.
    random_state : int, default=0
        Decides which rows a pool of more than a million looks among.

    Returns
    -------
    ndarray of shape (m, count), int64
        A row is not its own neighbour, but duplicates of it are. ``-1`` where the index found fewer.

    Examples
    --------
    >>> nearest_rows(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]]), np.array([0, 1]), 2).tolist()
    [[2, 1], [2, 0]]
    """
    found = np.empty((len(rows), count), dtype=np.int64)
    search, at_once = _exact(embeddings) if len(embeddings) <= EXACT_ROWS else _indexed(embeddings, random_state)
    with track("looking for neighbours", total=len(rows)) as advance:
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            found[start : start + at_once] = search(part, count)
            advance(len(part))
    return found


def _exact(embeddings: np.ndarray) -> tuple[_Search, int]:
    unit = _unit(embeddings)

    def search(rows: np.ndarray, count: int) -> np.ndarray:
        cosines = unit[rows] @ unit.T
        cosines[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(cosines, -count, axis=1)[:, -count:]
        order = np.argsort(-np.take_along_axis(cosines, nearest, axis=1), axis=1, kind="stable")
        return np.take_along_axis(nearest, order, axis=1)

    return search, max(1, _COSINES_AT_ONCE // len(unit))


def _indexed(embeddings: np.ndarray, random_state: int) -> tuple[_Search, int]:
    import faiss

    generator = np.random.default_rng(random_state)
    held = np.arange(len(embeddings))
    if len(held) > INDEXED_ROWS:
        held = np.sort(generator.choice(held, INDEXED_ROWS, replace=False))
    lists = max(1, min(_MOST_LISTS, len(held) // 64))
    index: Any = faiss.index_factory(embeddings.shape[1], f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(_unit(embeddings[np.sort(generator.choice(held, min(len(held), 64 * lists), replace=False))]))
    for start in range(0, len(held), _ROWS_AT_ONCE):
        index.add(_unit(embeddings[held[start : start + _ROWS_AT_ONCE]]))
    index.nprobe = _LISTS_SEARCHED

    def search(rows: np.ndarray, count: int) -> np.ndarray:
        places = index.search(_unit(embeddings[rows]), count + 1)[1]
        found = np.where(places >= 0, held[places], -1)
        left_out = found == rows[:, None]
        left_out[~left_out.any(axis=1), -1] = True  # a row that did not find itself loses the furthest
        return found[~left_out].reshape(len(rows), count)

    return search, _ROWS_AT_ONCE


def _unit(embeddings: np.ndarray) -> np.ndarray:
    return unit_rows(np.asarray(embeddings, dtype=np.float32))


def _filled(batch: dict[int, None], size: int, n: int, generator: np.random.Generator) -> list[int]:
    """Return ``size`` distinct rows, those of the batch first, rows at random where it has fewer."""
    while len(batch) < size:
        some = generator.permutation(n) if n <= 8 * size else generator.integers(n, size=size)
        batch.update(dict.fromkeys(some.tolist()))
    return list(batch)[:size]


def _check_sizes(batch_size: int, steps: int) -> None:
    if batch_size < 2:
        raise InputError(f"batch_size must be at least 2, since one text makes no pair; got {batch_size}")
    if steps < 0:
        raise InputError(f"steps must be 0 or more, got {steps}")
