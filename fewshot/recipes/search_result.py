"""What a search found: the settings to train with, the table of trials, and an honest word about both."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from fewshot.evaluation.charts.trials import plot_trials
from fewshot.evaluation.tables import write_csv

COLUMNS = ("number", "state", "value", "score", "likelihood", "folds", "seconds", "error")
"""What ``trials.csv`` holds before the searched settings, in order."""


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The outcome of a search.

    Parameters
    ----------
    params : dict
        Arguments to train with; empty where the default was kept.
    best_number : int
        The best trial.
    best_params : dict
        Its settings, as the table of trials has them.
    best_score : float
        Its score on held-out texts.
    default_score : float or None
        That of the default settings; ``None`` where these failed.
    gain : float or None
        Mean difference of the two, text by text.
    gain_error : float or None
        Standard error of that difference.
    metric : {"accuracy", "micro_f1", "agreement"}
        What the scores are.
    n_judged : int
        How many texts were judged, each once a trial.
    trials : list of dict
        One a trial: :data:`COLUMNS`, and ``params``. ``state`` is ``complete``, ``pruned`` or ``failed``.
    notes : list of str
        What to tell.
    """

    params: dict[str, Any]
    best_number: int
    best_params: dict[str, Any]
    best_score: float
    default_score: float | None
    gain: float | None
    gain_error: float | None
    metric: str
    n_judged: int
    trials: list[dict[str, Any]]
    notes: list[str]

    @property
    def kept_default(self) -> bool:
        """Whether to train with the default settings."""
        return not self.params


def conclude(trials: Sequence[dict[str, Any]], right: dict[int, list[float]], metric: str) -> SearchResult:
    """Choose among finished trials, of which the first has the default settings.

    Parameters
    ----------
    trials : sequence of dict
        At least one of them complete.
    right : dict of int to list of float
        How right each text is, by the number of the trial, of complete ones.
    metric : str

    Returns
    -------
    SearchResult

    Notes
    -----
    The best trial must beat the default by more than the standard error of their paired difference, as everywhere in
    this package (Hastie, Tibshirani, Friedman 2009, "The Elements of Statistical Learning", section 7.10). Where no
    setting matters, luck lets the best of 20 trials pass that in about 6 of 10 simulated searches, at no cost. A bar as
    high as luck, the expected largest of 20 normal deviates, halves that, but passes up most true gains with it.
    """
    complete = [trial for trial in trials if trial["state"] == "complete"]
    best = max(complete, key=lambda trial: trial["value"])  # the first of equals: the default, if it is among them
    default = trials[0] if trials[0]["state"] == "complete" else None
    gain, error = _gain(right[best["number"]], right[0]) if default else (None, None)
    adopted = best["number"] != 0 and (gain is None or error is None or gain > error)
    n_judged = len(right[best["number"]])
    return SearchResult(
        params=best["params"] if adopted else {},
        best_number=best["number"],
        best_params=best["params"],
        best_score=best["score"],
        default_score=default["score"] if default else None,
        gain=gain,
        gain_error=error,
        metric=metric,
        n_judged=n_judged,
        trials=list(trials),
        notes=[*_choice(best, gain, error, len(trials), n_judged), *_failures(trials)],
    )


def _gain(right: list[float], reference: list[float]) -> tuple[float, float]:
    difference = np.subtract(right, reference)
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))


def _choice(best: dict[str, Any], gain: float | None, error: float | None, n_trials: int, n_judged: int) -> list[str]:
    if best["number"] == 0:
        return [f"the default was kept: none of {n_trials} trials was better on {n_judged} held-out texts"]
    optimism = f"a figure chosen as the best of {n_trials} trials is optimistic: expect less on new texts"
    if gain is None or error is None:
        return [f"trial {best['number']} was taken, without comparison: the default settings failed", optimism]
    measured = f"{100 * gain:+.1f} points on {n_judged} held-out texts, standard error {100 * error:.1f}"
    if gain <= error:
        return [f"the default was kept: the best trial, {best['number']}, is not clearly better ({measured})"]
    luck = 100 * error * expected_luck(n_trials - 1)
    return [f"trial {best['number']} is better than the default ({measured}; luck alone brings {luck:.1f})", optimism]


def expected_luck(n_trials: int) -> float:
    """Return how many standard errors the best of so many trials lies above the rest where all are equal.

    References
    ----------
    Blom 1958, "Statistical Estimates and Transformed Beta-Variables": the expected largest of n normal deviates.

    Examples
    --------
    >>> round(expected_luck(1), 2), round(expected_luck(20), 2)
    (0.0, 1.87)
    """
    return NormalDist().inv_cdf((n_trials - 0.375) / (n_trials + 0.25))


def _failures(trials: Sequence[dict[str, Any]]) -> list[str]:
    errors = [trial["error"] for trial in trials if trial["state"] == "failed"]
    return [f"{len(errors)} of {len(trials)} trials failed, the last with {errors[-1]}"] if errors else []


def write_trials(result: SearchResult, folder: str | Path) -> None:
    """Write ``trials.csv`` and ``trials.png``, each whole or not at all.

    Parameters
    ----------
    result : SearchResult
    folder : str or Path
        Made if need be.
    """
    names = list(dict.fromkeys(name for trial in result.trials for name in trial["params"]))
    write_csv(Path(folder) / "trials.csv", [trial | trial["params"] for trial in result.trials], [*COLUMNS, *names])
    plot_trials(result.trials, Path(folder) / "trials.png", metric=result.metric)
