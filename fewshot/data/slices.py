"""Draw few labelled rows out of many: one few-shot sample, or training slices of growing size, each in the next."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.splits import encode_labeled, pick
from fewshot.data.texts import Label


def sample_few_shot(
    labels: Sequence[Any], n_per_class: int = 8, *, random_state: int | None = 0, allow_fewer: bool = False
) -> np.ndarray:
    """Draw so many rows of each class.

    Single-label rows are those that ``setfit.sample_dataset(dataset, num_samples, seed)`` draws, in its order, so
    that results can be compared with SetFit's.

    Parameters
    ----------
    labels : sequence
        One entry a row: a label, a sequence of labels (multi-label), or ``None``, which is left out.
    n_per_class : int, default 8
        Rows of each class. A multi-label row counts for all its labels, so that frequent ones may get more; rows to
        which no label applies are not drawn.
    random_state : int or None, default 0
        SetFit calls it ``seed``.
    allow_fewer : bool, default False
        Whether to take what there is of a class that has fewer rows.

    Returns
    -------
    array of int
        Positions in ``labels``, shuffled.

    Raises
    ------
    InputError
        If a class has too few rows.

    Examples
    --------
    >>> labels = ["a", "b", "a", "b", "a", None]
    >>> sorted(labels[i] for i in sample_few_shot(labels, 2))
    ['a', 'a', 'b', 'b']
    """
    _check_size("n_per_class", n_per_class)
    rows, _, encoded = encode_labeled(labels)
    if not allow_fewer:
        _check_enough(_classes(labels), encoded, n_per_class)
    order = np.random.default_rng(random_state).permutation(len(rows))
    chosen = order[_few_of_each(encoded[order], n_per_class)]
    return rows[chosen[np.random.default_rng(random_state).permutation(len(chosen))]]


def training_slices(
    labels: Sequence[Any],
    sizes: Sequence[int],
    *,
    random_state: int | None = 0,
    total: bool | None = None,
    allow_fewer: bool = False,
) -> dict[int, np.ndarray]:
    """Draw training slices of several sizes, each a beginning of the next.

    Parameters
    ----------
    labels : sequence
        As of :func:`sample_few_shot`.
    sizes : sequence of int
        Rows of each class, or in all. 0 is the slice without any, for methods that need no label.
    random_state : int or None, default 0
        Another seed draws other slices.
    total : bool, optional
        Whether sizes count rows in all, with the classes in their proportion; by default only for multi-label data,
        where nothing else is possible. Sizes per class draw the rows of :func:`sample_few_shot` with the same seed.
    allow_fewer : bool, default False
        Whether to take what there is of a class that has fewer rows (sizes per class only).

    Returns
    -------
    dict of int to array of int
        Size → positions in ``labels``, sizes ascending.

    Raises
    ------
    InputError
        If sizes are negative, twice the same or not available, or are per class in multi-label data.

    Warns
    -----
    DataWarning
        If a slice lacks a class (sizes in all only).

    Examples
    --------
    >>> slices = training_slices(["a", "b"] * 10, [1, 4])
    >>> {size: len(rows) for size, rows in slices.items()}, set(slices[1]) <= set(slices[4])
    ({1: 2, 4: 8}, True)
    """
    given = _check_sizes(sizes)
    ordered = [size for size in given if size]
    rows, _, encoded = encode_labeled(labels)
    if total is None:
        total = encoded.ndim == 2
    slices: dict[int, np.ndarray] = {}
    if not ordered:
        pass
    elif total:
        slices = _slices_in_all(_classes(labels), encoded, ordered, random_state)
    elif encoded.ndim == 2:
        raise InputError("sizes per class are not possible in multi-label data; pass total=True for sizes in all")
    else:
        if not allow_fewer:
            _check_enough(_classes(labels), encoded, ordered[-1])
        slices = _slices_per_class(encoded, ordered, random_state)
    return {size: rows[slices[size]] if size else rows[:0] for size in given}


def _slices_per_class(codes: np.ndarray, sizes: list[int], random_state: int | None) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(random_state)
    order = rng.permutation(len(codes))
    ranks = _ranks(codes[order])
    return _nested({size: order[ranks < size] for size in sizes}, rng)


def _slices_in_all(
    classes: Sequence[Label], encoded: np.ndarray, sizes: list[int], random_state: int | None
) -> dict[int, np.ndarray]:
    if sizes[-1] > len(encoded):
        raise InputError(f"sizes ask for {sizes[-1]} rows in all, and there are {len(encoded)} labelled rows")
    rng = np.random.default_rng(random_state)
    parts, within = {}, np.arange(len(encoded))
    for size in reversed(sizes):
        within = within[pick(_renumbered(encoded[within]), size, rng, both_sides=False)]
        parts[size] = within
    for size in sizes:
        _warn_if_missing(classes, encoded[parts[size]])
    return _nested({size: parts[size] for size in sizes}, rng)


def _nested(parts: dict[int, np.ndarray], rng: np.random.Generator) -> dict[int, np.ndarray]:
    """Order nested sets of rows so that each is a beginning of the next."""
    slices, drawn = {}, np.zeros(0, dtype=np.int64)
    for size, part in parts.items():
        drawn = np.concatenate([drawn, rng.permutation(np.setdiff1d(part, drawn))])
        slices[size] = drawn
    return slices


def _renumbered(encoded: np.ndarray) -> np.ndarray:
    """Give the classes that are left new numbers without holes."""
    return np.unique(encoded, return_inverse=True)[1] if encoded.ndim == 1 else encoded


def _few_of_each(encoded: np.ndarray, n_per_class: int) -> np.ndarray:
    """Return the positions of the first ``n_per_class`` rows of each class, ascending."""
    if encoded.ndim == 1:
        return np.flatnonzero(_ranks(encoded) < n_per_class)
    chosen = np.zeros(len(encoded), dtype=bool)
    for column in np.argsort(encoded.sum(axis=0), kind="stable"):
        holds = encoded[:, column] == 1
        lacking = max(n_per_class - int((chosen & holds).sum()), 0)
        chosen[np.flatnonzero(holds & ~chosen)[:lacking]] = True
    return np.flatnonzero(chosen)


def _ranks(codes: np.ndarray) -> np.ndarray:
    """Return of each row how many rows of its class stand before it."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    ranks = np.empty(len(codes), dtype=np.int64)
    ranks[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return ranks


def _classes(labels: Sequence[Any]) -> tuple[Label, ...]:
    return LabelSpace.of([label for label in labels if label is not None], warn=False).classes


def _counts(encoded: np.ndarray, n_classes: int) -> np.ndarray:
    return np.bincount(encoded, minlength=n_classes) if encoded.ndim == 1 else encoded.sum(axis=0)


def _check_enough(classes: Sequence[Label], encoded: np.ndarray, n_per_class: int) -> None:
    counts = _counts(encoded, len(classes))
    rarest = int(counts.argmin())
    if counts[rarest] < n_per_class:
        raise InputError(
            f"class {classes[rarest]!r} has {counts[rarest]} labelled rows, fewer than the {n_per_class} asked for; "
            f"ask for at most {counts[rarest]} (--slices), count labels in all (--total, total=True), label more, or "
            "in Python pass allow_fewer=True to take what there is"
        )


def _warn_if_missing(classes: Sequence[Label], part: np.ndarray) -> None:
    missing = [classes[column] for column in np.flatnonzero(_counts(part, len(classes)) == 0).tolist()]
    if missing:
        names = ", ".join(map(repr, missing[:8])) + (", …" if len(missing) > 8 else "")
        warnings.warn(
            f"the slice of {len(part)} rows cannot hold each of the {len(classes)} classes once: it lacks "
            f"{len(missing)}, {names}, which nothing trained on it can predict; ask for a larger slice",
            DataWarning,
            stacklevel=4,
        )


def _check_size(argument: str, size: Any, *, least: int = 1) -> int:
    if isinstance(size, (bool, np.bool_)) or not isinstance(size, (int, np.integer)) or size < least:
        raise InputError(
            f"{argument} must be {'a positive integer' if least else 'an integer from 0 on'}, got {size!r}"
        )
    return int(size)


def _check_sizes(sizes: Any) -> list[int]:
    if isinstance(sizes, (str, bytes)) or not hasattr(sizes, "__iter__"):
        raise InputError(f"sizes must be a sequence of integers, got {sizes!r}")
    checked = [_check_size("each of sizes", size, least=0) for size in sizes]
    if not checked:
        raise InputError("sizes must name at least one size, got none")
    twice = [size for size in checked if checked.count(size) > 1]
    if twice:
        raise InputError(f"sizes must be distinct, got {twice[0]} twice")
    return sorted(checked)
