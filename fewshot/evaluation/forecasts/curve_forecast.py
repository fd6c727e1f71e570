"""One learning curve continued to slices that nobody has labelled yet, or the reason why it cannot be.

A forecast is of *one training on one draw* of so many labelled texts, judged on the same test texts: the score that
somebody who goes on labelling will see. Its interval holds what is not known of the curve and the chance of the draw.
Read the other way round, the same interval says how many labels a score needs. The curve is fitted by ``curve_fits``;
results of methods and classes are gathered by ``forecast``.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fewshot.core.errors import InputError
from fewshot.evaluation.forecasts.curve_fits import CurveFit, fit_curve
from fewshot.evaluation.forecasts.curve_refusals import whole_seeds, why_not
from fewshot.evaluation.forecasts.labels_needed import LabelsNeeded, first_at

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
        low, score, high = np.quantile(
            self.fit.scores(n_train), [(1 - self.interval) / 2, 0.5, (1 + self.interval) / 2]
        )
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
            Of a target that the largest slice has reached already (the mean over seeds), the size of the smallest slice
            from which on all have, three times.

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
        if reached := self._reached(target):
            return LabelsNeeded(target, reached, reached, reached, f"reached with {reached:,.0f} labels")
        if self.fit is None:
            return LabelsNeeded(target, math.nan, math.nan, math.nan, f"not forecast: {self.refusal}")
        labels, low, high = self._crossings(target)
        return LabelsNeeded(target, labels, low, high, self._in_words(labels, low, high))

    def _reached(self, target: float) -> float | None:
        """Return the size of the slice from which on all mean scores reach a target."""
        reached = None
        for slice_ in reversed(self.seen):
            if slice_.mean < target:
                break
            reached = slice_.n_train
        return reached

    def _crossings(self, target: float) -> tuple[float, float, float]:
        """Return where the middle, the upper and the lower end of the interval reach a score."""
        last = self.seen[-1].n_train
        sizes = last * np.geomspace(1, FURTHEST, round(math.log2(FURTHEST) * STEPS_A_DOUBLING) + 1)
        forecasts = [self.predict(size) for size in sizes]
        ends = [[getattr(forecast, end) for forecast in forecasts] for end in ("score", "high", "low")]
        labels, low, high = (first_at(sizes, np.array(scores), target) for scores in ends)
        return labels, low, high

    def _in_words(self, labels: float, low: float, high: float) -> str:
        if math.isinf(low):
            furthest = self.predict(self.furthest)
            return f"out of reach: {furthest} % with {self.furthest:,.0f} labels"
        ends = [f"more than {self.furthest:,.0f}" if math.isinf(end) else _rounded(end) for end in (labels, low, high)]
        about = "" if math.isinf(labels) else "about "
        return f"{about}{ends[0]} labels ({ends[1]} to {ends[2]})"

    def __str__(self) -> str:
        if self.refusal:
            return f"{self.name}: not forecast: {self.refusal}"
        now = f"{self.name}: {100 * self.seen[-1].mean:.1f} % now ({self.seen[-1].n_train:,.0f} labels)"
        return ", ".join([now, *(f"{said} % with {said.n_train:,}" for said in self.predictions)])

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
    at: ArrayLike | None = None,
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
    at : int or sequence of int, optional
        Labelled texts in all to forecast for, at most 16 times those of the largest slice. Default: twice and four
        times.
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
    >>> print(forecast)
    knn: 72.5 % now (64 labels), 76.6 (74.1 to 79.2) % with 128, 79.6 (76.4 to 82.8) % with 256
    >>> forecast_curve("knn", [8, 16], [[0.5, 0.6], [0.4, 0.6]]).refusal
    'there are results at 2 sizes of slices; a curve needs at least 3, such as --slices 4,8,16'
    """
    sizes, scores = _check(sizes, scores, interval)
    forecast = Forecast(name, subject or {"name": name}, metric, interval, _seen(sizes, scores))
    if refusal := why_not(sizes, scores, n_failed=n_failed):
        return dataclasses.replace(forecast, refusal=refusal)
    forecast = dataclasses.replace(forecast, fit=fit_curve(sizes, whole_seeds(scores), random_state=random_state))
    wanted = np.sort(np.atleast_1d(at if at is not None else (2 * sizes[-1], 4 * sizes[-1])))
    return dataclasses.replace(forecast, predictions=tuple(map(forecast.predict, wanted.tolist())))


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


def _rounded(labels: float) -> str:
    """Return a number of labels with the two digits that a forecast deserves."""
    return f"{float(f'{labels:.2g}'):,.0f}"
