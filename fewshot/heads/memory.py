"""What a classifier remembers of its training texts: their vectors and classes, never the texts.

They tell how far a new text is from all that was learnt from, and let a head be refitted when labels are added.
"""

import dataclasses
from typing import Any, Self

import numpy as np

from fewshot.core.errors import ModelFormatError
from fewshot.heads.scope import MAX_ROWS, ScopeDetector


@dataclasses.dataclass(frozen=True)
class Memory:
    """Vectors of training texts with their classes.

    Parameters
    ----------
    X : ndarray of shape (n, dimension), float16
    y : ndarray of shape (n,) or (n, n_classes)

    Examples
    --------
    >>> Memory.of(np.eye(3), np.arange(3), max_rows=2).X.shape
    (2, 3)
    """

    X: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, y: np.ndarray, *, max_rows: int = MAX_ROWS, random_state: int = 0) -> Self:
        """Remember at most ``max_rows`` rows, classes as even as there are rows."""
        generator = np.random.default_rng(random_state)
        order = generator.permutation(len(y))
        if len(y) > max_rows:
            group = y if y.ndim == 1 else (y @ np.arange(1, y.shape[1] + 1)) % (y.shape[1] + 1)
            turn = np.empty(len(y), dtype=np.int64)
            for value in np.unique(group):
                members = order[group[order] == value]
                turn[members] = np.arange(len(members))
            order = order[np.argsort(turn[order], kind="stable")][:max_rows]
        rows = np.sort(order)
        return cls(X[rows].astype(np.float16), y[rows].astype(np.int32))

    def scope(self, threshold: float | None = None, held_out_scores: np.ndarray | None = None) -> ScopeDetector:
        """Return the detector of texts unlike these.

        Parameters
        ----------
        threshold : float, optional
            Its threshold, where that is known.
        held_out_scores : ndarray, optional
            Scores of texts that the encoder did not learn from, to take the threshold from.
        """
        scores = held_out_scores if threshold is None else np.array([threshold])
        return ScopeDetector.fit(self.X.astype(np.float32), self.y, held_out_scores=scores)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what :meth:`from_arrays` takes back."""
        return {"memory_X": self.X, "memory_y": self.y}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], *, n_classes: int, multi_label: bool) -> Self:
        """Return the memory that gave these arrays; others may stand beside.

        Raises
        ------
        ModelFormatError
            If they do not fit each other or the classes.
        """
        X, y = arrays["memory_X"], arrays["memory_y"]
        fits = X.ndim == 2 and len(X) == len(y) > 0 and y.ndim == (2 if multi_label else 1)
        fits = fits and np.issubdtype(y.dtype, np.integer) and bool(np.isfinite(X).all())
        if fits:
            fits = y.shape[1] == n_classes if multi_label else y.min() >= 0 and y.max() < n_classes
        if not fits:
            raise ModelFormatError(f"the remembered vectors are damaged: {X.shape} for classes {y.shape}")
        return cls(X, y)


def remembered(arrays: dict[str, np.ndarray], **options: Any) -> Memory | None:
    """Return the memory among ``arrays``, if there is one."""
    return Memory.from_arrays(arrays, **options) if {"memory_X", "memory_y"} <= set(arrays) else None
