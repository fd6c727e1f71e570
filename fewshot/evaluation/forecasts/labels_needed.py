"""How many labels a score needs: where a forecast first reaches it, as an answer that tables and people can read."""

import dataclasses
import math
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class LabelsNeeded:
    """How many labels a score needs.

    Parameters
    ----------
    target : float
        The score, 0 to 1.
    labels : float
        Labelled texts in all with which half of the trainings reach it; infinite: beyond all that is forecast, NaN:
        nothing is forecast.
    low, high : float
        The same for few and for nearly all of the trainings: where the upper and the lower end of the interval of the
        score reach the target (at an interval of 0.8 one training in ten, and nine in ten).
    words : str
        The same in words.
    """

    target: float
    labels: float
    low: float
    high: float
    words: str

    def as_row(self) -> dict[str, Any]:
        """Return what JSON and tables hold; numbers that are not finite are ``None``."""
        numbers = {name: getattr(self, name) for name in ("labels", "low", "high")}
        known = {name: round(value) if math.isfinite(value) else None for name, value in numbers.items()}
        return {"target": self.target, **known, "words": self.words}


def first_at(sizes: np.ndarray, scores: np.ndarray, target: float) -> float:
    """Return the first size at which scores reach a target, between sizes by their logarithm; infinite: nowhere.

    Parameters
    ----------
    sizes, scores : ndarray of shape (n,)
        Sizes ascend.
    target : float

    Returns
    -------
    float

    Examples
    --------
    >>> first_at(np.array([10.0, 40.0]), np.array([0.5, 0.7]), 0.6)
    20.0
    """
    above = np.flatnonzero(scores >= target)
    if not len(above):
        return math.inf
    first = above[0]
    if not first:
        return float(sizes[0])
    share = (target - scores[first - 1]) / (scores[first] - scores[first - 1])
    return float(sizes[first - 1] * (sizes[first] / sizes[first - 1]) ** share)
