"""Pools of unlabelled text: read once from anything, each text once, none of the test set, any row at hand.

A pool lies in a file that is mapped into memory, so that ten million texts take no more memory than ten. Reading is
left to ``streaming``, remembering what came before to ``seen``, the file to ``text_file``.
"""

import contextlib
import functools
import shutil
import warnings
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.artifacts import atomic_directory, check_replaceable, fingerprint, read_json, sha256_file, write_json
from fewshot.core.errors import DataWarning, FewshotError, InputError
from fewshot.core.scratch import ScratchFolder
from fewshot.data.cleaning import strip_text
from fewshot.data.pool_report import PoolReport as PoolReport
from fewshot.data.readers import check_max_rows
from fewshot.data.reservoir import Reservoir
from fewshot.data.seen import SeenTexts
from fewshot.data.sieve import Sieve
from fewshot.data.streaming import stream_source
from fewshot.data.streaming import stream_texts as stream_texts
from fewshot.data.text_file import TextFile, write_text_file

MANIFEST, TEXTS = "pool.json", "texts.arrow"
_VERSION = 1
_MAX_MANIFEST = 2**20
_PREFIX = "fewshot-pool-"


class Pool(TextFile):
    """Unlabelled texts, each once: a read-only sequence of ``str`` of any size. Made by :func:`open_pool`.

    ``len(pool)``, ``pool[i]``, ``pool[i:j]``, ``pool.take(rows)`` and iteration read from the file; nothing but what is
    asked for is held in memory.

    Parameters
    ----------
    path : str or Path
        Of the texts.
    report : PoolReport

    Attributes
    ----------
    report : PoolReport
        What was read and what was left out.
    content_hash : str
        32 hexadecimal digits that change with any text or their order; that of
        :func:`~fewshot.core.artifacts.fingerprint`. Reads the pool once.
    """

    def __init__(self, path: str | Path, report: PoolReport) -> None:
        super().__init__(path)
        self.report = report

    def __repr__(self) -> str:
        return f"<Pool of {len(self):,} texts from {self.report.source}>"

    @functools.cached_property
    def content_hash(self) -> str:
        """The fingerprint of the texts in their order."""
        return fingerprint(self)

    def spill(self, folder: str | Path) -> "Pool":
        """Write the texts into a folder of their own, for good, and return the pool that reads them there.

        Without it they lie in the temporary folder as long as the pool is in use.

        Parameters
        ----------
        folder : str or Path
            Appears whole or not at all. If it already holds these very texts, nothing is written; another pool is
            replaced, and a folder of anything else refused.

        Returns
        -------
        Pool
            That of :func:`load_pool`.

        Raises
        ------
        InputError
            If the folder holds something else than a pool.
        """
        check_replaceable(folder, marker=MANIFEST)
        if (there := _spilled(Path(folder))) is not None and there.content_hash == self.content_hash:
            return there
        with atomic_directory(folder, marker=MANIFEST) as temporary:
            shutil.copyfile(self.path, temporary / TEXTS)
            manifest = {
                "version": _VERSION,
                "content_hash": self.content_hash,
                "sha256": sha256_file(temporary / TEXTS),
                "report": self.report.as_facts(),
            }
            write_json(temporary / MANIFEST, manifest)
        return load_pool(folder)


def _spilled(folder: Path) -> Pool | None:
    try:
        return load_pool(folder)
    except FewshotError:  # nothing there yet, or something damaged that is to be replaced
        return None


def load_pool(folder: str | Path) -> Pool:
    """Open the pool that :meth:`Pool.spill` wrote, as it was: nothing is read, cleaned or excluded again.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    Pool

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    InputError
        If it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "pool"
    >>> open_pool(["a", "b"]).spill(folder)
    <Pool of 2 texts from list>
    >>> load_pool(folder)[1]
    'b'
    """
    folder = Path(folder)
    try:
        manifest = read_json(folder / MANIFEST, max_bytes=_MAX_MANIFEST)
        if manifest["version"] != _VERSION or sha256_file(folder / TEXTS) != manifest["sha256"]:
            raise ValueError(f"its {TEXTS} is not the one that was written, or of another version")
        facts = dict(manifest["report"])
        examples = tuple(map(str, facts.pop("broken_examples")))
        pool = Pool(folder / TEXTS, PoolReport(**facts, broken_examples=examples))
        if pool.report.kept != len(pool):
            raise ValueError(f"it holds {len(pool)} texts, its report says {pool.report.kept}")
        pool.content_hash = str(manifest["content_hash"])
    except (KeyError, TypeError, ValueError, FileNotFoundError) as error:
        raise InputError(f"pool folder {str(folder)!r} is damaged ({error}); spill the pool again") from None
    return pool


def open_pool(
    source: Any,
    *,
    column: str = "text",
    exclude: Iterable[str] = (),
    max_rows: int | None = None,
    random_state: int = 0,
    encoding: str = "utf-8",
) -> Pool:
    """Read unlabelled texts from anything: cleaned, each once, and none of those excluded.

    Parameters
    ----------
    source : str, Path, DataFrame, Dataset, TextData, Pool or iterable
        A CSV, TSV, JSONL, JSON or Parquet file, each also gzipped; the folder of a spilled pool; ``"FILE:SPLIT"`` or
        ``"hub:NAME"`` (these two are read whole); or texts, or dicts that hold them, in memory. A generator is read
        once.
    column : str, default "text"
        Where the text is, if rows have columns.
    exclude : iterable of str, default ()
        Texts that must not be in the pool, such as the test set and the gold texts; copies that differ by case and
        white space are excluded, too.
    max_rows : int, optional
        Keep no more texts than this, drawn at random among all that are good: every one with the same chance
        (reservoir sampling). Their order stays that of the source.
    random_state : int, default 0
        Seed of that drawing.
    encoding : str, default "utf-8"
        Of text files.

    Returns
    -------
    Pool
        Texts without white space at their ends and unprintable characters (as
        :func:`~fewshot.data.cleaning.clean_texts` does it). ``pool.report`` says what was left out: rows that cannot be
        read, empty ones, excluded ones, copies of earlier ones (by case and white space).

    Raises
    ------
    SourceNotFoundError
        If the file is not there.
    InputError
        If there is no such column, the file cannot be read, no text is left, or a setting is out of range.

    Warns
    -----
    DataWarning
        If texts were excluded or rows were broken, saying how many.

    Notes
    -----
    Memory does not grow with the length of the texts. It holds 8 bytes a different text, and 16 while these are
    sorted (160 MB for 10 million, 1.6 GB for 100 million; see :class:`~fewshot.data.seen.SeenTexts`), and with
    ``max_rows`` 8 bytes a text kept. The texts are written to the temporary folder (``TMPDIR``) once; with
    ``max_rows`` = k of n about k (1 + ln(n / k)) of them are. What a killed process left there is removed when the next
    pool is opened.

    References
    ----------
    Vitter 1985, "Random Sampling with a Reservoir", ACM TOMS 11 (algorithm R).

    Examples
    --------
    >>> pool = open_pool(["One text", "another", "one  text ", "", None])
    >>> list(pool), pool.report.summary()
    (['One text', 'another'], '2 of 5 rows of list kept; left out: 2 empty, 1 duplicate.')
    """
    check_max_rows(max_rows)
    if isinstance(random_state, bool) or not isinstance(random_state, (int, np.integer)) or random_state < 0:
        raise InputError(f"random_state must be an integer of at least 0, got {random_state!r}")
    if isinstance(source, (str, Path)) and (Path(source) / MANIFEST).is_file():
        source = load_pool(source)
    sieve = Sieve(stream_source(source, column, encoding=encoding), _excluded(exclude))
    reservoir = None if max_rows is None else Reservoir(max_rows, np.random.default_rng(random_state))
    scratch = ScratchFolder(_PREFIX)
    try:
        path = _write(scratch.path, sieve, reservoir)
        report = sieve.report(max_rows)
        _check_kept(report, column)
        pool = Pool(path, report)
    except BaseException:
        scratch.remove()
        raise
    weakref.finalize(pool, scratch.remove)
    for line in report.warnings():
        warnings.warn(line, DataWarning, stacklevel=2)
    return pool


def _excluded(exclude: Iterable[str]) -> SeenTexts:
    if isinstance(exclude, str) or not isinstance(exclude, Iterable):
        raise InputError(f"exclude must be texts, such as those of the test set, got {exclude!r}")
    texts = list(exclude)
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"exclude must hold strings, got {text!r} of type {type(text).__name__}")
    seen = SeenTexts()
    seen.add([strip_text(text) for text in texts])
    return seen


def _write(folder: Path, sieve: Sieve, reservoir: Reservoir | None) -> Path:
    path = folder / TEXTS
    if reservoir is None:
        write_text_file(path, sieve)
        return path
    entered = folder / "entered.arrow"
    write_text_file(entered, reservoir.enter(sieve))
    if reservoir.rows is None:  # there were no more than it holds
        return entered
    texts, rows = TextFile(entered), np.sort(reservoir.rows)
    write_text_file(path, (texts.take(some) for some in np.array_split(rows, len(rows) // 1_000 + 1)))
    del texts
    with contextlib.suppress(OSError):  # where a mapped file cannot be removed, it goes with the folder
        entered.unlink()
    return path


def _check_kept(report: PoolReport, column: str) -> None:
    """Say why nothing is left."""
    if report.kept:
        return
    if not report.n_rows:
        raise InputError(f"{report.source} is empty: it holds no rows of data")
    if report.broken == report.n_rows:
        raise InputError(f"no row of {report.source} can be read; {report.broken_examples[0]}")
    if report.excluded:
        raise InputError(
            f"every text of {report.source} is one of the excluded texts; is the pool the test set? "
            "Give unlabelled texts of their own"
        )
    raise InputError(
        f"{report.source} has no text in column {column!r}: {report.empty:,} of {report.n_rows:,} rows are empty, "
        f"{report.broken:,} broken; name another column by column= (--text)"
    )
