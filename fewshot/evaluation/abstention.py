"""When to stay silent: from which confidence on held-out answers were right often enough.

Selective classification as Geifman and El-Yaniv describe it ("Selective classification for deep neural networks",
2017, arXiv:1705.08500), with Wilson's bound in place of theirs. What confidence is, is left to the classifier.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.evaluation.wilson import wilson_interval

ABSTAIN_ALWAYS = 1.0 + 1e-6
"""A threshold that no probability reaches, single precision and rounding included."""

MAX_POINTS = 512
CERTAINTY = 0.8


@dataclasses.dataclass(frozen=True)
class PrecisionCurve:
    """How many held-out answers reach each confidence, and how many of these are right.

    Make it with :meth:`of`.

    Parameters
    ----------
    thresholds : tuple of float
        Confidences, descending.
    kept : tuple of int
        Answers whose confidence is at least that.
    correct : tuple of int
        The right ones among them.
    n : int
        All answers.

    Examples
    --------
    >>> curve = PrecisionCurve.of(np.array([0.9, 0.8, 0.4]), np.array([True, True, False]))
    >>> curve.thresholds, curve.kept, curve.correct
    ((0.9, 0.8, 0.4), (1, 2, 3), (1, 2, 2))
    >>> curve.coverage_at(0.5).__round__(2), curve.threshold_for(0.7)
    (0.67, 0.8)
    """

    thresholds: tuple[float, ...]
    kept: tuple[int, ...]
    correct: tuple[int, ...]
    n: int

    @classmethod
    def of(cls, confidence: np.ndarray, correct: np.ndarray) -> Self:
        """Count held-out answers.

        Parameters
        ----------
        confidence : ndarray of shape (n,)
            How sure each answer is; of a model that did not see its text.
        correct : ndarray of shape (n,)
            Whether it is right.

        Returns
        -------
        PrecisionCurve
            With at most 512 points, evenly spread over the answers where there are more; the last is always there.

        Raises
        ------
        InputError
            If lengths differ or a confidence is not finite.
        """
        confidence, correct = np.asarray(confidence, dtype=np.float64), np.asarray(correct)
        if confidence.ndim != 1 or confidence.shape != correct.shape or not np.isfinite(confidence).all():
            raise InputError(
                "confidence and correct must be of one length and confidence finite, got shapes "
                f"{confidence.shape} and {correct.shape}"
            )
        order = np.argsort(-confidence, kind="stable")
        ranked, right = confidence[order], np.cumsum(correct[order].astype(np.int64))
        ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True)[: len(ranked)])  # equals stay together
        if len(ends) > MAX_POINTS:
            ends = ends[np.linspace(0, len(ends) - 1, MAX_POINTS).round().astype(np.int64)]
        return cls(tuple(ranked[ends].tolist()), tuple((ends + 1).tolist()), tuple(right[ends].tolist()), len(ranked))

    def threshold_for(self, precision: float, *, certainty: float = CERTAINTY) -> float:
        """Return the lowest confidence whose answers are right often enough.

        Parameters
        ----------
        precision : float
            Wanted share of right answers among those kept, above 0 and at most 1.
        certainty : float, default=0.8
            How sure that share is to be reached on new texts like these, from 0.5 (as often missed as not: the plain
            share of right held-out answers) to below 1.

        Returns
        -------
        float
            Keep answers with ``confidence >= threshold``. Just above 1, which no confidence reaches, where the
            precision cannot be vouched for: abstain always.

        Raises
        ------
        InputError
            If ``precision`` or ``certainty`` is out of range.

        Notes
        -----
        The share must be reached by Wilson's one-sided lower bound. The plain share promises too much where few
        answers are kept, and more so as the best of many thresholds is taken; the usual certainty of 0.95 promises
        nothing with a few-shot handful, since 48 right answers out of 48 vouch for no more than 0.947. At 0.8 it takes
        14 right answers in a row to vouch for 0.95, and 71 for 0.99.

        References
        ----------
        Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22.
        """
        if not 0 < precision <= 1:
            raise InputError(f"precision must be above 0 and at most 1, got {precision}")
        if not 0.5 <= certainty < 1:
            raise InputError(f"certainty must be from 0.5 to below 1, got {certainty}")
        good = np.flatnonzero(self._lower_bounds(certainty) >= precision - 1e-12)
        return self.thresholds[good[-1]] if len(good) else ABSTAIN_ALWAYS

    def _lower_bounds(self, certainty: float) -> np.ndarray:
        z = statistics.NormalDist().inv_cdf(certainty)
        kept = np.asarray(self.kept, dtype=np.float64)
        share = np.asarray(self.correct, dtype=np.float64) / kept
        return wilson_interval(share, kept, z)[0]

    def coverage_at(self, threshold: float) -> float:
        """Return the share of answers whose confidence is at least ``threshold``; 0 where there were no answers."""
        kept = [count for point, count in zip(self.thresholds, self.kept, strict=True) if point >= threshold]
        return kept[-1] / self.n if kept else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the curve as JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the curve that :meth:`to_json` gave.

        Raises
        ------
        ModelFormatError
            If an entry is missing or the lists do not fit each other.
        """
        try:
            thresholds = tuple(float(t) for t in value["thresholds"])
            kept, correct = (tuple(int(count) for count in value[name]) for name in ("kept", "correct"))
            n = int(value["n"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"the precision curve is damaged: {type(error).__name__}: {error}") from None
        if not all(map(math.isfinite, thresholds)):
            raise ModelFormatError("the precision curve is damaged: a threshold of it is not finite")
        one_length = len(thresholds) == len(kept) == len(correct)
        if not one_length or any(not 0 <= c <= k <= n or k < 1 for k, c in zip(kept, correct, strict=True)):
            raise ModelFormatError("the precision curve is damaged: its lists do not fit each other")
        return cls(thresholds, kept, correct, n)
