"""Which methods differ, and which only seem to: each against the best of its slice, on the same seeds and texts.

A mean over seeds moves with the training texts that were drawn and with the test texts that happened to be there. Both
are resampled here, seeds crossed with texts, all methods on the same ones, so that what is hard for all of them
cancels out (paired bootstrap: Koehn 2004; for the field: Dror et al. 2018).

How sure a mean or a difference is, is reckoned in ``standard_error``, the resampled scores in ``resampling``.

The best is chosen by the same figures that it is then tested with. P values are therefore corrected for all pairs of
methods of a slice (Holm 1979), not only for those with the best: that would call one of ten equal methods worse in one
comparison of eight, at a level of one in twenty.

References
----------
Dror, Baumer, Shlomov, Reichart 2018, "The hitchhiker's guide to testing statistical significance in natural language
processing", ACL. Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6. Koehn 2004, "Statistical significance tests for machine translation evaluation", EMNLP.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.core.progress import track
from fewshot.evaluation.metrics import COMPARED
from fewshot.evaluation.runner.prediction_set import Entrant, PredictionSet
from fewshot.evaluation.statistics.resampling import draw_counts, resampled_scores
from fewshot.evaluation.statistics.standard_error import Estimate, estimate_mean
from fewshot.evaluation.statistics.summary import entrant_names

BEST = "best"
NEAR = "not distinguishable from best"
WORSE = "worse"

CONTRAST_COLUMNS = (
    *("slice", "metric", *Entrant._fields, "n_seeds", "resampled", "mean", "sd", "low", "high", "mean_rank"),
    *("share_best", "best", "n_shared_seeds", "difference", "difference_low", "difference_high", "p_value", "p_holm"),
    "verdict",
)
"""What ``contrasts.csv`` holds, in order."""


def contrast_methods(
    predictions: PredictionSet, *, confidence: float = 0.95, n_resamples: int = 2000, random_state: int = 0
) -> list[dict[str, Any]]:
    """Compare every method with the best of its slice, for each of ``COMPARED``.

    Parameters
    ----------
    predictions : PredictionSet
        See :func:`fewshot.evaluation.runner.prediction_set.read_predictions`.
    confidence : float, default 0.95
        Of bands and intervals; one minus it is the level of the verdicts.
    n_resamples : int, default 2000
        How many bootstrap samples.
    random_state : int, default 0
        Decides them.

    Returns
    -------
    list of dict
        One row a slice, metric and method, with one value for each of ``CONTRAST_COLUMNS``:

        - ``n_seeds`` of the method; ``resampled`` is ``"seeds and texts"``, or ``"texts"`` where there is one seed:
          then the chance of another draw of training texts is in none of the figures.
        - ``mean`` and ``sd`` over seeds (``None`` with one), and the confidence band ``low`` to ``high`` of the mean.
        - ``mean_rank`` over resamples (1 is best, equals share) and ``share_best`` of resamples.
        - ``best``, the method with the highest mean, with encoder or pool where it ran with several; ``difference`` to
          it (0 or less), its interval and ``p_value`` (two-sided), over the ``n_shared_seeds`` that both have;
          ``p_holm``, corrected for all pairs.
        - ``verdict``: ``"best"``, ``"not distinguishable from best"``, or ``"worse"``.

        What compares is ``None`` for the best itself, for a method alone on its slice, and where no seed is shared.

    Raises
    ------
    InputError
        If ``confidence`` is not between 0 and 1, or there are fewer than 100 resamples.

    Examples
    --------
    >>> from fewshot.data.labels import LabelSpace
    >>> from fewshot.evaluation.runner.contest import Cell
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(2, size=300)
    >>> flips = {"good": 0.1, "same": 0.1, "poor": 0.3}
    >>> answers = {
    ...     Cell(method, "", None, 8, 16, seed, key=f"{method}-{seed}"): truth ^ (rng.random(300) < share)
    ...     for method, share in flips.items() for seed in range(5)
    ... }
    >>> rows = contrast_methods(PredictionSet(LabelSpace(("a", "b"), False), truth, answers))
    >>> [(row["method"], row["verdict"]) for row in rows if row["metric"] == "accuracy"]
    [('good', 'best'), ('same', 'not distinguishable from best'), ('poor', 'worse')]
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, such as 0.95; got {confidence}")
    if n_resamples < 100:
        raise InputError(f"n_resamples must be at least 100, got {n_resamples}")
    rows = []
    slices = predictions.slices
    with track("comparing text by text", total=len(slices)) as advance:
        for slice in slices:
            for field in _fields(predictions, slice, n_resamples, random_state):
                rows += _rows_of(field, confidence)
            advance(1)
    return rows


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Correct p values for their number (Holm 1979): the chance of any false alarm among them stays below the level.

    Parameters
    ----------
    p_values : sequence of float

    Returns
    -------
    ndarray
        Corrected values in the same order, at most 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0))
    return corrected


@dataclasses.dataclass(frozen=True, eq=False)
class _Field:
    """All methods of a slice on one metric.

    ``names`` are those of the entrants. ``scores`` is of shape (n_entrants, n_seeds, 1 + n_resamples): on the test
    texts as they are, then resampled; NaN where there is no cell. ``seeds`` of shape (n_seeds, n_resamples) counts how
    often each seed was drawn.
    """

    slice: int
    metric: str
    names: dict[Entrant, str]
    scores: np.ndarray
    seeds: np.ndarray
    n_texts: int

    @property
    def there(self) -> np.ndarray:
        """Which entrant has which seed, (n_entrants, n_seeds)."""
        return ~np.isnan(self.scores[:, :, 0])


def _fields(predictions: PredictionSet, slice: int, n_resamples: int, random_state: int) -> list[_Field]:
    cells = [cell for cell in predictions.answers if cell.slice == slice]
    everyone = predictions.entrants
    named = zip(everyone, entrant_names(one._asdict() for one in everyone), strict=True)
    names = {one: name for one, name in named if predictions.cells_of(one, slice)}
    entrants = list(names)
    seeds = sorted({cell.seed for cell in cells})
    found = resampled_scores(
        predictions.truth,
        [predictions.answers[cell] for cell in cells],
        predictions.space,
        n_resamples=n_resamples,
        random_state=random_state,
    )
    scores = np.full((len(COMPARED), len(entrants), len(seeds), 1 + n_resamples), np.nan)
    owners = {
        cell: (number, seeds.index(cell.seed))
        for number, one in enumerate(entrants)
        for cell in predictions.cells_of(one, slice)
    }
    for number, cell in enumerate(cells):
        entrant, seed = owners[cell]
        scores[:, entrant, seed] = found[:, number]
    drawn = draw_counts(np.random.default_rng([random_state, 1]), len(seeds), n_resamples)
    return [
        _Field(slice, metric, names, scores[number], drawn, len(predictions.truth))
        for number, metric in enumerate(COMPARED)
    ]


def _rows_of(field: _Field, confidence: float) -> list[dict[str, Any]]:
    own = [estimate_mean(scores[there], field.n_texts) for scores, there in zip(field.scores, field.there, strict=True)]
    best = max(range(len(own)), key=lambda number: own[number].value)
    rank, share = _ranks(field)
    pairs = _pairs(field)
    against = _against(best, pairs)
    rows = []
    for number, entrant in enumerate(field.names):
        row = dict.fromkeys(CONTRAST_COLUMNS) | {"slice": field.slice, "metric": field.metric} | entrant._asdict()
        row |= _own_columns(field.scores[number, field.there[number], 0], own[number], confidence)
        row |= {"mean_rank": float(rank[number]), "share_best": float(share[number])}
        if len(own) > 1:
            row["best"] = list(field.names.values())[best]
            row["n_shared_seeds"] = int((field.there[number] & field.there[best]).sum())
        if number == best and len(own) > 1:
            row["verdict"] = BEST
        elif number in against:
            row |= _compared_columns(*against[number], confidence)
        rows.append(row)
    return rows


def _own_columns(scores: np.ndarray, own: Estimate, confidence: float) -> dict[str, Any]:
    reach = own.reach(confidence)
    return {
        "n_seeds": len(scores),
        "resampled": "seeds and texts" if len(scores) > 1 else "texts",
        "mean": own.value,
        "sd": float(scores.std(ddof=1)) if len(scores) > 1 else None,
        "low": max(own.value - reach, 0.0),
        "high": min(own.value + reach, 1.0),
    }


def _compared_columns(difference: Estimate, p_holm: float, confidence: float) -> dict[str, Any]:
    reach = difference.reach(confidence)
    worse = p_holm < 1 - confidence and difference.value < 0
    return {
        "difference": difference.value,
        "difference_low": max(difference.value - reach, -1.0),
        "difference_high": min(difference.value + reach, 1.0),
        "p_value": difference.p_value,
        "p_holm": p_holm,
        "verdict": WORSE if worse else NEAR,
    }


def _pairs(field: _Field) -> dict[tuple[int, int], Estimate]:
    """Estimate the difference of every two entrants over the seeds that both have."""
    there = field.there
    pairs = itertools.combinations(range(len(field.names)), 2)
    shared = {(a, b): there[a] & there[b] for a, b in pairs}
    return {
        (a, b): estimate_mean(field.scores[a, seeds] - field.scores[b, seeds], field.n_texts)
        for (a, b), seeds in shared.items()
        if seeds.any()
    }


def _against(best: int, pairs: dict[tuple[int, int], Estimate]) -> dict[int, tuple[Estimate, float]]:
    """Return for each that shares a seed with the best: its difference to the best, and the p value corrected."""
    corrected = holm([pair.p_value for pair in pairs.values()])
    found = {}
    for ((a, b), pair), p in zip(pairs.items(), corrected, strict=True):
        if best in (a, b):
            found[a + b - best] = pair._replace(value=-pair.value if a == best else pair.value), float(p)
    return found


def _ranks(field: _Field) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean rank of each entrant over resamples of seeds and texts, and how often it is the best."""
    weights = field.there[:, :, None] * field.seeds
    # A sample may hold no seed that an entrant has: then all of its seeds stand for it.
    weights += field.there[:, :, None] * (weights.sum(axis=1, keepdims=True) == 0)
    means = (np.nan_to_num(field.scores[:, :, 1:]) * weights).sum(axis=1) / weights.sum(axis=1)
    above = np.stack([(means > mean).sum(axis=0) for mean in means])
    equal = np.stack([(means == mean).sum(axis=0) for mean in means])
    first = (above == 0) / equal
    return (1 + above + (equal - 1) / 2).mean(axis=1), first.mean(axis=1)
