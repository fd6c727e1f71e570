"""The folder of a comparison: one file a finished cell, so that a run that was stopped goes on where it was.

::

    folder/manifest.json     what the run was made of: hashes of the data, versions, settings
    folder/cells/<key>.json  one result row each and what was predicted, written whole or not at all
    folder/lock              held while a run writes here

What a killed run was about to write lies beside these, in files that begin with a dot; the next run removes them.
A file that is torn, invalid or of another cell counts as absent, also where only its predictions are so: that cell is
computed again. A whole row without predictions is a result all the same: such rows were written before predictions
were kept, and are written where these would pass ``LARGEST_CELL`` (millions of test texts). It stands in every table
of means; only comparisons text by text go without it.
"""

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from fewshot.core.artifacts import read_json, write_json
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.core.locks import take_lock
from fewshot.evaluation.metrics import SCORES
from fewshot.evaluation.runner.contest import COLUMNS, Cell, CellResult
from fewshot.evaluation.runner.predictions import Predictions

LARGEST_CELL = 4 * 2**20
LARGEST_ROW = 64 * 2**10
NUMBERS = (*SCORES, "fit_seconds", "predict_seconds")


class ResultStore:
    """Result rows of cells and what was predicted in them, kept in a folder.

    Parameters
    ----------
    folder : str or Path
        Where they are kept. Made when the first is written.

    Examples
    --------
    >>> import tempfile
    >>> store = ResultStore.open(tempfile.mkdtemp(), {"data": "3f2a"})
    >>> cell = Cell("knn", "bundled", None, 8, 16, 0, key="ab")
    >>> store.put(cell, dict.fromkeys(COLUMNS) | cell.identity | {"status": "failed", "error": "ValueError"})
    >>> store.get(cell)["error"]
    'ValueError'
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._locks = 0

    @classmethod
    def open(
        cls, folder: str | Path, manifest: Mapping[str, Any], identity_keys: Iterable[str] = ("data",)
    ) -> "ResultStore":
        """Open a folder for the run that ``manifest`` describes, and write the manifest there.

        Parameters
        ----------
        folder : str or Path
            New, or of an earlier run on the same data.
        manifest : mapping
            JSON values: hashes of the data, versions, settings.
        identity_keys : iterable of str, default ("data",)
            Entries that must equal those of the manifest already there.

        Raises
        ------
        InputError
            If the folder is a file, is in use by another run, or holds results of other data.
        """
        store = cls(folder)
        wanted = json.loads(json.dumps({key: manifest[key] for key in identity_keys}))
        with store.locked():
            store._check_manifest(wanted)
            store._sweep()
            write_json(store.folder / "manifest.json", dict(manifest))
        return store

    def _sweep(self) -> None:
        """Remove what a killed run left half-written; the lock says that nobody else writes here."""
        for part in [*self.folder.glob(".*.part"), *self.folder.glob("cells/.*.part")]:
            if part.is_file():
                part.unlink()

    def _check_manifest(self, wanted: dict[str, Any]) -> None:
        try:
            found = read_json(self.folder / "manifest.json")
        except SourceNotFoundError:
            return
        except ModelFormatError:
            found = None
        if not isinstance(found, dict) or any(found.get(key) != value for key, value in wanted.items()):
            raise InputError(
                f"folder {str(self.folder)!r} holds results of other data (see its manifest.json); "
                "choose another --out, or delete the folder"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other run out of the folder inside this block; blocks of one store may nest.

        Raises
        ------
        InputError
            If another run holds the folder, or ``folder`` is a file.
        """
        if self._locks:
            self._locks += 1
            try:
                yield
            finally:
                self._locks -= 1
            return
        with self._open_lock() as handle:
            if not take_lock(handle):  # without locks, cells are still written whole
                raise InputError(
                    f"another run is writing to {str(self.folder)!r}; wait until it is done or choose another --out"
                )
            self._locks = 1
            try:
                yield
            finally:
                self._locks = 0

    def _open_lock(self) -> IO[bytes]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"output folder {str(self.folder)!r} is a file; choose another --out") from None
        return (self.folder / "lock").open("ab")

    def get(self, cell: Cell) -> dict[str, Any] | None:
        """Return the row of a cell, finished or failed; ``None`` if there is none that can be trusted."""
        found = self._read(cell)
        return None if found is None else found.row

    def predictions(self, cell: Cell) -> Predictions | None:
        """Return what was predicted in a cell; ``None`` if it failed, is not there, or was kept without.

        For the predictions of many cells in codes of one label space, see
        :func:`fewshot.evaluation.runner.prediction_set.read_predictions`.
        """
        found = self._read(cell)
        return None if found is None else found.predictions

    def put(self, cell: Cell, row: Mapping[str, Any], predictions: Predictions | None = None) -> None:
        """Keep the row of a cell and what was predicted, in place of an earlier one."""
        kept = None if predictions is None else predictions.to_json()
        if kept is not None and len(json.dumps(kept)) > LARGEST_CELL - LARGEST_ROW:
            kept = None
        record = {name: row[name] for name in (*COLUMNS, *cell.identity)} | {"predictions": kept}
        write_json(self._path(cell), record, ascii_only=True)

    def rows(self, cells: Iterable[Cell]) -> list[dict[str, Any]]:
        """Return the rows of those cells that have one, in the order of ``cells``."""
        return [row for cell in cells if (row := self.get(cell)) is not None]

    def _read(self, cell: Cell) -> CellResult | None:
        try:
            row = read_json(self._path(cell), max_bytes=LARGEST_CELL)
            kept = row.pop("predictions", None) if isinstance(row, dict) else None
            predictions = None if kept is None else Predictions.from_json(kept)
        except (OSError, ModelFormatError, RecursionError):
            return None
        if not _is_row_of(cell, row) or (predictions is not None and row["status"] != "ok"):
            return None
        return CellResult(row | {"pool": cell.pool}, predictions)

    def _path(self, cell: Cell) -> Path:
        return self.folder / "cells" / f"{cell.key}.json"


def _is_row_of(cell: Cell, row: Any) -> bool:
    if not isinstance(row, dict) or set(row) != {*COLUMNS, *cell.identity}:
        return False
    # The key decides which pool it was; its name is what this run calls it: alone by its size, beside others by a name.
    if any(row[name] != value for name, value in cell.identity.items() if name != "pool"):
        return False
    if not all(row[name] is None or _is_number(row[name]) for name in NUMBERS):
        return False
    if row["status"] == "failed":
        return isinstance(row["error"], str) and all(row[name] is None for name in SCORES)
    missing = {name for name in (*NUMBERS, "error") if row[name] is None}
    return row["status"] == "ok" and missing in ({"error"}, {"error", "mcc"})


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
