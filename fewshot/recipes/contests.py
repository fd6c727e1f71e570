"""The contests of a comparison: each cell with its key, its training slice, and how its contestant is made."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fewshot.core.artifacts import fingerprint
from fewshot.core.versions import library_versions
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import TextData
from fewshot.encoders.base import Encoder
from fewshot.evaluation.runner.contest import Cell, Contest
from fewshot.recipes.costs import Costing
from fewshot.recipes.method import Method, Surroundings
from fewshot.recipes.methods import find_method, make_classifier
from fewshot.recipes.once_adapted import AdaptedEncoder
from fewshot.recipes.sources import content_hash

Draws = Mapping[int, Mapping[int, np.ndarray]]
"""Rows of the labelled texts, by seed and slice."""


class Entry(NamedTuple):
    """A cell and the slice to train on."""

    cell: Cell
    train: TextData


@dataclasses.dataclass(frozen=True)
class Ring:
    """Where contests are held: who meets which slice, and what all may draw on.

    Parameters
    ----------
    entries : sequence of Entry
        In the order in which they begin. Cells are named by the method, and have its seed.
    test : TextData
    pool : sequence of str
        Unlabelled texts; empty where there are none.
    space : LabelSpace
        The classes of the task.
    device : str, optional
    encoder : Encoder, optional
    adapted : AdaptedEncoder, optional
        ``adapted()`` gives the encoder adapted to the pool.
    costing : Costing, optional
        What contestants cost to use is measured so.
    """

    entries: Sequence[Entry]
    test: TextData
    pool: Sequence[str]
    space: LabelSpace
    device: str | None = None
    encoder: Encoder | None = None
    adapted: AdaptedEncoder | None = None
    costing: Costing | None = None

    def contests(self) -> list[Contest]:
        """Return the contests, in the order of the entries."""
        made = [Contest(cell, partial(self._make, cell), train) for cell, train in self.entries]
        return made if self.costing is None else self.costing.of(made, self.test.texts)

    def _make(self, cell: Cell) -> Any:
        around = Surroundings(self.encoder, self.pool, self.device, cell.seed, self.space, adapted=self.adapted)
        return make_classifier(cell.method, around)


def enter(
    names: Sequence[str],
    sizes: Sequence[int],
    draws: Draws,
    labeled: TextData,
    ring: Ring,
    *,
    encoder: str,
    first_seed: int,
) -> Ring:
    """Return the ring with an entry for each method, slice and seed, cheap methods first.

    Parameters
    ----------
    names : sequence of str
        Methods.
    sizes : sequence of int
        Slices; methods that learn from labels have none on slice 0.
    draws : dict of int to dict of int to ndarray
    labeled : TextData
        What ``draws`` are rows of.
    ring : Ring
        What decides results besides, each with what its method uses, goes into the keys of cells.
    encoder : str
        How the encoder was named.
    first_seed : int
        Encoders are adapted with it.
    """
    slices = {(seed, size): labeled.select(rows) for seed, of in draws.items() for size, rows in of.items()}
    hashes = {drawn: content_hash(train) for drawn, train in slices.items()}
    known = _Known(ring, first_seed)
    entries = []
    for name in sorted(names, key=lambda name: find_method(name)[0].cost):
        method, _ = find_method(name)
        for size in sorted(sizes):
            if method.needs_labels and not size:
                continue
            for seed in draws:
                cell = Cell(
                    method=name,
                    encoder=encoder if method.uses_encoder and ring.encoder is not None else "",
                    pool=len(ring.pool) if ring.pool and method.uses_pool else None,
                    slice=size,
                    n_train=len(slices[seed, size]),
                    seed=seed,
                    key=fingerprint([name, str(seed), hashes[seed, size], *known.of(method)]),
                )
                entries.append(Entry(cell, slices[seed, size]))
    return dataclasses.replace(ring, entries=entries)


class _Known:
    """What decides results besides method, seed and slice."""

    def __init__(self, ring: Ring, first_seed: int) -> None:
        self.test = [content_hash(ring.test), library_versions()["fewshot"]]
        self.encoder = ring.encoder.fingerprint if ring.encoder is not None else ""
        self.pool = fingerprint(ring.pool)
        self.adapted = f"adapted {first_seed}"
        self.space = repr(ring.space)

    def of(self, method: Method) -> list[str]:
        """Return as much of it as a method uses."""
        facts = [*self.test]
        facts += [self.encoder] if method.uses_encoder else []
        facts += [self.pool] if method.uses_pool else []
        facts += [self.adapted] if method.adapts else []
        facts += [self.space] if not method.needs_labels else []
        return facts
