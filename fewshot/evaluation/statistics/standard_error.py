"""How sure a mean over seeds and test texts is: its standard error, its interval, and whether it could be 0.

Scores come from seeds crossed with bootstrap samples of the texts. The standard error is put together from the parts of
their variance, not read off resamples of seeds and texts at once: with few seeds these spread too little, by the factor
(seeds - 1) / seeds, and they count the chance of single answers three times (Owen 2007). As seeds are few, intervals
are those of Student's t with Satterthwaite's degrees of freedom (Hesterberg 2015, on what percentiles of few
observations miss). They are centred on the score itself: macro F1 of a resample is biased, as rare classes drop out.

References
----------
Efron, Tibshirani 1993, "An introduction to the bootstrap". Hesterberg 2015, "What teachers should know about the
bootstrap", The American Statistician 69. Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1.
Satterthwaite 1946, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit


class Estimate(NamedTuple):
    """A mean over seeds and texts, or a difference of two: the value, its standard error and degrees of freedom.

    Examples
    --------
    >>> made = Estimate(0.1, error=0.05, freedom=30.0)
    >>> round(made.reach(0.95), 3), round(made.p_value, 3)
    (0.102, 0.055)
    """

    value: float
    error: float
    freedom: float

    def reach(self, confidence: float) -> float:
        """Half the width of the confidence interval."""
        return float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.error

    @property
    def p_value(self) -> float:
        """Two-sided, of the hypothesis that the value is 0."""
        return 2 * float(stdtr(self.freedom, -abs(self.value) / self.error))


def estimate_mean(scores: np.ndarray, n_texts: int) -> Estimate:
    """Estimate the mean of a score, or of a difference of scores, over seeds and texts.

    Parameters
    ----------
    scores : ndarray of shape (n_seeds, 1 + n_resamples)
        Each seed's score, first on the test texts as they are, then on bootstrap samples of them (the same samples for
        every seed). With one seed the chance of another seed is in none of what is returned.
    n_texts : int
        How many test texts.

    Returns
    -------
    Estimate
        Its variance has parts of the seeds, of the texts, and of the chance of each answer, which is in both of these
        and is taken out once. Its standard error is at least ``1 / n_texts``, so that nothing is certain from a handful
        of texts that all went the same way.

    Examples
    --------
    >>> resampled = np.random.default_rng(0).normal(0.7, 0.02, size=(1, 1000))
    >>> made = estimate_mean(np.array([[0.68], [0.72]]) + np.append([[0.0]], resampled - 0.7, axis=1), n_texts=400)
    >>> round(made.value, 2), round(made.error, 3)
    (0.7, 0.028)
    """
    points, resampled = scores[:, 0], scores[:, 1:]
    n_seeds = len(points)
    of_texts = float(resampled.mean(axis=0).var(ddof=1))
    of_seeds = of_answers = 0.0
    if n_seeds > 1:
        of_seeds = float(points.var(ddof=1)) / n_seeds
        of_answers = max(float(resampled.var(axis=1, ddof=1).mean()) - of_texts, 0.0) / (n_seeds - 1)
    variance = max(of_seeds + of_texts - of_answers, of_seeds, of_texts)
    uncertain = of_seeds**2 / max(n_seeds - 1, 1) + of_texts**2 / max(n_texts - 1, 1)
    freedom = variance**2 / uncertain if uncertain > 0 else float(max(n_texts - 1, 1))
    return Estimate(float(points.mean()), max(math.sqrt(variance), 1 / n_texts), freedom)
