"""Labels for the rows of a file of any size: what ``fewshot predict IN --out OUT`` does.

Rows are read block by block, answered here or by other processes, and written shard by shard, so that memory does not
grow with the file and a run that is stopped loses one shard at most.
"""

import contextlib
import dataclasses
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.loading import load_classifier, model_folder
from fewshot.core.errors import InputError
from fewshot.core.scratch import ScratchFolder
from fewshot.recipes.judging import ANSWER_ALL, Abstaining
from fewshot.recipes.predicting.engines import engine_of
from fewshot.recipes.predicting.place import Place
from fewshot.recipes.predicting.plan import Plan
from fewshot.recipes.predicting.run import PredictedPool, PredictionRun
from fewshot.recipes.predicting.staff import Answering, Staff
from fewshot.recipes.sources import Reading

ROWS_PER_SHARD = 100_000
_FULL = (errno.ENOSPC, errno.EDQUOT)


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
    threads: int | None = None,
    engine: str = "processes",
    device: str | None = None,
) -> PredictedPool:
    r"""Predict every row of a file and write all its rows, in order, with ``label`` (or ``labels``) and ``confidence``.

    Parameters
    ----------
    classifier : str, Path or TextClassifier
        A model directory, or a fitted classifier (one that can be saved).
    source : str or Path
        CSV, TSV, JSONL, JSON, Parquet, or a ``.txt`` of one text a line, each also gzipped, of any size. Columns
        ``label``, ``labels`` and ``confidence`` that it has already are kept as ``label_given`` and so on.
    out : str or Path
        A file, in the format that its name says; or a folder (one that is there, or a name that ends in ``/``), which
        keeps a file a shard, ``part-00000.csv`` and so on, in the format of ``source`` (CSV for a ``.txt``). Rows that
        cannot be predicted keep their place with an empty label and go with number and reason to ``OUT.rejected.csv``
        (in a folder ``rejected.csv``); rows that ``abstaining`` leaves without a label go to ``OUT.review.csv``, in the
        format of the output, with the label that would have been given and the number of their row.
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
    threads : int, optional
        Threads of each of them; :func:`~fewshot.recipes.benchmarking.benchmark_models` tells how many are best.
        Default: with several workers an equal share of the processors, else what the libraries choose.
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
        If the disk is full.

    In all these cases finished shards are kept, and the same call goes on with them.

    Notes
    -----
    Until all shards are done they lie in the folder ``OUT.shards`` beside ``out``. What is written depends on input,
    model and settings alone, not on interruptions; workers and threads may change the last digit of a confidence
    where an encoder's arithmetic depends on them (that of a token table without filters does not).

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
    staff = Staff(workers, engine, device, threads)
    place = Place.of(source, out)
    with _opened(classifier, device) as (model, folder):
        abstaining.of(model, [])  # what it cannot do is found before the work, not after it
        run = PredictionRun(place, reading, model, rows_per_shard, part)
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
