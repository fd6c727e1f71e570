"""One cell of a comparison: which method meets which training slice and seed, and what came of it.

A contestant is anything with ``fit`` and ``predict``; the judge is handed a factory for each cell and asks no more.
Keeping the results is left to ``store``, running many cells to ``compare`` and its engines.
"""

import dataclasses
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from fewshot.core.errors import InputError
from fewshot.data.texts import TextData
from fewshot.evaluation.coding import encode_labels
from fewshot.evaluation.metrics import SCORES, score_codes
from fewshot.evaluation.runner.predictions import Predictions

IDENTITY = ("method", "encoder", "pool", "slice", "n_train", "seed")
COLUMNS = (*IDENTITY, "status", *SCORES, "fit_seconds", "predict_seconds", "error")
"""What ``results.csv`` holds, in order."""

FOLD = "fold"
"""One more column at the end, in a cross-validation alone."""

LONGEST_ERROR = 500


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is tried once: a method with an encoder on one slice with one seed.

    Parameters
    ----------
    method, encoder : str
        Names, as the user gave them.
    pool : int, str or None
        Number of unlabelled texts that the method may use, or a short name where several pools are compared; ``None``
        where it uses none.
    slice : int
        Size of the training slice as asked for (examples per class, or in all).
    n_train : int
        Number of labelled training texts that came of it.
    seed : int
        The seed of the slice and of the method.
    key : str
        Fingerprint of everything that decides the result, made by the caller (``core.artifacts.fingerprint``).
        Letters, digits, ``-`` and ``_`` only: it becomes a file name.
    fold : int, optional
        In a cross-validation, the fold that was held out and is judged on, from 0. See
        :mod:`fewshot.evaluation.runner.folds`.

    Raises
    ------
    InputError
        If ``key`` cannot be a file name.

    Examples
    --------
    >>> Cell("knn", "bundled", None, 8, 16, 0, key="3f2a").method
    'knn'
    """

    method: str
    encoder: str
    pool: int | str | None
    slice: int
    n_train: int
    seed: int
    key: str
    fold: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", self.key):
            raise InputError(f"key must be 1 to 128 letters, digits, '-' or '_' (a fingerprint), got {self.key!r}")

    @property
    def identity(self) -> dict[str, Any]:
        """The columns of the result row that say which cell it is."""
        of_fold = {} if self.fold is None else {FOLD: self.fold}
        return {name: getattr(self, name) for name in IDENTITY} | of_fold


class Contestant(Protocol):
    """What a method must offer to be compared.

    It may also have a method ``after_scoring()``. It is called once, when fit and predict are timed and scored: a place
    to measure more of what was trained, of which nothing reaches the row. It must not fail.
    """

    def fit(self, texts: list[str], labels: list[Any], /) -> Any:
        """Learn from labelled texts."""

    def predict(self, texts: list[str], /) -> Sequence[Any]:
        """Return one label (in multi-label data: a sequence of labels) a text."""


class Contest(NamedTuple):
    """A cell, the factory of its contestant, and the slice to train on."""

    cell: Cell
    build: Callable[[], Contestant]
    train: TextData


class CellResult(NamedTuple):
    """What came of a cell: its row of ``results.csv``, and what was predicted (``None`` where it failed)."""

    row: dict[str, Any]
    predictions: Predictions | None


def run_cell(cell: Cell, build: Callable[[], Contestant], train: TextData, test: TextData) -> CellResult:
    """Build, train and score one contestant; whatever goes wrong is a result too.

    Parameters
    ----------
    cell : Cell
        What is tried.
    build : callable
        Makes the untrained contestant. Not timed.
    train, test : TextData
        Labelled texts. ``fit`` and ``predict`` are timed.

    Returns
    -------
    CellResult
        ``row`` has one value for each of ``COLUMNS``, and ``fold`` where the cell has one; ``predictions`` one answer
        for each test text. A failed cell has ``status`` ``"failed"``, no scores, no predictions, and in ``error`` the
        type and first line of the exception.
        Ctrl-C and ``SystemExit`` are not failures and pass through.

    Examples
    --------
    >>> class Constant:
    ...     def fit(self, texts, labels): self.answer = labels[0]
    ...     def predict(self, texts): return [self.answer] * len(texts)
    >>> train = TextData(["good"], ["pos"], multi_label=False, rows=[0])
    >>> test = TextData(["fine", "poor"], ["pos", "neg"], multi_label=False, rows=[0, 1])
    >>> row, predictions = run_cell(Cell("constant", "", None, 1, 1, 0, key="a"), Constant, train, test)
    >>> row["status"], row["accuracy"], predictions.labels
    ('ok', 0.5, ['pos', 'pos'])
    """
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | cell.identity
    try:
        contestant = build()
        start = time.perf_counter()
        contestant.fit(train.texts, train.labels)
        row["fit_seconds"] = time.perf_counter() - start
        start = time.perf_counter()
        predicted = contestant.predict(test.texts)
        row["predict_seconds"] = time.perf_counter() - start
        space, Y, P = encode_labels(test.labels, predicted, multi_label=test.multi_label)
        scores = score_codes(Y, P, space)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic in a Rust tokenizer is no Exception
        return failed(cell, error, row)
    row |= {"status": "ok"} | {name: scores[name] for name in SCORES}
    if hasattr(contestant, "after_scoring"):
        contestant.after_scoring()
    return CellResult(row, Predictions(space, P, test.texts_fingerprint))


def failed(cell: Cell, error: BaseException, row: dict[str, Any] | None = None) -> CellResult:
    r"""Return what came of a cell that failed; ``row`` holds what was known before, such as the time of ``fit``.

    Examples
    --------
    >>> failed(Cell("knn", "", None, 1, 1, 0, key="a"), ValueError("too few\nrows")).row["error"]
    'ValueError: too few'
    """
    known = dict.fromkeys(COLUMNS) | cell.identity if row is None else row
    return CellResult(known | {"status": "failed", "error": one_line(error)}, None)


def one_line(error: BaseException) -> str:
    """Return the type and the first line of an exception, as text that can be written."""
    name = type(error).__name__
    lines = str(error).strip().splitlines()
    text = f"{name}: {lines[0]}" if lines else name
    return text.encode("utf-8", "replace").decode("utf-8")[:LONGEST_ERROR]
