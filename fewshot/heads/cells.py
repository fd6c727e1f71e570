"""Cells: a matrix's rows sorted by the nearest of some centers, so that a search looks into a few cells only.

FAISS's inverted file, made so that it can be kept without FAISS's own files, which are not safe to read from strangers:
three arrays, the centers, each row's cell and the code book, give the same index again. It proposes candidates from
what is left of each vector beyond its center, rounded to 2 bits a number (4 where their number is odd);
:class:`~fewshot.heads.index.VectorIndex` compares these exactly.
"""

from typing import Any, Self

import numpy as np

from fewshot.core.errors import ModelFormatError

CELLS_TO_LOOK_INTO = 128
CANDIDATES = 10
"""Candidates for each row that is asked for."""

BITS = 4
ENTRIES = 2**BITS
"""Of the code book, for each pair of numbers: as many as a register of the processor holds, which makes it fast."""

ROWS_PER_CELL = 64
"""So many rows of each cell are looked at to find the centers."""

ROUNDS = 10
LARGEST = 1e15
"""Vectors with larger numbers are no embeddings: their squares would soon leave single precision."""

ROWS_AT_ONCE = 65_536


class Cells:
    """Rows by cells.

    Parameters
    ----------
    X : ndarray of shape (n, dimension), float32
        C-contiguous.
    metric : {"cosine", "l2"}
    centers : ndarray of shape (n_cells, dimension), float32
    cell_of_row : ndarray of shape (n,), int32
        From 0 to ``n_cells - 1``.
    code_book : ndarray of shape (n_parts, 16, dimension / n_parts), float32, optional
        What each two numbers of a row, less its center, are rounded to; one by one where the dimension is odd. Default:
        found by k-means.

    Raises
    ------
    ModelFormatError
        If the arrays do not fit each other.

    References
    ----------
    Jégou, Douze, Schmid 2011, "Product Quantization for Nearest Neighbor Search", section IV. André, Kermarrec, Le
    Scouarnec 2015, "Cache locality is not enough: high-performance nearest neighbor search with product quantization
    fast scan". Douze et al. 2024, "The Faiss library", arXiv:2401.08281.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)
    >>> [row in found for row, found in enumerate(Cells.of(X, "l2").candidates(X[:3], k=1))]
    [True, True, True]
    """

    def __init__(
        self,
        X: np.ndarray,
        metric: str,
        centers: np.ndarray,
        cell_of_row: np.ndarray,
        code_book: np.ndarray | None = None,
    ) -> None:
        self.centers = np.ascontiguousarray(centers, dtype=np.float32)
        self.cell_of_row = np.ascontiguousarray(cell_of_row, dtype=np.int32)
        self._check(X)
        if code_book is None:
            code_book = _code_book(X, self.centers, self.cell_of_row)
        self.code_book = np.ascontiguousarray(code_book, dtype=np.float32)
        self._check_code_book(X.shape[1])
        self._file = self._filled(X, metric)
        self.look_into(CELLS_TO_LOOK_INTO)

    @classmethod
    def of(cls, X: np.ndarray, metric: str) -> Self:
        """Return cells for these rows; the centers are found by k-means."""
        n_cells = number_of_cells(len(X))
        centers = _centers(X, metric, n_cells)
        return cls(X, metric, centers, _nearest_center(X, metric, centers))

    @classmethod
    def from_state(cls, X: np.ndarray, metric: str, arrays: dict[str, np.ndarray]) -> Self | None:
        """Return the cells that gave this :meth:`state`; ``None`` if ``arrays`` hold none."""
        if "centers" not in arrays:
            return None
        return cls(X, metric, arrays["centers"], arrays["cell_of_row"], arrays.get("code_book"))

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays from which the same cells are made again."""
        return {"centers": self.centers, "cell_of_row": self.cell_of_row, "code_book": self.code_book}

    def look_into(self, n_cells: int) -> None:
        """Look into so many cells from now on: more find more, and take longer."""
        self._file.nprobe = n_cells

    def candidates(self, X: np.ndarray, k: int) -> np.ndarray:
        """Return rows that are likely among the ``k`` nearest of each vector.

        Returns
        -------
        ndarray of shape (n, k or more)
            -1 at the end of a line where the cells that were looked into hold no more rows, or none that FAISS's
            rounded similarities tell from the worst possible.
        """
        return np.asarray(self._file.search(X, CANDIDATES * k)[1])

    def _check(self, X: np.ndarray) -> None:
        n_cells = len(self.centers)
        fits = self.centers.shape == (n_cells, X.shape[1]) and self.cell_of_row.shape == (len(X),) and n_cells
        if not fits or not np.isfinite(self.centers).all():
            raise ModelFormatError(
                f"the index is damaged: centers {self.centers.shape}, cells of rows {self.cell_of_row.shape} and "
                f"vectors {X.shape} do not fit each other"
            )
        if self.cell_of_row.min() < 0 or self.cell_of_row.max() >= n_cells:  # FAISS would write beside its memory
            raise ModelFormatError(f"the index is damaged: a row lies in a cell that is none of the {n_cells}")
        if (
            max(abs(end(rows)) for rows in (self.centers, X) for end in (np.min, np.max)) > LARGEST
        ):  # FAISS would end the process
            raise ModelFormatError(f"the index is damaged: it holds numbers above {LARGEST:g}")

    def _check_code_book(self, dimension: int) -> None:
        parts = number_of_parts(dimension)
        wanted = (parts, ENTRIES, dimension // parts)
        if self.code_book.shape != wanted or not np.isfinite(self.code_book).all():
            raise ModelFormatError(f"the index is damaged: its code book is {self.code_book.shape}, not {wanted}")

    def _filled(self, X: np.ndarray, metric: str) -> Any:
        import faiss

        quantizer = _flat(X.shape[1], metric)
        quantizer.add(self.centers)
        file = faiss.IndexIVFPQ(
            quantizer, X.shape[1], len(self.centers), len(self.code_book), BITS, quantizer.metric_type
        )
        faiss.copy_array_to_vector(self.code_book.ravel(), file.pq.centroids)
        file.is_trained = True
        numbers = np.arange(len(X), dtype=np.int64)
        cells = self.cell_of_row.astype(np.int64)
        for start in range(0, len(X), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            rows = X[part]
            file.add_core(len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(numbers[part]), faiss.swig_ptr(cells[part]))
        packed = faiss.IndexIVFPQFastScan(file)
        file.reset()  # it lives on, and would hold all codes a second time
        return packed


def number_of_cells(n: int) -> int:
    """Return into how many cells ``n`` rows are sorted: four times the root of their number, few where they are few.

    Examples
    --------
    >>> number_of_cells(1_000_000), number_of_cells(10), number_of_cells(1)
    (4000, 2, 1)
    """
    return max(1, min(round(4 * n**0.5), n // 4))


def number_of_parts(dimension: int) -> int:
    """Return into how many parts a row is cut, each rounded by itself: pairs of numbers, single ones of an odd number.

    Examples
    --------
    >>> number_of_parts(384), number_of_parts(5)
    (192, 5)
    """
    return dimension if dimension % 2 else dimension // 2


def _code_book(X: np.ndarray, centers: np.ndarray, cell_of_row: np.ndarray) -> np.ndarray:
    """Return what parts of rows, less their centers, are rounded to, ``(n_parts, ENTRIES, numbers in a part)``."""
    import faiss

    rows = slice(None, None, max(1, len(X) // ROWS_AT_ONCE))
    sample = X[rows] - centers[cell_of_row[rows]]
    if len(sample) < ENTRIES:
        sample = np.resize(sample, (ENTRIES, X.shape[1]))
    parts = number_of_parts(X.shape[1])
    quantizer = faiss.ProductQuantizer(X.shape[1], parts, BITS)
    quantizer.cp.min_points_per_centroid = 1
    quantizer.train(np.ascontiguousarray(sample))
    return faiss.vector_to_array(quantizer.centroids).reshape(parts, ENTRIES, -1)


def _flat(dimension: int, metric: str) -> Any:
    import faiss

    return faiss.IndexFlatIP(dimension) if metric == "cosine" else faiss.IndexFlatL2(dimension)


def _centers(X: np.ndarray, metric: str, n_cells: int) -> np.ndarray:
    import faiss

    sample = np.ascontiguousarray(X[:: max(1, len(X) // (ROWS_PER_CELL * n_cells))])
    kmeans = faiss.Kmeans(
        X.shape[1],
        n_cells,
        niter=ROUNDS,
        seed=0,
        spherical=metric == "cosine",
        min_points_per_centroid=1,
        max_points_per_centroid=2 * ROWS_PER_CELL,
    )
    kmeans.train(sample)
    return np.asarray(kmeans.centroids)


def _nearest_center(X: np.ndarray, metric: str, centers: np.ndarray) -> np.ndarray:
    quantizer = _flat(X.shape[1], metric)
    quantizer.add(centers)
    return np.asarray(quantizer.search(X, 1)[1])[:, 0].astype(np.int32)
