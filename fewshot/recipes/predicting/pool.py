"""Labels for the rows of a file of any size: what ``fewshot predict IN --out OUT`` does.

Rows are read block by block, answered here or by other processes, and written shard by shard, so that memory does not
grow with the file and a run that is stopped loses one shard at most.
"""

import contextlib
import dataclasses
import errno
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.loading import load_classifier, model_folder
from fewshot.core.collector import older_objects_kept
from fewshot.core.errors import InputError
from fewshot.core.progress import remark, track
from fewshot.core.scratch import ScratchFolder
from fewshot.data.formats import format_of
from fewshot.data.row_blocks import RowBlock
from fewshot.data.row_sources import RowSource, open_rows
from fewshot.data.row_texts import TextReader
from fewshot.recipes.judging import ANSWER_ALL, Abstaining
from fewshot.recipes.predicting.columns import OutputColumns
from fewshot.recipes.predicting.engines import engine_of
from fewshot.recipes.predicting.plan import Plan
from fewshot.recipes.predicting.shards import BusyError, Shard, ShardFolder
from fewshot.recipes.predicting.staff import Answering, Engine, Staff
from fewshot.recipes.sources import Reading

ROWS_PER_SHARD = 100_000
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclasses.dataclass(frozen=True)
class PredictedPool:
    """What a run of predictions wrote.

    Parameters
    ----------
    out : Path
        The file, or the folder of shards.
    n_rows, n_rejected, n_abstained : int
        Rows written, those of them that could not be predicted, and those left without a label for a person to see.
        Without ``is_whole`` they are those of the shards that are done.
    counts : dict
        How often each label was given, the most frequent first.
    rejected_file : Path or None
        Number (from 0) and reason of each rejected row.
    review_file : Path or None
        The rows left without a label, with the label that would have been given.
    n_shards, n_resumed : int
        Shards that are done, and how many of them were done before this run.
    is_whole : bool
        Whether all shards are done and put together; if not, ``out`` is not there yet.
    """

    out: Path
    n_rows: int
    n_rejected: int
    n_abstained: int
    counts: dict[Any, int]
    rejected_file: Path | None
    review_file: Path | None
    n_shards: int
    n_resumed: int
    is_whole: bool


def predict_pool(
    classifier: str | Path | TextClassifier,
    source: str | Path,
    *,
    out: str | Path,
    reading: Reading | None = None,
    abstaining: Abstaining = ANSWER_ALL,
    at_least_one: bool = False,
    rows_per_shard: int = ROWS_PER_SHARD,
    shard: str | None = None,
    workers: int = 1,
    engine: str = "processes",
    device: str | None = None,
) -> PredictedPool:
    r"""Predict every row of a file and write all its rows, in order, with ``label`` (or ``labels``) and ``confidence``.

    Parameters
    ----------
    classifier : str, Path or TextClassifier
        A model directory, or a fitted classifier (one that can be saved).
    source : str or Path
        CSV, TSV, JSONL, JSON or Parquet, each also gzipped, of any size. Columns ``label``, ``labels`` and
        ``confidence`` that it has already are kept as ``label_given`` and so on.
    out : str or Path
        A file, in the format that its name says; or a folder (one that is there, or a name that ends in ``/``), which
        keeps a file a shard, ``part-00000.csv`` and so on, in the format of ``source``. Rows that cannot be predicted
        keep their place with an empty label and go with number and reason to ``OUT.rejected.csv`` (in a folder
        ``rejected.csv``); rows that ``abstaining`` leaves without a label go to ``OUT.review.csv``, in the format of
        the output, with the label that would have been given and the number of their row.
    reading : Reading, optional
        Columns of the text, encoding, separator of labels.
    abstaining : Abstaining, optional
        When to leave the label empty.
    at_least_one : bool, default False
        In multi-label tasks, give the most probable label to a text where none applies.
    rows_per_shard : int, default 100,000
        A run that is stopped loses the work on one shard at most.
    shard : str, optional
        ``"2/5"``: do the second of five parts of the shards, as one of several machines that share the folder of
        ``out``. Whoever ends last puts the shards together; so does the same call without ``shard``.
    workers : int, default 1
        Processes that answer, each with a model of its own.
    engine : {"processes", "ray"}, default "processes"
        Whether these are processes of this machine, or Ray's (extra ``[ray]``).
    device : str, optional
        Where encoders run.

    Returns
    -------
    PredictedPool

    Raises
    ------
    SourceNotFoundError
        If there is no such file or model.
    InputError
        If a column or setting cannot be used; if another run writes to ``out``; if shards are there that were begun
        with another input, model or setting; if the file changes while it is read.
    WorkerError
        If a worker process dies.
    OSError
        If the disk is full. After this and all but the first errors the finished shards are kept, and the same call
        goes on with them.

    Notes
    -----
    Until all shards are done they lie in the folder ``OUT.shards`` beside ``out``. What is written depends on input,
    model and settings alone, not on interruptions; workers and threads may change the last digit of a confidence
    where an encoder's arithmetic depends on them (a token table's does not).

    Examples
    --------
    >>> import tempfile
    >>> from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "new.csv").write_text("id,text\n1,good\n2,\n")
    >>> model = NaiveBayesClassifier().fit(["good film", "bad film"], ["pos", "neg"])
    >>> made = predict_pool(model, folder / "new.csv", out=folder / "labelled.csv")
    >>> made.n_rows, made.n_rejected, made.counts
    (2, 1, {'pos': 1})
    >>> print((folder / "labelled.csv").read_text())
    id,text,label,confidence
    1,good,pos,0.6667
    2,,,
    <BLANKLINE>
    """
    reading = reading or Reading()
    _check_rows(rows_per_shard)
    part = _part_of(shard)
    staff = Staff(workers, engine, device)
    place = Place.of(source, out)
    with _opened(classifier, device) as (model, folder):
        abstaining.of(model, [])  # what it cannot do is found before the work, not after it
        run = _Run(place, reading, model, rows_per_shard, part)
        settings = {
            **{"rows_per_shard": rows_per_shard, "text": list(run.texts.columns), "encoding": reading.encoding},
            **{"label_separator": reading.label_separator, "at_least_one": at_least_one},
            **{"format": place.suffix, **dataclasses.asdict(abstaining)},
        }
        plan = Plan.of(place.source, folder, settings)
        with _kept_on_full_disk(place.out):
            with run.shards.held(shared=part is not None):
                run.shards.begin(plan)
                if part is None:
                    run.shards.sweep()
                with engine_of(staff, folder, model, Answering(abstaining, at_least_one)) as answer:
                    run.work(answer)
                if part is None:
                    return run.finish(plan)
            return run.finish_if_last(plan)


def _check_rows(rows_per_shard: Any) -> None:
    if isinstance(rows_per_shard, bool) or not isinstance(rows_per_shard, int) or rows_per_shard < 1:
        raise InputError(f"rows_per_shard must be a positive integer, got {rows_per_shard!r}")


def _part_of(shard: str | None) -> tuple[int, int] | None:
    """Read ``"2/5"``."""
    if shard is None:
        return None
    number, slash, n = str(shard).partition("/")
    if not (slash and number.isdecimal() and n.isdecimal() and 1 <= int(number) <= int(n)):
        raise InputError(f"shard must be a part and how many there are, from '1/{n or 3}' on, got {shard!r} (--shard)")
    return int(number), int(n)


@contextlib.contextmanager
def _opened(classifier: str | Path | TextClassifier, device: str | None) -> Iterator[tuple[TextClassifier, Path]]:
    """Give a classifier and its folder; one that is in memory alone has a folder for as long as the block lasts."""
    if isinstance(classifier, (str, Path)):
        folder = model_folder(classifier)
        yield load_classifier(folder, device=device), folder
        return
    scratch = ScratchFolder("fewshot-model-")
    try:
        classifier.save(scratch.path / "model")
        yield classifier, scratch.path / "model"
    finally:
        scratch.remove()


@contextlib.contextmanager
def _kept_on_full_disk(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        message = "the disk is full; finished shards are kept: make room, then give the same command again"
        raise OSError(error.errno, message, str(out)) from None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a run reads, and where it writes.

    Parameters
    ----------
    source, out : Path
    is_folder : bool
        Whether ``out`` is a folder of shards.
    suffix : str
        Of the files written, such as ``".csv.gz"``.
    """

    source: Path
    out: Path
    is_folder: bool
    suffix: str

    @classmethod
    def of(cls, source: str | Path, out: str | Path) -> "Place":
        """Find out what ``out`` means, and refuse what cannot be written before anything is read."""
        source, is_folder = Path(source), str(out).endswith("/") or Path(out).is_dir()
        out = Path(out)
        if out.resolve() == source.resolve():
            raise InputError(f"out must be another file than the input, got {str(out)!r} for both")
        named = source if is_folder else out
        format_of(named)
        packed = ".gz" if named.name.lower().endswith(".gz") else ""
        return cls(source, out, is_folder, Path(named.name.lower().removesuffix(".gz")).suffix + packed)

    @property
    def named(self) -> str:
        """A name of the output's format."""
        return f"a{self.suffix}"

    @property
    def folder(self) -> Path:
        """The folder of the shards."""
        return self.out if self.is_folder else self.out.with_name(f"{self.out.name}.shards")

    def beside(self, name: str) -> Path:
        """Return where a file goes that comes with the output."""
        return self.out / name if self.is_folder else self.out.with_name(f"{self.out.name}.{name}")


_Job = tuple[RowBlock, list[int], dict[int, str]]
"""Rows, the places of those that can be predicted, and why the others cannot."""


class _Run:
    """One call of :func:`predict_pool` under way."""

    def __init__(
        self,
        place: Place,
        reading: Reading,
        model: TextClassifier,
        rows_per_shard: int,
        part: tuple[int, int] | None,
    ) -> None:
        self._place, self._part, self._rows_per_shard = place, part, rows_per_shard
        self._begun = _state(place.source)
        self._rows = open_rows(place.source, encoding=reading.encoding, typed=format_of(place.named) == "parquet")
        self.texts = TextReader(self._rows.columns, reading.text, self._rows.source)
        self._columns = OutputColumns(self._rows, model.label_space_, place.named, reading.label_separator)
        suffixes = {"part": place.suffix, "review": place.suffix, "rejected": ".csv"}
        self.shards = ShardFolder(place.folder, self._columns.layouts, suffixes, is_output=place.is_folder)
        self._done: set[int] = set()

    def work(self, answer: Engine) -> None:
        """Do the shards that this run is to do and that are not done."""
        with _Progress(self._place.source.name, self._rows) as progress, older_objects_kept():
            answered = answer(self._jobs())
            for number, blocks in itertools.groupby(answered, key=lambda one: one[0][0].shard):
                self._write(number, blocks, progress)
        if _state(self._place.source) != self._begun:
            raise InputError(f"{self._rows.source} changed while it was read; give the command again once it is whole")

    def _jobs(self) -> Iterator[tuple[_Job, list[str]]]:
        for block in self._rows.blocks(self._rows_per_shard, self._wants):
            texts, reasons = self.texts.read(block)
            good = [place for place in range(len(block)) if place not in reasons] if reasons else range(len(block))
            yield (block, list(good), reasons), [texts[place] for place in good]

    def _wants(self, number: int) -> bool:
        mine = self._part is None or number % self._part[1] == self._part[0] - 1
        return mine and self.shards.claim(number)

    def _write(self, number: int, blocks: Iterator[Any], progress: "_Progress") -> None:
        shard = Shard(number, number * self._rows_per_shard)
        with self.shards.writing(shard) as writer:
            for (block, good, reasons), answers in blocks:
                columns = self._columns.of(block, good, answers)
                writer("part").write(columns.rows)
                if reasons:
                    writer("rejected").write(columns.rejected(reasons))
                if columns.n_abstained:
                    writer("review").write(columns.review())
                shard.n_rows += len(block)
                shard.n_rejected += len(reasons)
                shard.n_abstained += columns.n_abstained
                shard.counts = dict(Counter(shard.counts) + columns.counts())
                progress.note(len(block))
        self._done.add(number)

    def finish(self, plan: Plan) -> PredictedPool:
        """Put the shards together; the folder is held by this run alone."""
        shards = self._all_shards()
        if shards is None:  # a file was removed while we were at work
            raise InputError(f"shards in {str(self._place.folder)!r} are missing or damaged; give the same command again")
        rejected = self.shards.join("rejected", shards, self._rejected_file)
        review = self.shards.join("review", shards, self._review_file)
        if self._place.is_folder:
            self.shards.seal(plan, shards)
        else:
            self.shards.join("part", shards, self._place.out)
            self.shards.remove()
        return self._made(shards, rejected, review, is_whole=True)

    def finish_if_last(self, plan: Plan) -> PredictedPool:
        """Put the shards together if all are there and no other run is at work."""
        shards = self._all_shards()
        if shards is not None:
            try:
                with self.shards.held(shared=False):
                    if self.shards.is_begun:
                        return self.finish(plan)
                    self.shards.remove()  # another run has put them together a moment ago
                    files = (file if file.exists() else None for file in (self._rejected_file, self._review_file))
                    return self._made(shards, *files, is_whole=True)
            except BusyError:
                pass  # another run ends later, and sees to it
        found = (self.shards.finished(number) for number in range(self._n_shards))
        return self._made([shard for shard in found if shard is not None], None, None, is_whole=False)

    @property
    def _n_shards(self) -> int:
        return -(-self._rows.n_read // self._rows_per_shard)

    def _all_shards(self) -> list[Shard] | None:
        return self.shards.shards(self._n_shards)

    @property
    def _rejected_file(self) -> Path:
        return self._place.beside("rejected.csv")

    @property
    def _review_file(self) -> Path:
        return self._place.beside(f"review{self._place.suffix}")

    def _made(
        self, shards: list[Shard], rejected: Path | None, review: Path | None, *, is_whole: bool
    ) -> PredictedPool:
        counts = sum((Counter(shard.counts) for shard in shards), Counter[Any]())
        return PredictedPool(
            out=self._place.out,
            n_rows=sum(shard.n_rows for shard in shards),
            n_rejected=sum(shard.n_rejected for shard in shards),
            n_abstained=sum(shard.n_abstained for shard in shards),
            counts=dict(sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))),
            rejected_file=rejected,
            review_file=review,
            n_shards=len(shards),
            n_resumed=sum(shard.number not in self._done for shard in shards),
            is_whole=is_whole,
        )


class _Progress:
    """Shows how far a file was predicted, how fast, and how long it still takes."""

    def __init__(self, name: str, rows: RowSource) -> None:
        self._rows, self._n = rows, 0
        self._step, unit = (1, "rows") if rows.n_rows is not None else (1000, "kB")
        self._track = track(f"predicting {name} ({unit})", max(1, rows.size // self._step))
        self._shown = 0
        self._began = time.monotonic()

    def __enter__(self) -> "_Progress":
        self._advance = self._track.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._track.__exit__(*error)

    def note(self, n: int) -> None:
        """Count rows that were written."""
        self._n += n
        seconds = max(time.monotonic() - self._began, 1e-3)
        position = self._rows.position // self._step
        left = (self._rows.size // self._step - position) * seconds / max(position, 1)
        remark(rate=f"{self._n:,} rows, {self._n / seconds:,.0f} rows/s, about {_time(left)} left")
        self._advance(position - self._shown)
        self._shown = position


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
