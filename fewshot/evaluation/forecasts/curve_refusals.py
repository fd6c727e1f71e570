"""Which learning curves tell nothing of larger slices, and why, in a sentence for whoever asked."""

import numpy as np

from fewshot.evaluation.forecasts.curve_fits import slope_and_error

LEAST_SIZES = 3
LEAST_SEEDS = 2
LEAST_SPAN = 3.0
"""The largest slice holds at least so many times the labels of the smallest."""

CLEAR_RISE = 1.5
"""A rise of fewer standard errors may be chance."""


def why_not(sizes: np.ndarray, scores: np.ndarray, *, n_failed: int = 0) -> str | None:
    """Say why a learning curve cannot be continued.

    Parameters
    ----------
    sizes : ndarray of shape (n_slices,)
        Labelled texts in all, ascending.
    scores : ndarray of shape (n_seeds, n_slices)
        From 0 to 1, NaN where there is none.
    n_failed : int, default 0
        How many of those failed.

    Returns
    -------
    str or None
        The reason; ``None`` where it can.

    Examples
    --------
    >>> why_not(np.array([8, 16, 32]), np.array([[0.4, 0.5, 0.6]] * 3)) is None
    True
    >>> why_not(np.array([8, 16]), np.array([[0.4, 0.5]] * 3))
    'there are results at 2 sizes of slices; a curve needs at least 3, such as --slices 4,8,16'
    """
    if not sizes.size:
        return "it learns from no labels, so that more of them change nothing"
    whole = whole_seeds(scores)
    return (
        _few_sizes(sizes)
        or _few_seeds(scores, len(whole), n_failed)
        or _narrow_span(sizes)
        or _no_rise(sizes, *slope_and_error(sizes, whole))
    )


def whole_seeds(scores: np.ndarray) -> np.ndarray:
    """Return the rows of the seeds that have a score at every size."""
    return scores[np.isfinite(scores).all(axis=1)]


def _few_sizes(sizes: np.ndarray) -> str | None:
    if len(sizes) >= LEAST_SIZES:
        return None
    counted = f"{len(sizes)} size{'' if len(sizes) == 1 else 's'} of slices"
    return f"there are results at {counted}; a curve needs at least {LEAST_SIZES}, such as --slices 4,8,16"


def _few_seeds(scores: np.ndarray, n_whole: int, n_failed: int) -> str | None:
    if n_whole >= LEAST_SEEDS:
        return None
    failed = f" ({n_failed} of {scores.size} trainings failed)" if n_failed else ""
    have = f"{n_whole} of {len(scores)} draws {'has' if n_whole == 1 else 'have'} a result at every size{failed}"
    return f"{have}; what is chance and what is learnt shows from {LEAST_SEEDS} draws on, better 5 (--seeds 5)"


def _narrow_span(sizes: np.ndarray) -> str | None:
    if sizes[-1] >= LEAST_SPAN * sizes[0]:
        return None
    return (
        f"the slices lie too close together, from {sizes[0]:,.0f} to {sizes[-1]:,.0f} labels; let the largest have at "
        "least four times the labels of the smallest"
    )


def _no_rise(sizes: np.ndarray, slope: float, error: float) -> str | None:
    if slope >= CLEAR_RISE * error:
        return None
    points = round(100 * slope, 1) + 0.0  # no minus before a zero
    return (
        f"from {sizes[0]:,.0f} to {sizes[-1]:,.0f} labels the scores change by {points:+.1f} points a doubling, "
        f"give or take {100 * error:.1f}: chance alone could make that; more draws (--seeds) or larger slices may show "
        "a rise"
    )
