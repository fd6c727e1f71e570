"""A comparison in several processes: what is sent to them, and how it is opened there.

Texts travel once a worker, vectors in a file that all map (on a cluster: in Ray's shared memory). An encoder is opened
by those workers alone that train it. What is sent is pickled, by this program for itself; no file holds a pickle.
"""

import contextlib
import dataclasses
import pickle
from collections.abc import Iterator
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
from fewshot.recipes.contests import Ring
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

    def source_of(self, encoder: Encoder | None, name: str) -> str | bytes:
        """Return what workers open an encoder from: its name, or where it is in memory the pickled object.

        Raises
        ------
        InputError
            If it cannot be pickled.
        """
        if encoder is None or self.n == 1:
            return name
        try:
            return bytes(dumps(encoder))  # also of a class that was defined in a notebook
        except Exception as error:  # each class fails in its own way
            raise InputError(
                f"the encoder {name!r} in memory cannot be sent to worker processes ({type(error).__name__}: {error}); "
                "save it and name its folder, or take workers=1"
            ) from None

    @contextlib.contextmanager
    def engine_for(self, ring: Ring, source: str | bytes) -> Iterator[Engine | None]:
        """Give the engine for the contests of a ring; ``None`` where they run in this process."""
        if self.n == 1:
            yield None
            return
        prepare = partial(_adapt_first, ring)
        if self.engine == "ray":
            yield RayEngine(self.n, pack(ring, source), prepare)
            return
        scratch = ScratchFolder("fewshot-vectors-")
        try:
            yield JoblibEngine(self.n, pack(ring, source).mapped(scratch.path), prepare)
        finally:
            scratch.remove()


def _adapt_first(ring: Ring, cell: Cell) -> None:
    """Adapt the encoder here before a worker asks for it: once, and with all cores."""
    if find_method(cell.method)[0].adapts and ring.adapted is not None:
        ring.adapted()


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
    encoder : SentEncoder, optional
    adapted_at : Path, optional
        Folder in which the adapted encoder is found by the time that a cell asks for it.
    """

    ring: Ring
    encoder: SentEncoder | None
    adapted_at: Path | None

    def __call__(self) -> Arena:
        """Return the contests as they are where the parcel was packed."""
        encoder = None if self.encoder is None else self.encoder.receive(self.ring.device)
        adapted = None if self.adapted_at is None else FoundAdapted(self.adapted_at, self.ring.device)
        ring = dataclasses.replace(self.ring, encoder=encoder, adapted=adapted)
        return Arena(ring.contests(), ring.test)

    def mapped(self, folder: Path) -> "Parcel":
        """Return the same with its vectors in a file, which all processes of a machine map."""
        if self.encoder is None or isinstance(self.encoder.vectors, Path):
            return self
        file = folder / "vectors.npy"
        np.save(file, self.encoder.vectors, allow_pickle=False)
        return dataclasses.replace(self, encoder=dataclasses.replace(self.encoder, vectors=file))


def pack(ring: Ring, source: str | bytes) -> Parcel:
    """Return what workers need of a comparison.

    Parameters
    ----------
    ring : Ring
        Its encoder, if any, is asked for the vectors of all texts of slices and test set.
    source : str or bytes
        What the encoder is opened from; see :meth:`Workers.source_of`.
    """
    sent = None
    if ring.encoder is not None:
        trained = (text for entry in ring.entries for text in entry.train.texts)
        texts = list(dict.fromkeys([*trained, *ring.test.texts]))
        sent = SentEncoder(source, ring.encoder.name, ring.encoder.fingerprint, texts, ring.encoder.encode(texts))
    adapts = any(find_method(entry.cell.method)[0].adapts for entry in ring.entries)
    adapted_at = ring.adapted.folder.absolute() if adapts and ring.adapted is not None else None
    return Parcel(dataclasses.replace(ring, encoder=None, adapted=None), sent, adapted_at)
