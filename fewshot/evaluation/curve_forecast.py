"""One learning curve continued to slices that nobody has labelled yet, or the reason why it cannot be.

A forecast is of *one training on one draw* of so many labelled texts, judged on the same test texts: the score that
somebody who goes on labelling will see. Its interval holds what is not known of the curve and the chance of the draw.
Read the other way round, the same interval says how many labels a score needs. The curve is fitted by ``curve_fits``;
results of methods and classes are gathered by ``forecast``.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fewshot.core.errors import InputError
from fewshot.evaluation.curve_fits import CurveFit, fit_curve, slope_and_error

LEAST_SIZES = 3
LEAST_SEEDS = 2
LEAST_SPAN = 3.0
"""The largest slice holds at least so many times the labels of the smallest."""

CLEAR_RISE = 1.5
"""A rise of fewer standard errors may be chance."""

FURTHEST = 16.0
"""Nothing is said of slices with more than so many times the labels of the largest."""

STEPS_A_DOUBLING = 16


@dataclasses.dataclass(frozen=True)
class SeenSlice:
    """What was seen on one size of slice.

    Parameters
    ----------
    n_train : float
        Labelled texts in all, the mean over seeds.
    mean, sd : float
        Of the scores over seeds.
    """

    n_train: float
    mean: float
    sd: float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The forecast for one size of slice.

    Parameters
    ----------
    n_train : int
        Labelled texts in all.
    score : float
        What one training on one draw scores: as likely less as more.
    low, high : float
        Ends of the interval, 0 to 1.
    """

    n_train: int
    score: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.score:.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"


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


@dataclasses.dataclass(frozen=True)
class Forecast:
    """The forecast of one learning curve, or why there is none.

    Parameters
    ----------
    name : str
        What a table calls it: the method, with encoder and pool where these tell variants apart; or the class.
    subject : dict
        ``method``, ``encoder`` and ``pool``, or ``class``.
    metric : str
    interval : float
        The share of trainings that intervals are to hold.
    seen : tuple of SeenSlice
        By size.
    predictions : tuple of Prediction
        By size; empty where ``refusal`` says why.
    refusal : str or None
    fit : CurveFit or None
    """

    name: str
    subject: dict[str, Any]
    metric: str
    interval: float
    seen: tuple[SeenSlice, ...]
    predictions: tuple[Prediction, ...] = ()
    refusal: str | None = None
    fit: CurveFit | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def furthest(self) -> float:
        """The largest slice of which anything is said."""
        return FURTHEST * self.seen[-1].n_train if self.seen else 0.0

    @property
    def gain(self) -> float:
        """What twice the labels are expected to bring, as a share of 1; NaN where nothing is forecast."""
        if self.fit is None:
            return math.nan
        return self.predict(2 * self.fit.largest).score - self.predict(self.fit.largest).score

    def predict(self, n_train: float) -> Prediction:
        """Return the forecast for a slice of this size.

        Parameters
        ----------
        n_train : float
            Labelled texts in all, at most 16 times those of the largest slice.

        Returns
        -------
        Prediction

        Raises
        ------
        InputError
            If nothing is forecast, or ``n_train`` is out of range.
        """
        if self.fit is None:
            raise InputError(f"there is no forecast for {self.name}: {self.refusal}")
        if not 0 < n_train <= self.furthest:
            raise InputError(
                f"at must be from 1 to {self.furthest:,.0f} labelled texts ({FURTHEST:.0f} times the largest slice of "
                f"{self.name}), got {n_train}; run larger slices to look further"
            )
        low, score, high = np.quantile(self.fit.scores(n_train), [(1 - self.interval) / 2, 0.5, (1 + self.interval) / 2])
        return Prediction(round(n_train), float(score), float(low), float(high))

    def labels_needed(self, target: float) -> LabelsNeeded:
        """Say how many labels a score needs.

        Parameters
        ----------
        target : float
            The score, above 0 and at most 1.

        Returns
        -------
        LabelsNeeded
            Of a target that a slice has reached already (the mean over seeds), the size of that slice, three times.

        Raises
        ------
        InputError
            If the target is no share.

        Examples
        --------
        >>> sizes, scores = [8, 16, 32, 64], [[0.5, 0.6, 0.67, 0.72], [0.52, 0.6, 0.68, 0.73]]
        >>> forecast = forecast_curve("knn", sizes, scores)
        >>> forecast.labels_needed(0.6).words
        'reached with 16 labels'
        >>> needed = forecast.labels_needed(0.75)
        >>> 64 < needed.low < needed.labels < needed.high
        True
        """
        if not 0 < target <= 1:
            raise InputError(f"target must be a share above 0 and at most 1, such as 0.9 for 90 %, got {target}")
        reached = [slice_.n_train for slice_ in self.seen if slice_.mean >= target]
        if reached:
            words = f"reached with {reached[0]:,.0f} labels"
            return LabelsNeeded(target, reached[0], reached[0], reached[0], words)
        if self.fit is None:
            return LabelsNeeded(target, math.nan, math.nan, math.nan, f"not forecast: {self.refusal}")
        labels, low, high = self._crossings(target)
        return LabelsNeeded(target, labels, low, high, self._in_words(labels, low, high))

    def _crossings(self, target: float) -> tuple[float, float, float]:
        """Return where the middle, the upper and the lower end of the interval reach a score."""
        last = self.seen[-1].n_train
        sizes = last * np.geomspace(1, FURTHEST, round(math.log2(FURTHEST) * STEPS_A_DOUBLING) + 1)
        forecasts = [self.predict(size) for size in sizes]
        ends = [[getattr(forecast, end) for forecast in forecasts] for end in ("score", "high", "low")]
        labels, low, high = (_first_at(sizes, np.array(scores), target) for scores in ends)
        return labels, low, high

    def _in_words(self, labels: float, low: float, high: float) -> str:
        if math.isinf(low):
            furthest = self.predict(self.furthest)
            return f"out of reach: {furthest} % with {self.furthest:,.0f} labels"
        ends = [f"more than {self.furthest:,.0f}" if math.isinf(end) else f"{end:,.0f}" for end in (labels, low, high)]
        about = "" if math.isinf(labels) else "about "
        return f"{about}{ends[0]} labels ({ends[1]} to {ends[2]})"

    def as_row(self) -> dict[str, Any]:
        """Return what JSON holds: the subject, what was seen, the predictions or the refusal."""
        return {
            **self.subject,
            "metric": self.metric,
            "interval": self.interval,
            "seen": [dataclasses.asdict(slice_) for slice_ in self.seen],
            "predictions": [dataclasses.asdict(prediction) for prediction in self.predictions],
            "refusal": self.refusal,
        }


def forecast_curve(
    name: str,
    sizes: ArrayLike,
    scores: ArrayLike,
    *,
    metric: str = "accuracy",
    at: Sequence[float] | None = None,
    interval: float = 0.8,
    random_state: int = 0,
    subject: dict[str, Any] | None = None,
    n_failed: int = 0,
) -> Forecast:
    """Continue a learning curve, or say why the slices cannot tell.

    Parameters
    ----------
    name : str
        What a table calls it.
    sizes : array-like of shape (n_slices,)
        Labelled texts in all, each more than the one before.
    scores : array-like of shape (n_seeds, n_slices)
        From 0 to 1, NaN where there is none. A seed counts if it has a score at every size: slices of one seed nest,
        so that a seed is what was drawn.
    metric : str, default "accuracy"
        What the scores are called.
    at : sequence of float, optional
        Labelled texts in all to forecast for. Default: twice and four times the largest slice.
    interval : float, default 0.8
        The share of trainings that an interval is to hold, above 0 and below 1.
    random_state : int, default 0
        The same gives the same forecast.
    subject : dict, optional
        What the forecast is of, for its row. Default: ``{"name": name}``.
    n_failed : int, default 0
        How many of the missing scores are of trainings that failed.

    Returns
    -------
    Forecast

    Raises
    ------
    InputError
        If the arrays do not fit, a score is no share, or ``at`` or ``interval`` is out of range.

    Examples
    --------
    >>> forecast = forecast_curve("knn", [8, 16, 32, 64], [[0.5, 0.6, 0.67, 0.72], [0.52, 0.6, 0.68, 0.73]])
    >>> [prediction.n_train for prediction in forecast.predictions]
    [128, 256]
    >>> forecast_curve("knn", [8, 16], [[0.5, 0.6], [0.4, 0.6]]).refusal
    'there are results at 2 sizes of slices; a curve needs at least 3, such as --slices 4,8,16'
    """
    sizes, scores = _check(sizes, scores, interval)
    whole = scores[np.isfinite(scores).all(axis=1)]
    forecast = Forecast(name, subject or {"name": name}, metric, interval, _seen(sizes, scores))
    if refusal := _refusal(sizes, scores, whole, n_failed):
        return dataclasses.replace(forecast, refusal=refusal)
    forecast = dataclasses.replace(forecast, fit=fit_curve(sizes, whole, random_state=random_state))
    wanted = (2 * sizes[-1], 4 * sizes[-1]) if at is None else sorted(at)
    return dataclasses.replace(forecast, predictions=tuple(map(forecast.predict, wanted)))


def _check(sizes: ArrayLike, scores: ArrayLike, interval: float) -> tuple[np.ndarray, np.ndarray]:
    if not 0 < interval < 1:
        raise InputError(f"interval must be a share above 0 and below 1, such as 0.8, got {interval}")
    sizes, scores = np.asarray(sizes, dtype=float), np.asarray(scores, dtype=float)
    if sizes.ndim != 1 or scores.ndim != 2 or scores.shape[1] != len(sizes):
        raise InputError(
            "sizes must be of shape (n_slices,) and scores of shape (n_seeds, n_slices), "
            f"got {sizes.shape} and {scores.shape}"
        )
    if not (np.isfinite(sizes).all() and (sizes > 0).all() and (np.diff(sizes) > 0).all()):
        raise InputError(f"sizes must be above 0 and ascend, got {sizes.tolist()}")
    if ((scores < 0) | (scores > 1) | np.isinf(scores)).any():
        raise InputError("scores must be shares from 0 to 1 (NaN: none); divide percentages by 100")
    return sizes, scores


def _seen(sizes: np.ndarray, scores: np.ndarray) -> tuple[SeenSlice, ...]:
    finished = [(size, column[np.isfinite(column)]) for size, column in zip(sizes, scores.T, strict=True)]
    return tuple(
        SeenSlice(float(size), float(few.mean()), float(few.std(ddof=1)) if len(few) > 1 else 0.0)
        for size, few in finished
        if len(few)
    )


def _refusal(sizes: np.ndarray, scores: np.ndarray, whole: np.ndarray, n_failed: int) -> str | None:
    """Say why these scores tell nothing of larger slices, ``None`` where they do."""
    if len(sizes) < LEAST_SIZES:
        counted = f"{len(sizes)} size{'' if len(sizes) == 1 else 's'}"
        return (
            f"there are results at {counted} of slices; a curve needs at least {LEAST_SIZES}, such as --slices 4,8,16"
        )
    if len(whole) < LEAST_SEEDS:
        failed = f", {n_failed} of {scores.size} trainings failed" if n_failed else ""
        return (
            f"{len(whole)} of {len(scores)} draws {'has' if len(whole) == 1 else 'have'} a result at every size{failed}; "
            f"what is chance and what is learnt shows from {LEAST_SEEDS} draws on, better 5 (--seeds 5)"
        )
    if sizes[-1] < LEAST_SPAN * sizes[0]:
        return (
            f"the slices lie too close together, from {sizes[0]:,.0f} to {sizes[-1]:,.0f} labels; let the largest have "
            "at least four times the labels of the smallest"
        )
    slope, error = slope_and_error(sizes, whole)
    if slope < CLEAR_RISE * error:
        return (
            f"from {sizes[0]:,.0f} to {sizes[-1]:,.0f} labels scores change by {100 * slope:+.1f} points a doubling, "
            f"give or take {100 * error:.1f}: no rise that chance alone could not make; more draws or larger slices "
            "may show one"
        )
    return None


def _first_at(sizes: np.ndarray, scores: np.ndarray, target: float) -> float:
    """Return the first size at which scores reach a target, between sizes by their logarithm; infinite: nowhere."""
    above = np.flatnonzero(scores >= target)
    if not len(above):
        return math.inf
    first = above[0]
    if not first:
        return float(sizes[0])
    share = (target - scores[first - 1]) / (scores[first] - scores[first - 1])
    return float(sizes[first - 1] * (sizes[first] / sizes[first - 1]) ** share)
