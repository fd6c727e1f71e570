"""Where a multi-label probability becomes a label: thresholds with the best F1 on held-out predictions."""

import numpy as np

from fewshot.core.errors import InputError, did_you_mean

FEW_POSITIVES = 10
FEW_IN_ALL = 20
"""With so many true labels, half of a threshold is the best one, half that of :func:`matching_threshold`.

Of 0, 20, 80 and no end, 20 was best for the linear probe on train texts of GoEmotions (8 and 28 labels) and on the
project's own issues, 4, 8, 16 and 32 texts in all, eight draws each: mean micro-F1 on other texts 0.283, 0.313, 0.303
and 0.287."""

FEW_OF_TRAINED = 80
"""As many where the encoder was trained, too.

Of 0, 5, 10, 20, 40 and 80 it was best by a little. Micro-F1 on other texts, mean of two or three draws each, with 0,
80 and the best threshold for these very texts: SetFit with 16 texts of GoEmotions 0.313, 0.368, 0.445; with 8 of the
issues 0.443, 0.531, 0.539; fine-tuning with 8 of these 0.331, 0.417, 0.448."""

THRESHOLDS = ("common", "per-label")


def best_threshold(y: np.ndarray, probabilities: np.ndarray, *, default: float = 0.5) -> float:
    """Return the one threshold for all labels that gives the best micro-F1.

    Parameters
    ----------
    y : ndarray of shape (n_texts, n_labels)
        0/1 matrix of true labels.
    probabilities : ndarray of shape (n_texts, n_labels)
        Probabilities from a model that did not see these rows, as by cross-validation.
    default : float, default=0.5
        The answer where no label is true anywhere.

    Returns
    -------
    float
        Midway between two neighbouring probabilities, so that small changes do not flip labels, and always such that
        ``probabilities >= threshold`` tells the two apart, however near they are. Among equals the one nearest to
        ``default``.

    References
    ----------
    Lipton, Elkan, Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure", ECML PKDD.

    Examples
    --------
    >>> round(best_threshold(np.array([[1, 0], [0, 1]]), np.array([[0.4, 0.1], [0.2, 0.3]])), 3)
    0.25
    """
    _check(y, probabilities)
    positives = y.sum()
    if not positives:
        return default
    order = np.argsort(-probabilities, axis=None, kind="stable")
    scores, hits = probabilities.ravel()[order], np.cumsum(y.ravel()[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + positives)
    cuts = np.append(scores[1:], np.zeros(1, dtype=scores.dtype))
    usable = scores > cuts  # between equal probabilities there is no threshold
    thresholds = _between(cuts, scores)
    best = np.flatnonzero(usable & np.isclose(f1, f1[usable].max(initial=0.0), rtol=0, atol=1e-12))
    if not len(best):
        return default
    return float(thresholds[best[np.argmin(np.abs(thresholds[best] - default))]])


def matching_threshold(y: np.ndarray, probabilities: np.ndarray, *, default: float = 0.5) -> float:
    """Return the one threshold from which as many labels apply as are true.

    Parameters
    ----------
    y, probabilities, default
        As of :func:`best_threshold`.

    Returns
    -------
    float
        Midway between two neighbouring probabilities; where several are equal there, all of them apply.

    References
    ----------
    Read, Pfahringer, Holmes, Frank 2009, "Classifier Chains for Multi-label Classification", ECML PKDD.

    Examples
    --------
    >>> round(matching_threshold(np.array([[1, 0], [0, 0]]), np.array([[0.4, 0.1], [0.6, 0.3]])), 3)
    0.5
    """
    _check(y, probabilities)
    positives = int(y.sum())
    if not positives:
        return default
    scores = np.append(-np.sort(-probabilities, axis=None), np.zeros(1, dtype=probabilities.dtype))
    last, following = scores[positives - 1 : positives], scores[positives : positives + 1]
    return float(_between(following, last)[0] if last > following else last[0])


def steady_threshold(y: np.ndarray, probabilities: np.ndarray, *, few: float = FEW_IN_ALL) -> float:
    """Return the one threshold with the best micro-F1, near the one that matches the labels' number if these are few.

    Parameters
    ----------
    y, probabilities
        As of :func:`best_threshold`.
    few : float, default=20
        So many true labels weigh as much as the threshold of :func:`matching_threshold`.

    Returns
    -------
    float
        ``(p * best + few * matching) / (p + few)`` for ``p`` true labels.

    Notes
    -----
    With a text or two of each label, whoever predicts a text has not seen its labels: all its true ones look
    improbable, and F1 is best if every label applies to every text. So many never do.

    Examples
    --------
    >>> y, probabilities = np.array([[1, 0], [0, 1]]), np.array([[0.3, 0.1], [0.2, 0.1]])
    >>> best_threshold(y, probabilities), round(steady_threshold(y, probabilities), 3)
    (0.25, 0.159)
    """
    _check_few(few)
    positives = int(y.sum())
    best, matching = best_threshold(y, probabilities), matching_threshold(y, probabilities)
    if best == matching or not few:  # a mean of the two might be rounded past a neighbouring probability
        return best
    return (positives * best + few * matching) / (positives + few)


def best_thresholds_per_label(
    y: np.ndarray, probabilities: np.ndarray, default: float | None = None, *, few: float = FEW_POSITIVES
) -> np.ndarray:
    """Return a threshold for each label with the best F1 of that label, near the common one where evidence is thin.

    Parameters
    ----------
    y : ndarray of shape (n_texts, n_labels)
        0/1 matrix of true labels.
    probabilities : ndarray of shape (n_texts, n_labels)
        Probabilities from a model that did not see these rows, as by cross-validation.
    default : float, optional
        The common threshold; by default :func:`best_threshold` of the same predictions.
    few : float, default=10
        So many texts with the label weigh as much as the common threshold.

    Returns
    -------
    ndarray of shape (n_labels,)
        ``(p * own + few * common) / (p + few)`` for a label with ``p`` true rows: one that is never true has the
        common threshold, one that is true 90 times mostly its own.

    Notes
    -----
    The F1-optimal threshold of a handful of positives is one of their own probabilities give or take, and on new texts
    often worse than the common one; shrinking takes the better of both.

    Examples
    --------
    >>> y, probabilities = np.array([[1, 0], [0, 0], [1, 0]]), np.array([[0.9, 0.1], [0.2, 0.3], [0.8, 0.2]])
    >>> best_thresholds_per_label(y, probabilities, default=0.5).round(2).tolist()
    [0.5, 0.5]
    """
    _check(y, probabilities)
    _check_few(few)
    common = best_threshold(y, probabilities) if default is None else default
    thresholds = np.full(y.shape[1], float(common))
    for label in np.flatnonzero(y.sum(axis=0) > 0):
        own = best_threshold(y[:, [label]], probabilities[:, [label]], default=common)
        positives = int(y[:, label].sum())
        thresholds[label] = (positives * own + few * common) / (positives + few)
    return thresholds


def thresholds_of_trained(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return a threshold for each label of a classifier whose encoder was trained."""
    return np.asarray(chosen_thresholds(y, probabilities, "per-label", few=FEW_OF_TRAINED))


def chosen_thresholds(
    y: np.ndarray, probabilities: np.ndarray, thresholds: str, *, few: float = FEW_IN_ALL
) -> float | np.ndarray:
    """Return the ``"common"`` threshold that is best on held-out predictions, or one ``"per-label"``.

    ``few`` is that of :func:`steady_threshold`.
    """
    common = steady_threshold(y, probabilities, few=few)
    return common if thresholds == "common" else best_thresholds_per_label(y, probabilities, common)


def check_thresholds(thresholds: str) -> None:
    """Raise :class:`InputError` unless this says how thresholds are to be chosen."""
    if thresholds not in THRESHOLDS:
        hint = did_you_mean(str(thresholds), THRESHOLDS)
        raise InputError(f"thresholds must be one of {', '.join(THRESHOLDS)}, got {thresholds!r}.{hint}")


def with_one_label(applies: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return which labels apply, the most probable one where none does.

    Parameters
    ----------
    applies : ndarray of bool, shape (n_texts, n_labels)
    probabilities : ndarray of shape (n_texts, n_labels)

    Returns
    -------
    ndarray of bool, shape (n_texts, n_labels)
        Of equally probable labels the first.

    Examples
    --------
    >>> with_one_label(np.array([[False, False], [True, True]]), np.array([[0.1, 0.3], [0.6, 0.7]])).tolist()
    [[False, True], [True, True]]
    """
    filled = applies.copy()
    empty = np.flatnonzero(~applies.any(axis=1))
    filled[empty, probabilities[empty].argmax(axis=1)] = True
    return filled


def micro_f1(y: np.ndarray, applies: np.ndarray) -> float:
    """Return the micro-F1 of predictions ``(n_texts, n_labels)``; 0 where no label is true or predicted.

    Examples
    --------
    >>> round(micro_f1(np.array([[1, 0], [1, 1]]), np.array([[True, True], [True, False]])), 3)
    0.667
    """
    return float(2 * (y * applies).sum() / max(1.0, y.sum() + applies.sum()))


def _check(y: np.ndarray, probabilities: np.ndarray) -> None:
    if y.shape != probabilities.shape or y.ndim != 2:
        raise InputError(f"y and probabilities must have one shape, got {y.shape} and {probabilities.shape}")


def _check_few(few: float) -> None:
    if not few >= 0:
        raise InputError(f"few must be at least 0, got {few}")


def _between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    # In the probabilities' own precision: a threshold is rounded to it when it is compared with them.
    middle = low + (high - low) / 2
    return np.where(middle > low, middle, high)
