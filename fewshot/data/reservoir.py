"""So many texts drawn at random from a stream of unknown length, in its order, without holding them in memory."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np


class Reservoir:
    """Reservoir sampling over numbers: texts that enter pass through, and which of these stay is known at the end.

    Of n texts about k (1 + ln(n / k)) enter a reservoir of k, so that what passes through can be written to disk.

    Parameters
    ----------
    size : int
        How many shall stay.
    rng : numpy.random.Generator

    Attributes
    ----------
    rows : ndarray of shape (size,) or None
        Those that stay, by their number among the texts that entered, in no order; ``None`` as long as all do.

    References
    ----------
    Vitter 1985, "Random Sampling with a Reservoir", ACM TOMS 11 (algorithm R).

    Examples
    --------
    >>> reservoir = Reservoir(2, np.random.default_rng(0))
    >>> entered = [text for chunk in reservoir.enter([["a", "b"], ["c", "d"], ["e"]]) for text in chunk]
    >>> entered[:2], len(entered) <= 5, len(reservoir.rows)
    (['a', 'b'], True, 2)
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.rows: np.ndarray | None = None
        self._size, self._rng = size, rng
        self._n_seen = self._n_entered = 0

    def enter(self, chunks: Iterable[Sequence[str]]) -> Iterator[list[str]]:
        """Give of each chunk the texts that enter the reservoir; how the texts are cut into chunks changes nothing."""
        for texts in chunks:
            numbers = np.arange(self._n_seen, self._n_seen + len(texts))
            slots = np.where(numbers < self._size, numbers, self._rng.integers(0, numbers + 1))
            entering = np.flatnonzero(slots < self._size)
            self._n_seen += len(texts)
            if self._n_seen > self._size:
                if self.rows is None:
                    self.rows = np.arange(self._size)
                # NumPy assigns in order: of several texts for one slot the last stays.
                self.rows[slots[entering]] = self._n_entered + np.arange(len(entering))
            self._n_entered += len(entering)
            yield [texts[i] for i in entering.tolist()]
