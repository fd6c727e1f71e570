"""A run over one file: its rows in, the shards that are its own out, and at the end what they make together."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.core.collector import older_objects_kept, seldom_collected
from fewshot.core.errors import InputError
from fewshot.data.formats import format_of
from fewshot.data.row_blocks import RowBlock
from fewshot.data.row_files import open_rows
from fewshot.data.row_texts import TextReader
from fewshot.recipes.predicting.columns import OutputColumns
from fewshot.recipes.predicting.place import Place
from fewshot.recipes.predicting.plan import Plan
from fewshot.recipes.predicting.reading_progress import ReadingProgress
from fewshot.recipes.predicting.shards import BusyError, Shard, ShardFolder
from fewshot.recipes.predicting.staff import Engine
from fewshot.recipes.sources import Reading


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


_Job = tuple[RowBlock, Sequence[int], dict[int, str]]
"""Rows, the places of those that can be predicted, and why the others cannot."""


class PredictionRun:
    """One run over a file, which does the shards that are its own and not done.

    Parameters
    ----------
    place : Place
    reading : Reading
    model : TextClassifier
        Whose classes the output holds; who answers is said to :meth:`work`.
    rows_per_shard : int
    part : (int, int), optional
        Number, from 1, of the part of the shards that this run does, and how many parts there are.

    Attributes
    ----------
    texts : TextReader
    shards : ShardFolder

    Raises
    ------
    InputError
        If the file or its columns cannot be used.
    """

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
        self.texts = TextReader(self._rows.columns, reading.text, self._rows.source, is_named=self._rows.is_named)
        self._columns = OutputColumns(self._rows, model.label_space_, place.named, reading.label_separator)
        suffixes = {"part": place.suffix, "review": place.suffix, "rejected": ".csv"}
        self.shards = ShardFolder(place.folder, self._columns.layouts, suffixes, is_output=place.is_folder)
        self._done: set[int] = set()

    def work(self, answer: Engine) -> None:
        """Do the shards that this run is to do and that are not done."""
        shown = ReadingProgress(self._place.source.name, self._rows)
        with shown as progress, older_objects_kept(), seldom_collected():
            answered = answer(self._jobs())
            for number, blocks in itertools.groupby(answered, key=lambda one: one[0][0].shard):
                self._write(number, blocks, progress)
        if _state(self._place.source) != self._begun:
            raise InputError(f"{self._rows.source} changed while it was read; give the command again once it is whole")

    def _jobs(self) -> Iterator[tuple[_Job, list[str]]]:
        for block in self._rows.blocks(self._rows_per_shard, self._wants):
            texts, reasons = self.texts.read(block)
            if reasons:
                good: Sequence[int] = [place for place in range(len(block)) if place not in reasons]
                texts = [texts[place] for place in good]
            else:
                good = range(len(block))
            yield (block, good, reasons), texts

    def _wants(self, number: int) -> bool:
        mine = self._part is None or number % self._part[1] == self._part[0] - 1
        return mine and self.shards.claim(number)

    def _write(self, number: int, blocks: Iterator[Any], progress: ReadingProgress) -> None:
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
                if shard.n_rows == self._rows_per_shard:
                    break  # it is finished now, not after the first block of the next one
        self._done.add(number)

    def finish(self, plan: Plan) -> PredictedPool:
        """Put the shards together; the folder is held by this run alone."""
        shards = self._all_shards()
        if shards is None:  # a file was removed while we were at work
            raise InputError(
                f"shards in {str(self._place.folder)!r} are missing or damaged; give the same command again"
            )
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


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
