"""The contests of a comparison: each cell with its key, its training slice, and how its contestant is made."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from fewshot.core.artifacts import fingerprint, folder_fingerprint
from fewshot.core.versions import library_versions
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import TextData
from fewshot.encoders.base import Encoder
from fewshot.evaluation.runner.contest import Cell, Contest
from fewshot.evaluation.runner.folds import Folds
from fewshot.recipes.compared_texts import ComparedTexts, Draw, Slices
from fewshot.recipes.costs import Costing
from fewshot.recipes.method import Method, Surroundings
from fewshot.recipes.methods import find_method, make_classifier
from fewshot.recipes.once_adapted import AdaptedEncoder
from fewshot.recipes.sources import content_hash

Adapting = tuple[str, int | str | None]
"""An encoder and the pool that it is adapted to, by name."""


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
        In the order in which they begin. Cells are named by the method, have its seed, and name encoder and pool.
    test : TextData
    space : LabelSpace
        The classes of the task.
    pools : mapping of int or str to sequence of str
        Unlabelled texts, by what cells call them.
    encoders : mapping of str to Encoder
        By what cells call them.
    adapted : mapping of (str, int or str) to AdaptedEncoder
        By encoder and pool; called, one gives the encoder adapted to the pool.
    device : str, optional
    folds : Folds, optional
        Which of the test texts a cell is judged on, in a cross-validation.
    costing : Costing, optional
        What contestants cost to use is measured so.
    label_words : mapping, optional
        What classes mean, for methods that read descriptions.
    """

    entries: Sequence[Entry]
    test: TextData
    space: LabelSpace
    pools: Mapping[int | str, Sequence[str]] = dataclasses.field(default_factory=dict)
    encoders: Mapping[str, Encoder] = dataclasses.field(default_factory=dict)
    adapted: Mapping[Adapting, AdaptedEncoder] = dataclasses.field(default_factory=dict)
    device: str | None = None
    folds: Folds | None = None
    costing: Costing | None = None
    label_words: Mapping[Any, Any] | None = None

    def contests(self) -> list[Contest]:
        """Return the contests, in the order of the entries."""
        made = [Contest(cell, partial(self._make, cell), train) for cell, train in self.entries]
        return made if self.costing is None else self.costing.of(made, self.test.texts)

    def _make(self, cell: Cell) -> Any:
        encoder, pool = self.encoders.get(cell.encoder), [] if cell.pool is None else self.pools[cell.pool]
        adapted = self.adapted.get((cell.encoder, cell.pool))
        around = Surroundings(
            encoder, pool, self.device, cell.seed, self.space, adapted=adapted, label_words=self.label_words
        )
        return make_classifier(cell.method, around)


def enter(
    names: Sequence[str], sizes: Sequence[int], draws: Slices, texts: ComparedTexts, ring: Ring, *, first_seed: int
) -> Ring:
    """Return the ring with an entry for each method, encoder, pool, slice and draw, cheap methods first.

    Parameters
    ----------
    names : sequence of str
        Methods; each meets the encoders and pools of the ring that it has a use for.
    sizes : sequence of int
        Slices; methods that learn from labels have none on slice 0.
    draws : mapping of Draw to mapping of int to ndarray
    texts : ComparedTexts
        ``draws`` are rows of its labelled texts.
    ring : Ring
        What decides results besides, each with what its method uses, goes into the keys of cells.
    first_seed : int
        Encoders are adapted with it.
    """
    slices = {(draw, size): texts.labeled.select(rows) for draw, of in draws.items() for size, rows in of.items()}
    hashes = {drawn: content_hash(train) for drawn, train in slices.items()}
    known = _Known(ring, {draw: content_hash(texts.judged(draw)) for draw in draws}, first_seed)
    entries = []
    for name, encoder, pool in _crossed(names, ring):
        method, argument = find_method(name)
        facts = known.of(method, encoder, pool, argument)
        for size, draw in itertools.product(sorted(sizes), draws):
            if method.needs_labels and not size:
                continue
            train = slices[draw, size]
            cell = Cell(
                method=name,
                encoder=encoder,
                pool=pool,
                slice=size,
                n_train=len(train),
                seed=draw.seed,
                key=fingerprint([name, str(draw.seed), hashes[draw, size], *known.test(draw), *facts]),
                fold=draw.fold,
            )
            entries.append(Entry(cell, train))
    return dataclasses.replace(ring, entries=entries)


def _crossed(names: Sequence[str], ring: Ring) -> Iterator[tuple[str, str, int | str | None]]:
    """Give each method, cheap ones first, with each encoder and each pool that it has a use for."""
    for name in sorted(names, key=lambda name: find_method(name)[0].cost):
        method, _ = find_method(name)
        encoders = list(ring.encoders) if method.uses_encoder else []
        pools: list[int | str | None] = [*ring.pools] if method.uses_pool else []
        for encoder, pool in itertools.product(encoders or [""], pools or [None]):
            yield name, encoder, pool


class _Known:
    """What decides results besides method, seed and slice."""

    def __init__(self, ring: Ring, judged: Mapping[Draw, str], first_seed: int) -> None:
        self._judged = judged
        self._encoders = {name: encoder.fingerprint for name, encoder in ring.encoders.items()} | {"": ""}
        self._pools = {name: fingerprint(pool) for name, pool in ring.pools.items()}
        self._no_pool = fingerprint([])
        self._adapted = f"adapted {first_seed}"
        self._space = repr(ring.space)
        self._words = [] if not ring.label_words else [repr(sorted(ring.label_words.items(), key=repr))]
        self._folders: dict[str, str] = {}

    def test(self, draw: Draw) -> list[str]:
        """Return what is judged on, and by which version of this package."""
        return [self._judged[draw], library_versions()["fewshot"]]

    def of(self, method: Method, encoder: str, pool: int | str | None, argument: str = "") -> list[str]:
        """Return as much of the others as a method uses."""
        facts = [self._encoders[encoder]] if method.uses_encoder else []
        facts += [self._no_pool if pool is None else self._pools[pool]] if method.uses_pool else []
        facts += [self._adapted] if method.adapts else []
        facts += [self._space] if not method.needs_labels else []
        facts += self._words if method.reads_words else []
        if argument and Path(argument).is_dir():
            if argument not in self._folders:
                self._folders[argument] = folder_fingerprint(argument)
            facts += [self._folders[argument]]
        return facts
