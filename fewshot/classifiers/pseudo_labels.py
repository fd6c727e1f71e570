"""Pseudo-labels: what a teacher says of unlabelled texts, which of them a student learns from, and what each weighs."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from fewshot.classifiers.uncertainty import Uncertainty

SAMPLINGS = ("easy", "hard", "uniform")

LEAST_VARIANCE = 1e-6
"""Variance below which an answer counts no more: else a text on which all passes agree would weigh without end."""

_NO_PREFERENCE = 1e-6  # the most uncertain text, too, may be drawn where texts are few


@dataclasses.dataclass(frozen=True)
class PseudoLabels:
    """What a student learns from a pool.

    Parameters
    ----------
    given : ndarray of shape (n_pool,) or (n_pool, n_classes)
        The teacher's answer to each text of the pool: a class number, or 0/1 by label.
    rows : ndarray of shape (n,)
        The texts that were drawn.
    weights : ndarray of shape (n,)
        How much each of these counts; 1 on average.
    uncertainty : float
        Mean BALD score of the pool.
    """

    given: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    uncertainty: float

    @property
    def y(self) -> np.ndarray:
        """Pseudo-labels of the texts that were drawn."""
        return self.given[self.rows]

    def counts(self, n_classes: int) -> list[int]:
        """Return how many of the texts that were drawn have each class."""
        counts = self.y.sum(axis=0) if self.y.ndim == 2 else np.bincount(self.y, minlength=n_classes)
        return [int(count) for count in counts]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return named arrays, for a file."""
        return {**vars(self), "uncertainty": np.array([self.uncertainty])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "PseudoLabels":
        """Return what gave these arrays."""
        return cls(arrays["given"], arrays["rows"], arrays["weights"], float(arrays["uncertainty"][0]))


def choose_pseudo_labels(
    found: Uncertainty,
    *,
    size: int,
    sampling: str,
    balanced: bool,
    threshold: np.ndarray | None,
    generator: np.random.Generator,
) -> PseudoLabels:
    """Label a pool, and draw the texts that a student learns from.

    Parameters
    ----------
    found : Uncertainty
        What the teacher says of the pool.
    size : int
        Texts to draw, at most.
    sampling : {"easy", "hard", "uniform"}
    balanced : bool
        Draw as many of each class, as far as there are as many.
    threshold : ndarray of shape (n_classes,) or None
        Probability from which each label applies; ``None`` in single-label tasks.
    generator : numpy.random.Generator

    Examples
    --------
    >>> found = Uncertainty(np.array([[0.9, 0.1], [0.2, 0.8]]), np.full((2, 2), 0.01), np.array([0.1, 0.1]))
    >>> options = {"sampling": "easy", "balanced": True, "threshold": None}
    >>> choose_pseudo_labels(found, size=2, **options, generator=np.random.default_rng(0)).y.tolist()
    [0, 1]
    """
    given = found.mean.argmax(axis=1) if threshold is None else (found.mean >= threshold).astype(np.int64)
    groups = groups_of(given, found.mean.shape[1]) if balanced else [np.arange(len(given))]
    rows = draw(groups, chances(found.bald, sampling), size, generator)
    weights = confidence_weights(variance_of(found, given)[rows])
    return PseudoLabels(given, rows, weights, float(found.bald.mean()))


def groups_of(given: np.ndarray, n_classes: int) -> list[np.ndarray]:
    """Return the rows of each class; in multi-label tasks a row is in the group of each of its labels, or of none."""
    if given.ndim == 1:
        return [np.flatnonzero(given == label) for label in range(n_classes)]
    return [*(np.flatnonzero(column) for column in given.T), np.flatnonzero(given.sum(axis=1) == 0)]


def chances(bald: np.ndarray, sampling: str) -> np.ndarray:
    """Return in which proportion texts are drawn.

    Parameters
    ----------
    bald : ndarray of shape (n,)
    sampling : {"easy", "hard", "uniform"}
        Rather those on which the passes agree, those on which they do not, or all alike.

    Returns
    -------
    ndarray of shape (n,)
        Above 0.

    Notes
    -----
    Scores count by their share of the largest. Unscaled, as in the paper, they are so far below 1 that ``"easy"`` would
    be all but ``"uniform"``.

    Examples
    --------
    >>> chances(np.array([0.0, 0.1, 0.2]), "easy").round(2).tolist()
    [1.0, 0.5, 0.0]
    """
    largest = bald.max(initial=0.0)
    if sampling == "uniform" or largest == 0:
        return np.ones(len(bald))
    share = bald / largest
    return (share if sampling == "hard" else 1 - share) + _NO_PREFERENCE


def draw(groups: list[np.ndarray], weights: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Draw rows without replacement, as many from each group, in the proportion of their weights.

    Parameters
    ----------
    groups : list of ndarray
        Row numbers; a row may be in several groups, and is drawn once.
    weights : ndarray of shape (n,)
    size : int
        Rows to draw, at most. Each group gives its share of it and no more: where one has fewer, the result is smaller.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray
        Ascending row numbers.
    """
    shares = np.full(len(groups), size // len(groups))
    shares[generator.permutation(len(groups))[: size % len(groups)]] += 1
    taken = np.zeros(len(weights), dtype=bool)
    for place in np.argsort([len(rows) for rows in groups], kind="stable"):  # rare labels choose first
        rows = groups[place]
        left = rows[~taken[rows]]
        count = min(len(left), int(shares[place]) - int(taken[rows].sum()))
        if count > 0:
            chance = weights[left] / weights[left].sum()
            taken[generator.choice(left, count, replace=False, p=chance)] = True
    return np.flatnonzero(taken)


def variance_of(found: Uncertainty, given: np.ndarray) -> np.ndarray:
    """Return the variance of the answer that is given to each text; in multi-label tasks the mean over its labels."""
    if given.ndim == 2:
        return found.variance.mean(axis=1)
    return found.variance[np.arange(len(given)), given]


def confidence_weights(variance: np.ndarray) -> np.ndarray:
    """Return how much texts count in a student's loss: minus the logarithm of the variance, divided by its mean.

    Parameters
    ----------
    variance : ndarray of shape (n,)
        From 0 to 0.25; what is below 0.000001 counts as that, so that no text weighs more than ten times another.

    Returns
    -------
    ndarray of shape (n,)
        With a mean of 1.

    References
    ----------
    Mukherjee, Awadallah 2020, "Uncertainty-aware Self-training for Few-shot Text Classification", arXiv:2006.15315.

    Examples
    --------
    >>> confidence_weights(np.array([1e-9, 1e-6, 1e-3])).round(2).tolist()
    [1.2, 1.2, 0.6]
    """
    weights = -np.log(variance.clip(LEAST_VARIANCE, 0.25))
    return weights / weights.mean() if len(weights) else weights
