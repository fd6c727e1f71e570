"""Shards of predictions on disk: which are done, who does which, and the files that they make together.

::

    manifest.json             what is predicted, of what and how; at the end also the rows and hashes of all shards
    part-00012.csv            rows of a shard
    .work/00012.json          a finished shard: its rows, counts and hashes; written last
    .work/00012.review.csv    rows of it that were left without a label
    .work/00012.rejected.csv  rows of it that could not be predicted
    .work/lock                held by a run, or shared by several that do a part of the shards each
    .work/00012.lock          held by the run that does this shard

A shard counts once its entry is renamed into place, and only while its files are as the entry says. So a run may be
killed at any moment and loses the shard that it is at, no more.
"""

import contextlib
import dataclasses
import functools
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from fewshot.core.artifacts import atomic_path, check_replaceable, read_json, sha256_file, write_json
from fewshot.core.errors import FewshotError, InputError, SourceNotFoundError
from fewshot.core.locks import take_lock
from fewshot.data.row_parts import join_parts
from fewshot.data.row_writers import Layout, RowWriter
from fewshot.recipes.predicting.plan import Plan

MANIFEST, WORK, LOCK = "manifest.json", ".work", "lock"
KINDS = ("part", "review", "rejected")
_LARGEST_ENTRY = 2**24


class BusyError(InputError):
    """Another run holds the folder."""


@dataclasses.dataclass
class Shard:
    """Rows of a shard, and what was counted in it.

    Parameters
    ----------
    number : int
    start : int
        Number of its first row.
    n_rows, n_rejected, n_abstained : int
    counts : dict
        How often each label was given; a list of pairs on disk, where names may be numbers.
    files : dict of str to str
        SHA-256 of each of its files, by kind.
    """

    number: int
    start: int
    n_rows: int = 0
    n_rejected: int = 0
    n_abstained: int = 0
    counts: dict[Any, int] = dataclasses.field(default_factory=dict)
    files: dict[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the shard as JSON values."""
        return dataclasses.asdict(self) | {"counts": [list(pair) for pair in self.counts.items()]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Shard":
        """Return the shard that :meth:`to_json` gave."""
        return cls(**{**value, "counts": dict(value["counts"])})


class ShardFolder:
    """The folder of one run's shards, which other runs may share.

    Parameters
    ----------
    folder : Path
    layouts : dict of str to Layout
        What the files of each kind look like: ``part``, ``review`` and ``rejected``.
    suffixes : dict of str to str
        What their names end in, by kind, such as ``".csv"``.
    is_output : bool
        Whether the folder itself is the output: then its parts are files of their own.
    """

    def __init__(
        self, folder: Path, layouts: Mapping[str, Layout], suffixes: Mapping[str, str], *, is_output: bool
    ) -> None:
        self.folder, self._work = folder, folder / WORK
        self._layouts, self._suffixes, self._is_output = layouts, suffixes, is_output
        self._locks: dict[int, IO[bytes]] = {}

    @contextlib.contextmanager
    def held(self, *, shared: bool) -> Iterator[None]:
        """Keep other runs out inside this block, or with ``shared`` those that want the folder for themselves.

        Raises
        ------
        BusyError
            If another run holds it.
        InputError
            If it is a file, or holds files of something else.
        """
        if not self._work.is_dir():
            check_replaceable(self.folder, marker=MANIFEST)
        self._work.mkdir(parents=True, exist_ok=True)
        with (self._work / LOCK).open("ab") as handle:
            if not take_lock(handle, shared=shared):
                raise BusyError(
                    f"another run is writing to {str(self.folder)!r}; wait until it is done, or choose another out "
                    "(--out)"
                )
            try:
                yield
            finally:
                for number in list(self._locks):
                    self.give_up(number)

    def begin(self, plan: Plan) -> None:
        """Write the plan, or find that it is the same as that of an earlier run; call it while the folder is held.

        Raises
        ------
        InputError
            If the folder was begun with another input, model or setting.
        """
        try:
            found = read_json(self.folder / MANIFEST)
            changed = plan.differences(found)
        except SourceNotFoundError:
            write_json(self.folder / MANIFEST, plan.to_json())
            return
        except FewshotError as error:
            raise InputError(f"{str(self.folder)!r} cannot be gone on with: {error}; {_WAY_OUT}") from None
        if changed:
            raise InputError(
                f"{str(self.folder)!r} holds {self.n_finished()} finished shards that were begun otherwise; changed "
                f"since: {', '.join(changed)}. To go on with them, give what was given then; {_WAY_OUT}"
            )

    @property
    def is_begun(self) -> bool:
        """Whether there is a plan."""
        return (self.folder / MANIFEST).is_file()

    def n_finished(self) -> int:
        """Return how many shards have an entry."""
        return len(list(self._work.glob("[0-9]*.json")))

    def finished(self, number: int) -> Shard | None:
        """Return a shard that is done, if its files are as they were written."""
        try:
            shard = Shard.from_json(read_json(self._work / f"{number:05}.json", max_bytes=_LARGEST_ENTRY))
            sound = all(sha256_file(self._path(kind, number)) == digest for kind, digest in shard.files.items())
        except (FewshotError, OSError, KeyError, TypeError, ValueError):
            return None
        return shard if sound and shard.number == number else None

    def claim(self, number: int) -> bool:
        """Return whether this run shall do a shard: it is not done, and nobody else is at it."""
        if self.finished(number) is not None:
            return False
        handle = (self._work / f"{number:05}.lock").open("ab")
        if take_lock(handle) and self.finished(number) is None:  # it may have been finished a moment ago
            self._locks[number] = handle
            return True
        handle.close()
        return False

    def give_up(self, number: int) -> None:
        """Let others do a shard that was claimed, or see that it is done."""
        (self._work / f"{number:05}.lock").unlink(missing_ok=True)
        self._locks.pop(number).close()

    @contextlib.contextmanager
    def writing(self, shard: Shard) -> Iterator[Callable[[str], RowWriter]]:
        """Give what opens the writer of a kind of file; at the end of the block the shard is finished.

        Nothing is left of a shard that an error ends.
        """
        with contextlib.ExitStack() as stack:

            @functools.cache
            def writer(kind: str) -> RowWriter:
                temporary = stack.enter_context(atomic_path(self._path(kind, shard.number)))
                raw = stack.enter_context(temporary.open("wb"))
                whole = kind == "part" and self._is_output
                return stack.enter_context(self._layouts[kind].opened(raw, whole=whole))

            yield writer
        written = [kind for kind in KINDS if kind == "part" or self._has_rows(kind, shard)]
        shard.files = {kind: sha256_file(self._path(kind, shard.number)) for kind in written}
        write_json(self._work / f"{shard.number:05}.json", shard.to_json())
        self.give_up(shard.number)

    def _has_rows(self, kind: str, shard: Shard) -> bool:
        return bool({"part": shard.n_rows, "review": shard.n_abstained, "rejected": shard.n_rejected}[kind])

    def _path(self, kind: str, number: int) -> Path:
        suffix = self._suffixes[kind]
        return (
            self.folder / f"part-{number:05}{suffix}" if kind == "part" else self._work / f"{number:05}.{kind}{suffix}"
        )

    def shards(self, n: int) -> list[Shard] | None:
        """Return all ``n`` shards, or ``None`` while one is missing."""
        found = list(itertools.takewhile(lambda shard: shard is not None, map(self.finished, range(n))))
        return [shard for shard in found if shard is not None] if len(found) == n else None

    def join(self, kind: str, shards: list[Shard], out: Path) -> Path | None:
        """Put the files of one kind together as ``out``; where there are none, an older ``out`` is removed."""
        parts = [self._path(kind, shard.number) for shard in shards if kind in shard.files]
        if not parts:
            out.unlink(missing_ok=True)
            return None
        with atomic_path(out) as temporary:
            join_parts(parts, temporary, self._layouts[kind])
        return out

    def seal(self, plan: Plan, shards: list[Shard]) -> None:
        """Write the manifest of a whole output."""
        rows = [
            {
                "file": self._path("part", shard.number).name,
                "rows": [shard.start, shard.start + shard.n_rows],
                "sha256": shard.files["part"],
            }
            for shard in shards
        ]
        write_json(self.folder / MANIFEST, plan.to_json() | {"shards": rows})

    def sweep(self) -> None:
        """Remove what killed runs left half-written; call it while nobody else is at work here."""
        for folder in (self.folder, self._work):
            for leftover in folder.glob(".*.part"):
                leftover.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder: what was in it has been put together."""
        shutil.rmtree(self.folder, ignore_errors=True)


_WAY_OUT = "to begin anew, remove that folder or choose another out (--out)"
