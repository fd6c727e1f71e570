"""Rows for pairs of neighbouring tokens, added to a token table's sums: "not good" is more than "not" and "good"."""

import numpy as np

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.rows import sum_rows

MOST_BIGRAMS = 2**22


class BigramTable:
    """Vectors of some pairs of neighbouring tokens.

    Parameters
    ----------
    pairs : ndarray of shape (n_bigrams, 2), integer
        Numbers of the first and the second token; each pair once, in any order.
    table : ndarray of shape (n_bigrams, dimension)
        A row a pair; rounding is left to the caller.
    n_tokens : int
        How many token numbers there are.

    Attributes
    ----------
    pairs, table
        Sorted by pair; the table as float32.

    Raises
    ------
    ModelFormatError
        If shapes do not fit, a pair comes twice, or names a token that is not there.

    Examples
    --------
    >>> bigrams = BigramTable(np.array([[1, 2]]), np.ones((1, 2)), n_tokens=3)
    >>> rows, bounds = bigrams.find(np.array([1, 2, 1, 2, 2]), np.array([0, 1, 5]))
    >>> rows.tolist(), bounds.tolist()  # the first 1 and 2 belong to different texts
    ([0], [0, 0, 1])
    """

    def __init__(self, pairs: np.ndarray, table: np.ndarray, *, n_tokens: int) -> None:
        _check(pairs, table, n_tokens)
        keys = _keys(pairs[:, 0], pairs[:, 1], n_tokens)
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        if (np.diff(self._keys) == 0).any():
            raise ModelFormatError("a pair of tokens has two rows; take each once")
        self.n_tokens = n_tokens
        self.pairs = np.ascontiguousarray(pairs[order], dtype=np.int32)
        self.table = np.ascontiguousarray(table[order], dtype=np.float32)

    def __len__(self) -> int:
        return len(self.pairs)

    def with_rows(self, table: np.ndarray) -> "BigramTable":
        """Return the same pairs with other rows, in the order of ``pairs``."""
        return BigramTable(self.pairs, table, n_tokens=self.n_tokens)

    def find(self, ids: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of all pairs in some texts, and where each text's begin among them.

        Parameters
        ----------
        ids : ndarray of shape (n,), integer
            Tokens of all texts.
        bounds : ndarray of shape (n_texts + 1,), integer
            Where each text begins in ``ids``.

        Returns
        -------
        rows : ndarray of shape (n_found,), int32
        bounds : ndarray of shape (n_texts + 1,), int32
        """
        keys = _keys(ids[:-1], ids[1:], self.n_tokens)
        rows = np.searchsorted(self._keys, keys)
        inside = _inside_a_text(len(keys), bounds)
        at = np.flatnonzero(inside & (np.append(self._keys, -1)[rows] == keys))
        return rows[at].astype(np.int32), np.searchsorted(at, bounds).astype(np.int32)

    def sums(self, ids: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """Return the sum of the rows of each text's pairs, (n_texts, dimension) in float32."""
        return sum_rows(self.table, *self.find(ids, bounds))


def pair_keys(ids: np.ndarray, bounds: np.ndarray, *, n_tokens: int) -> np.ndarray:
    """Return one number for each pair of neighbouring tokens of a text: ``first * n_tokens + second``.

    Examples
    --------
    >>> pair_keys(np.array([1, 2, 1, 2]), np.array([0, 1, 1, 4]), n_tokens=10).tolist()
    [21, 12]
    """
    keys = _keys(ids[:-1], ids[1:], n_tokens)
    return keys[_inside_a_text(len(keys), bounds)]


def _inside_a_text(n_pairs: int, bounds: np.ndarray) -> np.ndarray:
    """Return which pairs of neighbours do not stand in two texts."""
    inside = np.ones(n_pairs, dtype=bool)
    last = bounds[1:-1] - 1
    inside[last[(last >= 0) & (last < n_pairs)]] = False
    return inside


def _keys(first: np.ndarray, second: np.ndarray, n_tokens: int) -> np.ndarray:
    return first.astype(np.int64) * n_tokens + second


def _check(pairs: np.ndarray, table: np.ndarray, n_tokens: int) -> None:
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise ModelFormatError(f"pairs must be whole numbers of shape (n, 2), got {pairs.dtype} of {pairs.shape}")
    if table.ndim != 2 or len(table) != len(pairs):
        raise ModelFormatError(f"{len(pairs)} pairs need as many rows, got a table of shape {table.shape}")
    if len(pairs) > MOST_BIGRAMS:
        raise ModelFormatError(f"{len(pairs)} pairs are more than {MOST_BIGRAMS}; take the most frequent ones")
    if len(pairs) and not (pairs.min() >= 0 and pairs.max() < n_tokens):
        raise ModelFormatError(
            f"pairs name tokens from {pairs.min()} to {pairs.max()}; there are those from 0 to {n_tokens - 1}"
        )
