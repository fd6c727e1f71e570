"""The texts of a comparison: what slices are drawn from, what is judged on, the pools, and each kept off the others."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.cleaning import CleaningReport
from fewshot.data.folds import deal_alike
from fewshot.data.labels import LabelSpace
from fewshot.data.slices import training_slices
from fewshot.data.splits import balanced_split
from fewshot.data.texts import TextData
from fewshot.evaluation.runner.folds import Folds
from fewshot.recipes.crossing import origin_of, pool_names, sized_pools
from fewshot.recipes.sources import Reading, content_hash, require_labels, without_texts_of
from fewshot.recipes.usual_slices import USUAL, Room, room_in

FEW_HELD_OUT = 100
"""Fewer test texts than these tell hardly anything apart: of 100 an accuracy is uncertain by up to ±5 points (one
standard error), about as much as lies between methods."""

FOLDS = 5
"""So many folds are recommended: each training draws from four fifths of the labels, at five times the trainings."""


class Draw(NamedTuple):
    """One draw of nested training slices: its seed, and the fold that it was kept off."""

    seed: int
    fold: int | None = None

    @property
    def name(self) -> int | str:
        """The seed, and the fold if there is one."""
        return self.seed if self.fold is None else f"{self.seed}, fold {self.fold}"


Slices = Mapping[Draw, Mapping[int, np.ndarray]]
"""Rows of the labelled texts, by draw and by size."""


@dataclasses.dataclass(frozen=True)
class ComparedTexts:
    """The texts of one comparison.

    Parameters
    ----------
    labeled : TextData
        What slices are drawn from.
    test : TextData
        What is judged on; in a cross-validation those of ``labeled`` that can be held out.
    pools : dict of int or str to list of str
        Unlabelled texts by what ``results.csv`` calls them; empty where there are none.
    notes : list of str
        What was done to the data.
    left_out : dict of str to int
        How many texts were left out because the test set has them.
    fold_of : dict of int to ndarray of shape (n_labeled,), optional
        In a cross-validation: by seed, the fold of each labelled text; -1 for one that is never held out.
    judged_hash : str
        Hash of the labelled texts that ``test`` is, or is a part of.
    pool_sources : dict of int or str to object
        Where pools came from, as it was given; those of ``labeled`` alone have no other source.
    """

    labeled: TextData
    test: TextData
    pools: dict[int | str, list[str]]
    notes: list[str]
    left_out: dict[str, int]
    fold_of: dict[int, np.ndarray] | None = None
    judged_hash: str = ""
    pool_sources: dict[int | str, Any] = dataclasses.field(default_factory=dict)

    @property
    def folds(self) -> Folds | None:
        """Which test texts are held out together, in a cross-validation."""
        if self.fold_of is None:
            return None
        return Folds({seed: dealt[dealt >= 0] for seed, dealt in self.fold_of.items()})

    def judged(self, draw: Draw) -> TextData:
        """Return the texts that what learns from a draw is judged on."""
        folds = self.folds
        return self.test if folds is None else self.test.select(folds.rows_of(*draw))

    def draw_slices(self, sizes: Sequence[int], seeds: Sequence[int], *, total: bool | None) -> Slices:
        """Draw nested slices for each seed, in a cross-validation for each of its folds.

        Raises
        ------
        InputError
            If there are too few labels.
        """
        parts = self._trainable(seeds)
        labels = self._labels_of(parts)
        if self.fold_of is not None:
            _check_sizes(sizes, room_in(list(labels.values()), total=total))
        drawn = {
            draw: training_slices(of_part, sizes, random_state=draw.seed, total=total)
            for draw, of_part in labels.items()
        }
        return {draw: {size: parts[draw][rows] for size, rows in slices.items()} for draw, slices in drawn.items()}

    def usual_sizes(self, seeds: Sequence[int], *, total: bool | None) -> tuple[int, ...]:
        """Return sizes of slices that all draws allow, and note it where they are not the usual ones."""
        room = room_in(list(self._labels_of(self._trainable(seeds)).values()), total=total)
        if room.sizes == USUAL:
            return USUAL
        sizes, usual = (", ".join(map(str, some)) for some in (room.sizes, USUAL))
        self.notes.append(f"slices of {sizes} were chosen ({usual} where labels suffice): {room.most} {room.what}")
        return room.sizes

    def _labels_of(self, parts: Mapping[Draw, np.ndarray]) -> dict[Draw, list[Any]]:
        return {draw: [self.labeled.labels[row] for row in part] for draw, part in parts.items()}

    def _trainable(self, seeds: Sequence[int]) -> dict[Draw, np.ndarray]:
        """Return the rows of the labelled texts that may be learnt from, by draw."""
        if self.fold_of is None:
            return {Draw(seed): np.arange(len(self.labeled)) for seed in seeds}
        return {
            Draw(seed, fold): np.flatnonzero(self.fold_of[seed] != fold)
            for seed in seeds
            for fold in np.unique(self.fold_of[seed]).tolist()
            if fold >= 0
        }


def _check_sizes(sizes: Sequence[int], room: Room) -> None:
    """Raise unless the labels that every training may draw from suffice for the largest slice."""
    if max(sizes) > room.most:
        raise InputError(
            f"slices must be at most {room.most} ({room.what} outside the fold that is held out), got {max(sizes)}; "
            "give smaller slices, or more folds, or label more"
        )


def read_compared(
    labeled: Any,
    test: Any,
    unlabeled: Sequence[Any],
    *,
    reading: Reading,
    folds: int | None,
    seeds: Sequence[int],
    test_size: float,
    pool_sizes: Sequence[int] | None,
) -> ComparedTexts:
    """Read what a comparison is made of, see :func:`~fewshot.recipes.comparison.compare_methods`.

    Parameters
    ----------
    labeled, test
        Files or tables; ``test`` may be ``None``.
    unlabeled : sequence
        Pools; unlabelled rows of ``labeled`` join each of them.
    reading : Reading
    folds : int or None
        Cross-validate with so many folds; 0 or ``None`` holds out a part once where there is no test set.
    seeds : sequence of int
        The first decides what is held out, and what is drawn of pools; each deals the folds anew.
    test_size : float
    pool_sizes : sequence of int or None

    Raises
    ------
    InputError
        If there are both a test set and folds, or a source cannot be used.
    """
    data, report = reading.load_clean(labeled)
    notes = _told_cleaning(data, report)
    rows, dealt, left_out = require_labels(data), None, {}
    judged_hash = content_hash(rows)
    if test is not None:
        if folds:
            raise InputError(f"folds={folds} (--folds) is for comparisons without a test set; leave one of them out")
        judged = require_labels(reading.load_clean(test)[0])
        if judged.multi_label != rows.multi_label:
            kinds = {True: "several labels a text", False: "one label a text"}
            raise InputError(
                f"{rows.source} has {kinds[rows.multi_label]}, and the test set {judged.source} has "
                f"{kinds[judged.multi_label]}; --multi-label or --single-label (multi_label=) says how to read both"
            )
        judged_hash = content_hash(judged)
        n_before = len(rows)
        rows = without_texts_of(rows, judged, role="labelled")
        left_out["labelled"] = n_before - len(rows)
        if not len(rows):
            raise InputError(
                f"no labelled text is left that is not in {judged.source}, too; give other test texts, or none"
            )
    elif folds:
        judged, dealt = _deal(rows, folds, seeds)
        notes.append(_told_folds(judged, folds))
    else:
        split = balanced_split(rows.labels, test_size, random_state=seeds[0])
        judged, rows = rows.select(split.test), rows.select(split.train)
        notes.append(f"no test set was given: {len(judged)} of the labelled texts were held out as one")
        if folds is None:
            _warn_if_few(len(judged), len(judged) + len(rows))
    pools = _read_pools(data, unlabeled, reading, notes)
    if pools:
        n_before = sum(map(len, pools.values()))
        pools = {name: without_texts_of(pool, judged, role="unlabelled") for name, pool in pools.items()}
        left_out["unlabelled"] = n_before - sum(map(len, pools.values()))
    texts = {name: pool.texts for name, pool in pools.items() if len(pool)}
    if pool_sizes is not None and not texts:
        raise InputError(
            "pool_sizes (--pool-sizes) is for unlabelled texts, and there are none; give some (--unlabeled)"
        )
    sized = sized_pools(texts, pool_sizes, random_state=seeds[0])
    sources = dict(zip(pools, unlabeled, strict=False))  # of the pool that is in ``labeled`` there is no other source
    origins = {key: origin_of(key, texts) for key in sized}
    told = {key: sources[origin] for key, origin in origins.items() if origin in sources}
    return ComparedTexts(rows, judged, sized, notes, left_out, dealt, judged_hash, told)


def _deal(rows: TextData, folds: int, seeds: Sequence[int]) -> tuple[TextData, dict[int, np.ndarray]]:
    """Return the texts that can be held out, and by seed the fold of each text, -1 for the others."""
    if not 2 <= folds <= len(rows):
        raise InputError(f"folds must be between 2 and the {len(rows)} labelled texts, got {folds}")
    codes = LabelSpace.of(rows.labels, warn=False).encode(rows.labels)
    dealt = {seed: deal_alike(codes, folds, seed) for seed in seeds}
    judged = np.flatnonzero(dealt[seeds[0]] >= 0)  # a text alone in its class is in no fold, whatever the seed
    if not len(judged):
        raise InputError("every class has one labelled text: none can be held out; label more")
    return rows.select(judged), dealt


def _told_folds(judged: TextData, folds: int) -> str:
    return (
        f"no test set was given: for each seed the {len(judged)} labelled texts were dealt into {folds} folds, each "
        "judged by trainings on slices of the others. Trainings share texts, so that seeds are less independent than "
        "draws from many labels, and bands are somewhat too narrow"
    )


def _warn_if_few(n_held_out: int, n: int) -> None:
    if n_held_out < FEW_HELD_OUT:
        warnings.warn(
            f"no test set was given, and the {n_held_out} labelled texts held out as one leave an accuracy uncertain "
            f"by up to ±{50 / n_held_out**0.5:.0f} points; --folds {FOLDS} (folds={FOLDS}, with another --out) judges "
            f"on all {n} in turn (±{50 / n**0.5:.0f}) and leaves more to learn from, at {FOLDS} times the trainings; "
            "--folds 0 says that one part is meant",
            DataWarning,
            stacklevel=4,
        )


def _read_pools(data: TextData, unlabeled: Sequence[Any], reading: Reading, notes: list[str]) -> dict[str, TextData]:
    own = [data.unlabeled] if len(data.unlabeled) else []
    extras = []
    for source in unlabeled:
        extra, report = reading.load_pool(source)
        notes += _told_cleaning(extra, report)
        extras.append(extra)
    named = dict(zip(pool_names(extras or own), extras or own, strict=True))
    return {name: _joined([*own, pool] if extras else own) for name, pool in named.items()}


def _told_cleaning(data: TextData, report: CleaningReport) -> list[str]:
    """Return what became of a source's texts; where all stayed as they were, nothing."""
    touched = report.n_after < report.n_before or report.whitespace_fixed
    return [f"{data.source}: {report.summary()}"] if touched else []


def _joined(pools: list[TextData]) -> TextData:
    texts = list(dict.fromkeys(text for pool in pools for text in pool.texts))
    rows = list(range(len(texts)))
    return TextData(texts, [None] * len(texts), multi_label=False, rows=rows, source=pools[-1].source)
