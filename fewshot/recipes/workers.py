"""A comparison in several processes: what is sent to them, and how it is opened there.

Texts travel once a worker, vectors in a file that all map (on a cluster: in Ray's shared memory). An encoder is opened
by those workers alone that train it. What is sent is pickled, by this program for itself; no file holds a pickle.
"""

import contextlib
import dataclasses
import pickle
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from joblib.externals.loky.backend.reduction import dumps

from fewshot.core.errors import InputError, did_you_mean
from fewshot.core.scratch import ScratchFolder
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import EmbeddingCache
from fewshot.encoders.remembered import RememberedEncoder
from fewshot.encoders.resolve import load_encoder
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.engine import Arena, Engine
from fewshot.evaluation.runner.joblib_engine import JoblibEngine
from fewshot.evaluation.runner.ray_engine import RayEngine, import_ray
from fewshot.recipes.contests import Adapting, Ring
from fewshot.recipes.crossing import called
from fewshot.recipes.methods import find_method
from fewshot.recipes.once_adapted import FoundAdapted

ENGINES = ("joblib", "ray")


@dataclasses.dataclass(frozen=True)
class Workers:
    """How many processes run the cells of a comparison, and whose.

    Parameters
    ----------
    n : int, default 1
        1 runs all cells in this process.
    engine : {"joblib", "ray"}, default "joblib"
        Processes of this machine, or tasks of Ray.

    Raises
    ------
    InputError
        If there are not as many as one, or the engine is unknown.
    MissingExtraError
        If Ray is asked for and not installed.
    """

    n: int = 1
    engine: str = "joblib"

    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or self.n < 1:
            raise InputError(f"workers must be a whole number of at least 1, got {self.n!r}")
        if self.engine not in ENGINES:
            hint = did_you_mean(str(self.engine), ENGINES)
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}.{hint}")
        if self.engine == "ray" and self.n > 1:
            import_ray()

    def sources_of(self, encoders: Sequence[Encoder | str]) -> dict[str, str | bytes]:
        """Return what workers open encoders from, by what cells call them: a name, or of an object what pickles it.

        Raises
        ------
        InputError
            If one cannot be pickled.
        """
        if self.n == 1:
            return {}
        return {
            name: encoder if isinstance(encoder, str) else _pickled(encoder, name)
            for name, encoder in zip(called(encoders), encoders, strict=True)
        }

    @contextlib.contextmanager
    def engine_for(self, ring: Ring, sources: Mapping[str, str | bytes]) -> Iterator[Engine | None]:
        """Give the engine for the contests of a ring; ``None`` where they run in this process."""
        if self.n == 1:
            yield None
            return
        prepare = partial(_adapt_first, ring)
        if self.engine == "ray":
            yield RayEngine(self.n, pack(ring, sources), prepare)
            return
        scratch = ScratchFolder("fewshot-vectors-")
        try:
            yield JoblibEngine(self.n, pack(ring, sources).mapped(scratch.path), prepare)
        finally:
            scratch.remove()


def _pickled(encoder: Encoder, name: str) -> bytes:
    try:
        return bytes(dumps(encoder))  # also of a class that was defined in a notebook
    except Exception as error:  # each class fails in its own way
        raise InputError(
            f"the encoder {name!r} in memory cannot be sent to worker processes ({type(error).__name__}: {error}); "
            "save it and name its folder, or take workers=1"
        ) from None


def _adapt_first(ring: Ring, cell: Cell) -> None:
    """Adapt the encoder here before a worker asks for it: once, and with all cores."""
    if find_method(cell.method)[0].adapts and (adapted := ring.adapted.get((cell.encoder, cell.pool))) is not None:
        adapted()


@dataclasses.dataclass(frozen=True)
class SentEncoder:
    """What a worker is sent in place of an encoder.

    Parameters
    ----------
    source : str or bytes
        Its name, or the pickled object.
    name, fingerprint : str
    texts : list of str
    vectors : ndarray of shape (n_texts, dimension), or Path
        Theirs, or a file of NumPy that holds them.
    """

    source: str | bytes
    name: str
    fingerprint: str
    texts: list[str]
    vectors: np.ndarray | Path

    def receive(self, device: str | None) -> RememberedEncoder:
        """Return the encoder, which opens its model where it must."""
        vectors = np.load(self.vectors, mmap_mode="r") if isinstance(self.vectors, Path) else self.vectors
        return RememberedEncoder(
            partial(_open, self.source, device),
            self.texts,
            vectors,
            name=self.name,
            fingerprint=self.fingerprint,
            cache=EmbeddingCache(),
        )


def _open(source: str | bytes, device: str | None) -> Encoder:
    if isinstance(source, bytes):
        return pickle.loads(source)
    return load_encoder(source, device=device)


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A comparison to be sent; called, it is opened.

    Parameters
    ----------
    ring : Ring
        Without encoders.
    encoders : mapping of str to SentEncoder
    adapted_at : mapping of (str, int or str) to Path
        Folders in which adapted encoders are found by the time that a cell asks for one.
    """

    ring: Ring
    encoders: Mapping[str, SentEncoder]
    adapted_at: Mapping[Adapting, Path]

    def __call__(self) -> Arena:
        """Return the contests as they are where the parcel was packed."""
        device = self.ring.device
        ring = dataclasses.replace(
            self.ring,
            encoders={name: sent.receive(device) for name, sent in self.encoders.items()},
            adapted={key: FoundAdapted(folder, device) for key, folder in self.adapted_at.items()},
        )
        return Arena(ring.contests(), ring.test, ring.folds)

    def mapped(self, folder: Path) -> "Parcel":
        """Return the same with its vectors in files, which all processes of a machine map."""
        encoders = {}
        for number, (name, sent) in enumerate(self.encoders.items()):
            file = folder / f"vectors-{number}.npy"
            np.save(file, np.asarray(sent.vectors), allow_pickle=False)
            encoders[name] = dataclasses.replace(sent, vectors=file)
        return dataclasses.replace(self, encoders=encoders)


def pack(ring: Ring, sources: Mapping[str, str | bytes]) -> Parcel:
    """Return what workers need of a comparison.

    Parameters
    ----------
    ring : Ring
        Its encoders are asked for the vectors of all texts of slices and test set.
    sources : mapping of str to str or bytes
        What each encoder is opened from; see :meth:`Workers.sources_of`.
    """
    trained = (text for entry in ring.entries for text in entry.train.texts)
    texts = list(dict.fromkeys([*trained, *ring.test.texts]))
    sent = {
        name: SentEncoder(sources[name], encoder.name, encoder.fingerprint, texts, encoder.encode(texts))
        for name, encoder in ring.encoders.items()
    }
    adapting = {
        (entry.cell.encoder, entry.cell.pool) for entry in ring.entries if find_method(entry.cell.method)[0].adapts
    }
    adapted_at = {key: once.folder.absolute() for key, once in ring.adapted.items() if key in adapting}
    return Parcel(dataclasses.replace(ring, encoders={}, adapted={}), sent, adapted_at)
