"""A teacher's targets for a pool of any size, computed once and kept on disk as NumPy memory maps.

For millions of texts, where the cache of single vectors (:mod:`fewshot.encoders.cached`) is too slow: a run that was
stopped goes on with the rows that are missing, memory does not grow with the pool, and a student's training reads what
it needs from the maps. The texts themselves are not stored. What lies where: :mod:`fewshot.distillation.target_shards`.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError, TeacherError
from fewshot.core.progress import track
from fewshot.distillation.target_shards import TargetFolder, TargetHead, locked, read_head
from fewshot.distillation.teacher_targets import Teacher, TeacherTargets, check_targets, threshold_of
from fewshot.distillation.teachers import open_teacher
from fewshot.encoders.cached import default_cache_folder
from fewshot.heads.vectors import unit_rows

DEFAULT_MAX_BYTES = 32 * 2**30
SHARD_ROWS = 4096
PRECISIONS = ("auto", "float32")
LARGEST_COSINE_ERROR = 1e-3
"""float16 is used for vectors only if it moves no cosine of the first texts by more than this."""

_FIRST_ROWS = 256
"""Texts that are asked about before the start: how wide the targets are, and whether float16 is enough for them."""

Texts = Callable[[], Iterator[str]]
"""Gives all texts, from the first on, each time it is called."""


class TargetStore:
    """A bounded store of teachers' targets.

    Parameters
    ----------
    folder : str or Path, optional
        Holds one folder for each teacher and pool. Default: ``targets`` in
        :func:`~fewshot.encoders.cached.default_cache_folder`.
    max_bytes : int, optional
        All targets in ``folder`` together take no more: what would pass it is refused before the start, and nothing is
        ever removed. Default: 32 GiB in the default folder, as much as the disk holds in one that is named.
    shard_rows : int, default=4096
        Texts after which what is done counts; a run that is stopped loses no more than these.
    precision : {"auto", "float32"}, default="auto"
        ``"auto"`` stores vectors as float16 if that moves no cosine of the first 256 texts by more than 0.001, and
        probabilities as float16 if their classes stay the same; ``head.json`` says which.
    wait : float, optional
        Seconds to wait for another process that computes the same targets; default: until it is done.

    Examples
    --------
    >>> import tempfile
    >>> from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
    >>> teacher = NaiveBayesClassifier().fit(["good film", "bad film"], ["pos", "neg"])
    >>> store = TargetStore(tempfile.mkdtemp())
    >>> targets = store.targets(teacher, [["good", "so good"], ["bad"]])  # two chunks
    >>> type(targets.probabilities).__name__, targets.probabilities.shape
    ('memmap', (3, 2))
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        max_bytes: int | None = None,
        shard_rows: int = SHARD_ROWS,
        precision: str = "auto",
        wait: float | None = None,
    ) -> None:
        if max_bytes is None and folder is None:
            max_bytes = DEFAULT_MAX_BYTES
        if max_bytes is not None and max_bytes < 1:
            raise InputError(f"max_bytes must be at least 1, got {max_bytes}")
        if shard_rows < 1:
            raise InputError(f"shard_rows must be at least 1, got {shard_rows}")
        if precision not in PRECISIONS:
            raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.folder = Path(folder) if folder is not None else default_cache_folder() / "targets"
        if self.folder.is_file():
            raise InputError(f"folder {str(self.folder)!r} is a file; choose another folder")
        self.max_bytes, self.shard_rows, self.precision, self.wait = max_bytes, shard_rows, precision, wait

    def targets(self, teacher: Any, texts: Iterable[Any]) -> TeacherTargets:
        """Return a teacher's targets of all texts; what is stored is read, what is missing is computed and stored.

        Parameters
        ----------
        teacher : anything that :func:`~fewshot.distillation.teachers.open_teacher` takes
        texts : iterable of str, or of sequences of str
            The pool, or chunks of it: a list, a data set's column, a generator. It is read twice; what can be read
            once only goes through an unnamed temporary file.

        Returns
        -------
        TeacherTargets
            Memory maps, one row a text in order, float16 or float32. ``embeddings`` is ``None`` where the teacher has
            no vectors.

        Raises
        ------
        InputError
            If there is no text, one is no string, the targets would not fit into ``max_bytes`` or on the disk, the
            texts change while they are read, or another process is not done after ``wait`` seconds.
        TeacherError
            If the teacher's answers are not finite, or the same for all of the first texts.
        ModelFormatError
            If what is in the folder is a later version's or another set's.
        OSError
            If the disk is full after all; what is done is kept.
        """
        teacher = open_teacher(teacher)
        with _readable_again(texts, self.folder) as read:
            pool = _PoolHash()
            pool.add(read())
            if not pool.count:
                raise InputError("texts must not be empty; give the pool that the student shall learn from")
            known = {"teacher": teacher.fingerprint, "texts": pool.hexdigest(), "n_rows": pool.count}
            path = self.folder / fingerprint([*map(str, known.values()), self.precision])
            if (found := _complete(path, known)) is None:
                with locked(path, self.wait):
                    found = _complete(path, known) or self._fill(path, known, teacher, read)
        arrays = found.read()
        return TeacherTargets(arrays.get("embeddings"), arrays["probabilities"])

    def exact(self) -> "TargetStore":
        """Return a store in the same folder that rounds nothing."""
        return TargetStore(
            self.folder, max_bytes=self.max_bytes, shard_rows=self.shard_rows, precision="float32", wait=self.wait
        )

    def size(self) -> int:
        """Return the bytes of all targets stored, and of the sums of tokens beside them."""
        return sum(file.stat().st_size for file in self.folder.glob("*/*") if file.suffix in (".npy", ".safetensors"))

    def _fill(self, path: Path, known: Mapping[str, Any], teacher: Teacher, read: Texts) -> TargetFolder:
        head = read_head(path, **known)
        if head is None:
            head = TargetHead(**known, shard_rows=self.shard_rows, arrays=self._plan(teacher, read()))
        folder = TargetFolder(path, head)
        self._check_room(folder)
        try:
            folder.prepare()
            pool = _fill_shards(folder, teacher, read)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            done = head.n_rows - folder.missing_rows()
            message = f"the disk is full; {done} of {head.n_rows} rows are kept: make room and call again"
            raise OSError(error.errno, message, str(path)) from None
        if pool != known["texts"]:
            raise InputError("texts changed between two readings; give texts that come in the same order each time")
        folder.seal()
        return folder

    def _plan(self, teacher: Teacher, texts: Iterator[str]) -> dict[str, tuple[str, int]]:
        """Return type and width of each array, from the first texts."""
        first = list(dict.fromkeys(itertools.islice(texts, _FIRST_ROWS)))
        targets = teacher.targets(first)
        check_targets(targets)
        embeddings, probabilities = targets.embeddings, targets.probabilities
        is_half = self.precision == "auto" and _classes_agree(
            probabilities, teacher.label_space_.multi_label, threshold_of(teacher)
        )
        plan = {"probabilities": ("<f2" if is_half else "<f4", probabilities.shape[1])}
        if embeddings is not None:
            is_half = self.precision == "auto" and _cosines_agree(embeddings)
            plan["embeddings"] = ("<f2" if is_half else "<f4", embeddings.shape[1])
        return plan

    def _check_room(self, folder: TargetFolder) -> None:
        others = self.size() - sum(file.stat().st_size for file in folder.path.glob("*.npy"))
        if self.max_bytes is not None and others + folder.size > self.max_bytes:
            raise InputError(
                f"targets of {folder.head.n_rows} texts take {_megabytes(folder.size)} beside the {_megabytes(others)} "
                f"in {str(self.folder)!r}, more than max_bytes, {_megabytes(self.max_bytes)}; name another "
                "folder (targets=, --targets), which may fill its disk, or remove folders that are no longer needed"
            )
        missing = folder.missing_rows() * folder.head.row_bytes
        free = shutil.disk_usage(self.folder).free
        if missing > free:
            raise InputError(
                f"targets of {folder.head.n_rows} texts need {_megabytes(missing)} more and {str(self.folder)!r} has "
                f"{_megabytes(free)} free; make room, or choose a folder on another disk"
            )


def as_store(targets: TargetStore | str | Path | None) -> TargetStore | None:
    """Return a store for what names one."""
    return targets if targets is None or isinstance(targets, TargetStore) else TargetStore(targets)


def _complete(path: Path, known: Mapping[str, Any]) -> TargetFolder | None:
    head = read_head(path, **known)
    folder = TargetFolder(path, head) if head else None
    return folder if folder and folder.is_complete() else None


def _fill_shards(folder: TargetFolder, teacher: Teacher, read: Texts) -> str:
    """Compute every shard that is not whole; return the hash of the texts that were read."""
    head, texts = folder.head, read()
    pool = _PoolHash()
    with track("the teacher's targets", total=head.n_rows) as advance:
        for shard in range(head.n_shards):
            some = list(itertools.islice(texts, head.shard_rows))
            start, stop = folder.rows_of(shard)
            if len(some) != stop - start:
                return ""  # fewer than before: they changed
            pool.add(some)
            digest = fingerprint(some)
            if not folder.is_whole(shard, digest):
                folder.put(shard, digest, _arrays_of(teacher, some, head))
            advance(len(some))
    return pool.hexdigest() if next(texts, None) is None else ""


def _arrays_of(teacher: Teacher, texts: list[str], head: TargetHead) -> dict[str, np.ndarray]:
    targets, arrays = teacher.targets(texts), {}
    for name, (dtype, columns) in head.arrays.items():
        given = np.asarray(getattr(targets, name))
        if given.shape != (len(texts), columns):
            raise TeacherError(
                f"the teacher's {name} have shape {given.shape}, not ({len(texts)}, {columns}) as before"
            )
        with np.errstate(over="ignore"):
            arrays[name] = given.astype(dtype)
        if not np.isfinite(arrays[name]).all():
            raise TeacherError(
                f"the teacher's {name} hold NaN or values too large for {np.dtype(dtype).name}; train the teacher "
                "again, or store with precision='float32'"
            )
    return arrays


def _cosines_agree(embeddings: np.ndarray) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):  # what float16 cannot hold becomes NaN here, and disagrees
        exact, half = (unit_rows(e.astype(np.float64)) for e in (embeddings, embeddings.astype(np.float16)))
        return bool((np.abs(half @ half.T - exact @ exact.T) <= LARGEST_COSINE_ERROR).all())


def _classes_agree(probabilities: np.ndarray, multi_label: bool, threshold: Any) -> bool:
    """Return whether half precision leaves every answer as it is: the likeliest class, and the labels that apply."""
    half = probabilities.astype(np.float16)
    if multi_label and not np.array_equal(half >= threshold, probabilities >= threshold):
        return False
    return np.array_equal(half.argmax(axis=1), probabilities.argmax(axis=1))


class _PoolHash:
    """Hash of texts that come in pieces; it does not depend on where these are cut."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, texts: Iterable[str]) -> None:
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            self._digest.update(len(data).to_bytes(8, "little"))
            self._digest.update(data)
            self.count += 1

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


@contextlib.contextmanager
def _readable_again(texts: Iterable[Any], folder: Path) -> Iterator[Texts]:
    """Give a function that reads all texts from the first on."""
    try:
        is_read_once = iter(texts) is texts
    except TypeError:
        is_read_once = None
    if is_read_once is None or isinstance(texts, (str, bytes, Mapping)):
        raise InputError(f"texts must be texts, or chunks (lists) of texts, got {type(texts).__name__}")
    if not is_read_once:
        yield lambda: _flat(texts)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as spool:
        for text in _flat(texts):
            spool.write(json.dumps(text) + "\n")

        def again() -> Iterator[str]:
            spool.seek(0)
            return map(json.loads, spool)

        yield again


def _flat(texts: Iterable[Any]) -> Iterator[str]:
    row = 0
    for item in texts:
        is_chunk = hasattr(item, "__iter__") and not isinstance(item, (str, bytes, Mapping))
        for text in item if is_chunk else (item,):
            if not isinstance(text, str):
                raise InputError(f"texts[{row}] must be a string, got {text!r} of type {type(text).__name__}")
            yield str(text)
            row += 1


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.1f} MiB"
