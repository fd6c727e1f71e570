"""Batches of texts of like length: little padding, and no text told from the others by its length alone."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import BatchSampler

_WINDOW = 50
"""Batches that are sorted by length together: with few, texts are padded; with all, the same ones always meet."""


class LengthBatches(BatchSampler):
    """Batches of distinct rows of like length; every row comes once before any comes again.

    Parameters
    ----------
    lengths : ndarray of shape (n_texts,)
        Of all texts, in any unit.
    rows : ndarray of int
        Which of the texts to draw, at least 2.
    batch_size : int
        Rows a batch at most, 2 or more; one more where a text would be alone.
    steps : int
        Number of batches.
    random_state : int

    Examples
    --------
    >>> lengths = np.array([9, 1, 8, 2])
    >>> sampler = LengthBatches(lengths, np.arange(4), batch_size=2, steps=2, random_state=0)
    >>> sorted(sorted(batch) for batch in sampler)
    [[0, 2], [1, 3]]
    """

    def __init__(
        self, lengths: np.ndarray, rows: np.ndarray, *, batch_size: int, steps: int, random_state: int
    ) -> None:
        self.lengths, self.rows = lengths, rows
        self.batch_size, self.steps, self.random_state = batch_size, steps, random_state

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng(self.random_state)
        made = 0
        while made < self.steps:
            for batch in self._round(generator):
                yield batch.tolist()
                made += 1
                if made == self.steps:
                    return

    def _round(self, generator: np.random.Generator) -> Iterator[np.ndarray]:
        order = generator.permutation(self.rows)
        for window in np.array_split(order, max(1, len(order) // (_WINDOW * self.batch_size))):
            window = window[np.argsort(self.lengths[window], kind="stable")]
            batches = np.array_split(window, batches_of(len(window), self.batch_size))
            for place in generator.permutation(len(batches)):
                yield batches[place]


def batches_of(n: int, batch_size: int) -> int:
    """Return how many batches ``n`` texts make, none of them of one text alone.

    Examples
    --------
    >>> batches_of(64, 32), batches_of(65, 32), batches_of(3, 2), batches_of(1, 2)
    (2, 3, 1, 1)
    """
    return max(1, min(-(-n // batch_size), n // 2))
