"""What the methods of a comparison are crossed with: encoders and pools, each under a short name."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.texts import TextData
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.encoders.resolve import POOLED, load_encoder

COMPRESSED = (".gz",)


def encoder_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return the encoders that are meant: one, or several with commas between; a folder's own commas are its own.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> encoder_names("bundled, runs/adapted"), encoder_names("bundled"), encoder_names(["bundled", "bundled"])
    (('bundled', 'runs/adapted'), ('bundled',), ('bundled',))
    """
    if isinstance(names, str):
        names = [names] if Path(names.removeprefix(POOLED)).exists() else names.split(",")
    found = tuple(dict.fromkeys(stripped for name in names if (stripped := name.strip())))
    if not found:
        raise InputError("encoder must name at least one encoder, such as 'bundled'")
    return found


def open_encoders(encoders: Iterable[Encoder | str], *, device: str | None) -> dict[str, CachedEncoder]:
    """Open encoders; each remembers what it encoded.

    Parameters
    ----------
    encoders : iterable of Encoder or str
        Names are kept as they are given; of objects that have one name the later ones are numbered.
    device : str or None
        For those that are named.

    Raises
    ------
    InputError
        If two of them are one and the same model: its cells could not be told apart.
    """
    given = list(encoders)
    opened: dict[str, CachedEncoder] = {}
    for name, encoder in zip(called(given), given, strict=True):
        opened[name] = CachedEncoder(load_encoder(encoder, device=device), EmbeddingCache())
    _refuse_copies("encoder", {name: encoder.fingerprint for name, encoder in opened.items()}, "models")
    return opened


def called(encoders: Sequence[Encoder | str]) -> list[str]:
    """Return what cells call encoders: as they were named, or by the names that they have themselves."""
    return numbered([one if isinstance(one, str) else one.name for one in encoders])


def pool_names(pools: Sequence[TextData]) -> list[str]:
    """Return a short name for each pool: that of its file, without folders and endings.

    Examples
    --------
    >>> sources = ("file 'a/new.csv.gz'", "b/new.jsonl", "hub:me/tweets")
    >>> pool_names([TextData([], [], False, [], source) for source in sources])
    ['new', 'new-2', 'tweets']
    """
    return numbered([_stem(pool.source) for pool in pools])


def _stem(source: str) -> str:
    file = re.fullmatch(r"file (['\"])(.*)\1", source)  # as readers call what they read
    path = Path(file[2] if file else source)
    return Path(path.stem if path.suffix in COMPRESSED else path.name).stem or "pool"


def numbered(names: Sequence[str]) -> list[str]:
    """Return the names, those that come again with a number.

    Examples
    --------
    >>> numbered(["a", "b", "a"])
    ['a', 'b', 'a-2']
    """
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return found


def sized_pools(
    pools: Mapping[str, list[str]], sizes: Sequence[int] | None, *, random_state: int
) -> dict[int | str, list[str]]:
    """Return the pools that methods are run with, under what ``results.csv`` calls them.

    Parameters
    ----------
    pools : mapping of str to list of str
        Texts by name.
    sizes : sequence of int, optional
        Take so many of each pool: beginnings of one shuffled order, each in the next. Default: all.
    random_state : int
        Decides that order.

    Returns
    -------
    dict of int or str to list of str
        A single pool is called by its size; several by their names, with the size where sizes are given.

    Raises
    ------
    InputError
        If a size is below 1 or above a pool's, or two pools are the same.

    Examples
    --------
    >>> pool = [f"text {i}" for i in range(5)]
    >>> some = sized_pools({"new": pool}, [4, 2], random_state=0)
    >>> list(some), some[4][:2] == some[2]
    ([2, 4], True)
    >>> list(sized_pools({"new": pool, "old": pool[1:]}, None, random_state=0))
    ['new', 'old']
    """
    found: dict[int | str, list[str]] = {}
    for name, texts in pools.items():
        order = np.random.default_rng(random_state).permutation(len(texts)).tolist()
        for size in [len(texts)] if sizes is None else sorted(set(sizes)):
            if not 1 <= size <= len(texts):
                raise InputError(f"pool_sizes must be between 1 and the {len(texts):,} texts of {name!r}, got {size}")
            # The whole pool keeps its order, so that its results are those of a comparison without sizes.
            part = texts if size == len(texts) else [texts[row] for row in order[:size]]
            key = size if len(pools) == 1 else name if sizes is None else f"{name}:{size}"
            found[key] = part
    return found


def origin_of(key: int | str, names: Collection[str]) -> str:
    """Return the name of the pool that a key of :func:`sized_pools` belongs to.

    Examples
    --------
    >>> origin_of(200, ["new"]), origin_of("old:200", ["new", "old"]), origin_of("old", ["new", "old"])
    ('new', 'old', 'old')
    """
    if len(names) == 1:
        return next(iter(names))
    return str(key) if key in names else str(key).rpartition(":")[0]


def _refuse_copies(argument: str, hashes: Mapping[Any, str], kind: str) -> None:
    first: dict[str, Any] = {}
    for name, hash_ in hashes.items():
        other = first.setdefault(hash_, name)
        if other != name:
            raise InputError(f"{argument} must name different {kind}, and {other!r} and {name!r} are the same one")


def check_pools(hashes: Mapping[Any, str]) -> None:
    """Raise :class:`InputError` where two pools hold the same texts in the same order."""
    _refuse_copies("unlabeled", hashes, "pools")
