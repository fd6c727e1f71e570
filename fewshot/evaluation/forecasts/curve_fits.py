"""A learning curve and what is not known of it: a power law that need not be right, and noise between draws.

The mean score over draws of ``n`` labelled texts is taken to be

    score(n) = 1 - e·((1 - r) + r·((n + h) / (n_last + h))^-c) + drift(n),

where ``e`` is the error at the largest slice, ``r`` the share of it that more labels can remove, ``c`` how fast, and
``h`` a head start: a curve that is slow at first has a large one (without it forecasts fell short by two points). Real
curves are no power laws: ``drift`` is a random walk in log n that leaves from the largest slice to both sides, so that
small slices, far from what is asked for, weigh less, and a forecast is less sure the further it goes. One draw scatters
around the mean, less on larger slices; slices of one seed nest, so that neighbours scatter together.

Combinations of e, r, c and h on a grid are weighed by how well they agree with the means of the slices, and what is
asked for is read off draws from this posterior. The settings here were chosen by the continuous ranked probability
score of forecasts on texts of train splits (``tests/benchmarks/forecast.py --part train``). Which curves may be
continued at all is left to ``curve_refusals``.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

N_DRAWS = 4000

SPEEDS = np.geomspace(0.05, 1.6, 16)
LIKELY_SPEED, SPEED_SPREAD = 0.4, 0.7
"""Median of the exponent c, and the standard deviation of its logarithm."""

SHARES = (np.arange(20) + 0.5) / 20
SHARE_PRIOR = (1.5, 1.5)
"""A beta distribution over the share r."""

STARTS = np.array([0.0, 0.06, 0.25, 1.0])
"""Head starts as shares of the largest slice, of equal weight."""

DRIFT = 0.02
"""Standard deviation of the drift over one doubling, as a share of sqrt(score * (1 - score))."""

NOISE_PRIOR = (0.02, 2.0)
"""What one draw on the largest slice scatters by, and how many observed draws this counts for."""

NOISE_DECAY = 0.3
"""Scatter shrinks as n to the power of minus this."""

NESTING = 0.4
"""Correlation of the scatter of a seed's slices, one of them twice as large as the other."""


@dataclasses.dataclass(frozen=True)
class CurveFit:
    """Draws from what is known of a learning curve; see :func:`fit_curve`.

    Parameters
    ----------
    largest : float
        Labelled texts of the largest slice.
    errors, shares, speeds, starts : ndarray of shape (n_draws,)
        The parameters e, r, c and h / n_last of each draw.
    drifts : ndarray of shape (n_draws,)
        By how much each draw leaves its power law over the first doubling.
    scatters : ndarray of shape (n_draws,)
        By how much one draw of the largest slice would miss the mean.
    """

    largest: float
    errors: np.ndarray
    shares: np.ndarray
    speeds: np.ndarray
    starts: np.ndarray
    drifts: np.ndarray
    scatters: np.ndarray

    def mean_scores(self, n_train: float) -> np.ndarray:
        """Return the mean score on slices of this size, one value a draw of the curve.

        Parameters
        ----------
        n_train : float
            Labelled texts in all; any number above 0.

        Returns
        -------
        ndarray of shape (n_draws,)
            From 0 to 1.
        """
        ratio = n_train / self.largest
        errors = self.errors * power_law(ratio, self.shares, self.speeds, self.starts)
        return np.clip(1.0 - errors + self.drifts * np.sqrt(abs(np.log2(ratio))), 0.0, 1.0)

    def scores(self, n_train: float) -> np.ndarray:
        """Return the score of one training on one slice of this size: as the mean, but with its scatter."""
        return np.clip(self.mean_scores(n_train) + self.scatters * (n_train / self.largest) ** -NOISE_DECAY, 0.0, 1.0)


def power_law(ratio: np.ndarray | float, shares: np.ndarray, speeds: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return what is left of the error of the largest slice on one ``ratio`` times as large."""
    return 1.0 - shares + shares * ((np.asarray(ratio) + starts) / (1.0 + starts)) ** -speeds


def fit_curve(sizes: np.ndarray, scores: np.ndarray, *, random_state: int = 0) -> CurveFit:
    """Weigh learning curves by the scores seen.

    Parameters
    ----------
    sizes : ndarray of shape (n_slices,)
        Labelled texts, ascending, at least two.
    scores : ndarray of shape (n_seeds, n_slices)
        From 0 to 1; at least two seeds.
    random_state : int, default 0

    Returns
    -------
    CurveFit

    References
    ----------
    Viering and Loog 2023, "The Shape of Learning Curves: A Review"; Kolachina et al. 2012, "Prediction of Learning
    Curves in Machine Translation".

    Examples
    --------
    >>> sizes = np.array([8, 16, 32, 64])
    >>> scores = 0.9 - 0.8 * sizes ** -0.5 + np.array([[-0.01], [0.0], [0.01]])
    >>> fit = fit_curve(sizes, scores)
    >>> round(float(np.median(fit.scores(256))), 2)
    0.85
    """
    rng = np.random.default_rng(random_state)
    ratios = sizes / sizes[-1]
    means, variance, freedom = scores.mean(axis=0), *_noise(ratios, scores)
    covariance = variance / len(scores) * noise_covariance(ratios) + _drift_variance(means) * _drift_covariance(ratios)
    errors = _likely_errors(means[-1], covariance[-1, -1])
    grid = np.meshgrid(errors, SHARES, SPEEDS, STARTS, indexing="ij")
    weights = _posterior(grid, ratios, means, covariance)
    drawn = rng.choice(weights.size, N_DRAWS, p=weights)
    e, r, c, h = (axis.ravel()[drawn] for axis in grid)
    drifts = rng.standard_normal(N_DRAWS) * np.sqrt(_drift_variance(means))
    scatters = rng.standard_normal(N_DRAWS) * np.sqrt(variance * freedom / rng.chisquare(freedom, N_DRAWS))
    return CurveFit(float(sizes[-1]), e, r, c, h, drifts, scatters)


def slope_and_error(sizes: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return by how much scores rise with each doubling of the slice, and the standard error of that.

    Parameters
    ----------
    sizes, scores : ndarray
        As for :func:`fit_curve`.

    Returns
    -------
    slope, error : float

    Examples
    --------
    >>> slope, error = slope_and_error(np.array([8, 16, 32]), np.array([[0.4, 0.5, 0.6], [0.5, 0.6, 0.7]]))
    >>> round(slope, 3), error < 0.05
    (0.1, True)
    """
    ratios = sizes / sizes[-1]
    steps = np.log2(ratios)
    weights = (steps - steps.mean()) / ((steps - steps.mean()) ** 2).sum()
    variance, _ = _noise(ratios, scores)
    of_mean = variance / len(scores) * noise_covariance(ratios)
    return float(weights @ scores.mean(axis=0)), float(np.sqrt(weights @ of_mean @ weights))


def noise_covariance(ratios: np.ndarray) -> np.ndarray:
    """Return how one seed's slices scatter together, in units of the variance at the largest."""
    steps = np.log2(ratios)
    spread = ratios**-NOISE_DECAY
    return np.outer(spread, spread) * NESTING ** abs(steps[:, None] - steps)


def _noise(ratios: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return the variance of one draw on the largest slice, pooled over slices, and its degrees of freedom."""
    squares = ((scores - scores.mean(axis=0)) ** 2).sum(axis=0) * ratios ** (2 * NOISE_DECAY)
    prior, weight = NOISE_PRIOR
    freedom = weight + (len(scores) - 1) * scores.shape[1]
    return float((weight * prior**2 + squares.sum()) / freedom), freedom


def _drift_variance(means: np.ndarray) -> float:
    middle = float(np.clip(means[-1], 0.02, 0.98))
    return DRIFT**2 * middle * (1 - middle)


def _drift_covariance(ratios: np.ndarray) -> np.ndarray:
    steps = -np.log2(ratios)
    return np.minimum(steps[:, None], steps)


def _likely_errors(score: float, variance: float) -> np.ndarray:
    errors = 1.0 - score + np.sqrt(variance) * np.linspace(-3.5, 3.5, 29)
    return np.unique(np.clip(errors, 0.0, 1.0))


def _posterior(grid: Sequence[np.ndarray], ratios: np.ndarray, means: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the weight of each combination of the grid, flat, summing to 1."""
    e, r, c, h = (axis[..., None] for axis in grid)
    residuals = means - (1.0 - e * power_law(ratios, r, c, h))
    distances = np.einsum("...i,ij,...j", residuals, np.linalg.inv(covariance), residuals)
    a, b = SHARE_PRIOR
    speed = np.log(grid[2] / LIKELY_SPEED) / SPEED_SPREAD
    prior = (a - 1) * np.log(grid[1]) + (b - 1) * np.log1p(-grid[1]) - speed**2 / 2
    log_weights = (prior - distances / 2).ravel()
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()
