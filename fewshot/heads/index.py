"""Which rows of a matrix are nearest to a vector, by FAISS: all of them compared, or the likely ones among very many.

Vectors in, rows and similarities out; labels are left to others. Up to :data:`EXACT_UP_TO` rows every row is compared.
Beyond, :class:`~fewshot.heads.cells.Cells` proposes candidates, of which the exact similarities decide.
"""

import numpy as np

from fewshot.core.errors import InputError
from fewshot.heads.cells import Cells

METRICS = ("cosine", "l2")
KINDS = ("auto", "exact", "approximate")
EXACT_UP_TO = 50_000
QUERIES_AT_ONCE = 4096
NUMBERS_AT_ONCE = 2**22


class VectorIndex:
    """The nearest rows of a matrix.

    Parameters
    ----------
    X : ndarray of shape (n, dimension)
        At least one row, finite. For the metric ``"cosine"`` rows of length 1 (or of zeros).
    metric : {"cosine", "l2"}, default="cosine"
    kind : {"auto", "exact", "approximate"}, default="auto"
        ``"auto"`` is exact up to 50,000 rows.
    cells : Cells, optional
        Those of an index of the same rows that was kept; else an approximate index makes its own.

    Attributes
    ----------
    X : ndarray of shape (n, dimension), float32
        The rows, not copied where they are such an array already.
    cells : Cells or None
        ``None`` where the index is exact.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Notes
    -----
    The same rows give the same answers, whatever the number of threads. Rows that are equally near come in the order
    of the matrix.

    Examples
    --------
    >>> index = VectorIndex(np.eye(3))
    >>> similarities, rows = index.search(np.array([[0.6, 0.8, 0.0]]), k=2)
    >>> rows.tolist(), similarities
    ([[1, 0]], array([[0.8, 0.6]], dtype=float32))
    """

    def __init__(
        self, X: np.ndarray, *, metric: str = "cosine", kind: str = "auto", cells: Cells | None = None
    ) -> None:
        if metric not in METRICS:
            raise InputError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        check_kind(kind)
        self.X = np.ascontiguousarray(X, dtype=np.float32)
        if self.X.ndim != 2 or not self.X.size or not np.isfinite(self.X).all():
            raise InputError(f"X must be a matrix of finite numbers with at least one row, got shape {self.X.shape}")
        self.metric = metric
        approximate = kind == "approximate" or (kind == "auto" and len(self.X) > EXACT_UP_TO)
        self.cells = (cells or Cells.of(self.X, metric)) if approximate else None

    def __len__(self) -> int:
        return len(self.X)

    def search(self, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the rows that are nearest to each vector.

        Parameters
        ----------
        X : ndarray of shape (n, dimension)
        k : int
            As many rows as there are, at most.

        Returns
        -------
        similarities : ndarray of shape (n, k), float32
            The cosine, or minus the distance: the larger, the nearer; falling along each line.
        rows : ndarray of shape (n, k)
        """
        X, k = np.ascontiguousarray(X, dtype=np.float32), int(min(k, len(self.X)))  # FAISS knows no NumPy integers
        similarities, rows = np.empty((len(X), k), dtype=np.float32), np.empty((len(X), k), dtype=np.int64)
        for start in range(0, len(X), QUERIES_AT_ONCE):
            part = slice(start, start + QUERIES_AT_ONCE)
            candidates = self._candidates(X[part], k)
            likeness = self._similarities(X[part], candidates)
            order = np.lexsort((candidates, -likeness), axis=1)[:, :k]
            similarities[part] = np.take_along_axis(likeness, order, axis=1)
            rows[part] = np.take_along_axis(candidates, order, axis=1)
        return similarities, rows

    def search_others(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the rows that are nearest to some rows of the matrix itself, each left out of its own answer.

        Parameters
        ----------
        rows : ndarray of shape (n,)
        k : int
            As many as there are other rows, at most.

        Returns
        -------
        similarities, rows : ndarray of shape (n, k)
            As from :meth:`search`.
        """
        similarities, found = self.search(self.X[rows], k + 1)
        own = found == np.asarray(rows)[:, None]
        own[~own.any(axis=1), -1] = True  # among many copies a row may not find itself: drop the farthest
        shape = (len(found), found.shape[1] - 1)
        return similarities[~own].reshape(shape), found[~own].reshape(shape)

    def _candidates(self, X: np.ndarray, k: int) -> np.ndarray:
        if self.cells is None:
            return self._all_compared(X, k)
        rows = self.cells.candidates(X, k)
        short = rows[:, k - 1] < 0  # the cells that were looked into hold fewer than k rows
        if short.any():
            rows[short, :k] = self._all_compared(X[short], k)
        return rows

    def _all_compared(self, X: np.ndarray, k: int) -> np.ndarray:
        import faiss

        metric = faiss.METRIC_INNER_PRODUCT if self.metric == "cosine" else faiss.METRIC_L2
        return np.asarray(faiss.knn(X, self.X, k, metric=metric)[1])

    def _similarities(self, X: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the similarity of each vector to these rows, by one way of counting whatever stands beside it."""
        similarities = np.empty(rows.shape, dtype=np.float32)
        step = max(1, NUMBERS_AT_ONCE // (rows.shape[1] * X.shape[1]))
        for start in range(0, len(X), step):
            part = slice(start, start + step)
            found = self.X[rows[part]]
            if self.metric == "cosine":
                similarities[part] = np.einsum("nd,nkd->nk", X[part], found)
            else:
                found -= X[part, None]
                similarities[part] = -np.sqrt(np.einsum("nkd,nkd->nk", found, found))
        similarities[rows < 0] = -np.inf
        return similarities


def check_kind(kind: str) -> None:
    """Raise :class:`InputError` unless there is such a kind of index."""
    if kind not in KINDS:
        raise InputError(f"index must be one of {', '.join(KINDS)}, got {kind!r}")
