"""One teacher's targets of one pool on disk: NumPy files of all rows, filled shard by shard.

::

    head.json                 whose targets these are, how many, and of which precision
    embeddings.npy            (n_rows, dimension), where the teacher has vectors
    probabilities.npy         (n_rows, n_classes)
    shards/00000012.json      rows of a shard, hashes of its texts and of its numbers
    complete.json             written last
    lock                      held, with the owner's process id in it, while rows are written

A shard counts once its entry is renamed into place, after its numbers are on the disk, and only while they are as its
hashes say. So a process may die at any moment: what is torn counts as absent. Nothing in these files tells when or by
whom they were written: the same teacher, texts and machine give the same bytes, however often they were interrupted.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.artifacts import atomic_path, read_json, write_json
from fewshot.core.errors import FewshotError, InputError, ModelFormatError
from fewshot.core.locks import take_lock

FORMAT = 1
HEAD = "head.json"
COMPLETE = "complete.json"
LOCK = "lock"
DTYPES = ("<f2", "<f4")
_LARGEST_ENTRY = 2**16
_POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class TargetHead:
    """What a set of targets holds.

    Parameters
    ----------
    teacher, texts : str
        Hashes of the teacher and of all texts.
    n_rows : int
        Number of texts.
    shard_rows : int
        Texts a shard; the last may have fewer.
    arrays : dict
        ``embeddings`` and ``probabilities``, or the latter alone: type (``"<f2"``, ``"<f4"``) and number of columns.
    """

    teacher: str
    texts: str
    n_rows: int
    shard_rows: int
    arrays: Mapping[str, tuple[str, int]]

    @property
    def n_shards(self) -> int:
        """How many shards there are."""
        return -(-self.n_rows // self.shard_rows)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of all arrays."""
        return sum(np.dtype(dtype).itemsize * columns for dtype, columns in self.arrays.values())

    def to_json(self) -> dict[str, Any]:
        """Return the head as JSON values."""
        return {"format": FORMAT, **dataclasses.asdict(self), "arrays": {k: list(v) for k, v in self.arrays.items()}}


def read_head(folder: Path, *, teacher: str, texts: str, n_rows: int) -> TargetHead | None:
    """Return the head in a folder; ``None`` where there is none, or one that is damaged and can be written anew.

    Raises
    ------
    ModelFormatError
        If it is a later version's, or that of another teacher's or other texts' targets.
    """
    try:
        found = read_json(folder / HEAD, max_bytes=_LARGEST_ENTRY)
        version, given = int(found["format"]), (found["teacher"], found["texts"], found["n_rows"])
    except (FewshotError, OSError, KeyError, TypeError, ValueError, RecursionError):
        return None
    if version > FORMAT:
        raise ModelFormatError(f"{str(folder)!r} has format {version}, this version reads up to {FORMAT}; update")
    if given != (teacher, texts, n_rows):
        raise ModelFormatError(
            f"{str(folder)!r} holds targets of another teacher or of other texts; was it copied here? Remove it"
        )
    try:
        arrays = {str(name): (str(dtype), int(columns)) for name, (dtype, columns) in found["arrays"].items()}
        head = TargetHead(teacher, texts, n_rows, int(found["shard_rows"]), arrays)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    known = {"probabilities"} <= set(arrays) <= {"probabilities", "embeddings"}
    sound = known and all(dtype in DTYPES and columns > 0 for dtype, columns in arrays.values())
    return head if sound and head.shard_rows > 0 else None


class RowFile:
    """A NumPy file whose rows are written one shard at a time.

    Parameters
    ----------
    path : Path
    dtype : {"<f2", "<f4"}
    shape : (int, int)

    Notes
    -----
    Rows are written through the file and not through a memory map: on a full disk that is an error, not a crash.
    """

    def __init__(self, path: Path, dtype: str, shape: tuple[int, int]) -> None:
        self.path, self.dtype, self.shape = path, np.dtype(dtype), shape
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
        self._header = buffer.getvalue()
        self._row_bytes = self.dtype.itemsize * shape[1]

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._header) + self.shape[0] * self._row_bytes

    def prepare(self) -> None:
        """Make the file, or give it its size; what its rows hold is for hashes to judge."""
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            raise ModelFormatError(f"{str(self.path)!r} is no plain file, so it is not written to; remove it")
        if self._has_header():
            if self.path.stat().st_size != self.size:
                os.truncate(self.path, self.size)
            return
        with atomic_path(self.path) as temporary, temporary.open("wb") as handle:
            handle.write(self._header)
            handle.truncate(self.size)  # zeros that take no room yet

    def is_sound(self) -> bool:
        """Return whether the file is there, with the header and the size that it should have."""
        return self._has_header() and self.path.stat().st_size == self.size

    def _has_header(self) -> bool:
        if not self.path.is_file():
            return False
        with self.path.open("rb") as handle:
            return handle.read(len(self._header)) == self._header

    def write(self, start: int, rows: np.ndarray) -> None:
        """Write rows from row ``start`` on, and wait until the disk has them."""
        with self.path.open("r+b") as handle:
            handle.seek(len(self._header) + start * self._row_bytes)
            handle.write(np.ascontiguousarray(rows, dtype=self.dtype).tobytes())
            handle.flush()
            os.fsync(handle.fileno())

    def digest(self, start: int, stop: int) -> str:
        """Return a hash of the rows from ``start`` to ``stop`` as they are on the disk."""
        with self.path.open("rb") as handle:
            handle.seek(len(self._header) + start * self._row_bytes)
            return hashlib.blake2b(handle.read((stop - start) * self._row_bytes), digest_size=16).hexdigest()

    def open(self) -> np.ndarray:
        """Return all rows as a memory map that cannot be written to."""
        return np.load(self.path, mmap_mode="r", allow_pickle=False)


class TargetFolder:
    """The folder of one set of targets.

    Parameters
    ----------
    path : Path
    head : TargetHead
    """

    def __init__(self, path: Path, head: TargetHead) -> None:
        self.path, self.head = path, head
        self.files = {
            name: RowFile(path / f"{name}.npy", dtype, (head.n_rows, columns))
            for name, (dtype, columns) in head.arrays.items()
        }

    @property
    def size(self) -> int:
        """Bytes of the arrays."""
        return sum(file.size for file in self.files.values())

    def prepare(self) -> None:
        """Write the head and make the files; remove what a process that died left half-written."""
        for folder in (self.path, self.path / "shards"):
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(".*.part"):
                leftover.unlink()
        (self.path / COMPLETE).unlink(missing_ok=True)
        write_json(self.path / HEAD, self.head.to_json())
        for file in self.files.values():
            file.prepare()

    def rows_of(self, shard: int) -> tuple[int, int]:
        """Return the first row of a shard, and the first after it."""
        start = shard * self.head.shard_rows
        return start, min(start + self.head.shard_rows, self.head.n_rows)

    def missing_rows(self) -> int:
        """Return how many rows belong to shards without an entry."""
        spans = (self.rows_of(shard) for shard in range(self.head.n_shards) if not self._entry_path(shard).is_file())
        return sum(stop - start for start, stop in spans)

    def is_whole(self, shard: int, texts: str | None = None) -> bool:
        """Return whether a shard has an entry, for texts of that hash if one is given, and its numbers fit it."""
        try:
            entry = read_json(self._entry_path(shard), max_bytes=_LARGEST_ENTRY)
            return entry == self._entry(shard, str(entry["texts"] if texts is None else texts))
        except (FewshotError, OSError, KeyError, TypeError, RecursionError):
            return False

    def is_complete(self) -> bool:
        """Return whether every shard is there and as its hashes say; it reads all numbers once."""
        if not (self.path / COMPLETE).is_file():
            return False
        if not all(file.is_sound() for file in self.files.values()):
            return False
        return all(self.is_whole(shard) for shard in range(self.head.n_shards))

    def put(self, shard: int, texts: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the numbers of a shard, then the entry that makes them count."""
        for name, file in self.files.items():
            file.write(self.rows_of(shard)[0], arrays[name])
        write_json(self._entry_path(shard), self._entry(shard, texts))

    def seal(self) -> None:
        """Mark the set as complete."""
        write_json(self.path / COMPLETE, {"n_shards": self.head.n_shards})

    def read(self) -> dict[str, np.ndarray]:
        """Return the arrays as memory maps."""
        return {name: file.open() for name, file in self.files.items()}

    def _entry_path(self, shard: int) -> Path:
        return self.path / "shards" / f"{shard:08d}.json"

    def _entry(self, shard: int, texts: str) -> dict[str, Any]:
        rows = self.rows_of(shard)
        return {"rows": list(rows), "texts": texts, **{name: file.digest(*rows) for name, file in self.files.items()}}


@contextlib.contextmanager
def locked(folder: Path, wait: float | None = None) -> Iterator[None]:
    """Keep other processes from writing to a folder inside this block.

    Parameters
    ----------
    folder : Path
        Made if need be. The file ``lock`` in it is held, with this process's id in it, and left there empty. The
        system lets go of it when its owner dies, however that happens: an id left in it locks nobody out.
    wait : float, optional
        Seconds to wait for another process; ``None`` waits until it is done.

    Raises
    ------
    InputError
        If the other is not done by then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end = None if wait is None else time.monotonic() + wait
    with (folder / LOCK).open("a+b") as handle:
        while not take_lock(handle):  # without locks two processes write the same bytes; hashes judge what is torn
            if end is not None and time.monotonic() >= end:
                raise InputError(
                    f"process {_owner(folder)} is writing to {str(folder)!r}; wait until it is done, or end it"
                )
            time.sleep(_POLL_SECONDS)
        handle.truncate(0)
        handle.write(str(os.getpid()).encode())
        handle.flush()
        try:
            yield
        finally:
            handle.truncate(0)


def _owner(folder: Path) -> str:
    return (folder / LOCK).read_text("utf-8", errors="replace")[:20] or "?"
