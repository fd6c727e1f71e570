"""The folder of finished rungs: each with what determines it, so that a later run makes only what is missing.

::

    layers=3+int8/        the rung's model folder
    layers=3+int8.json    what it was made from, and whether it is whole; written before the work, and again after it

What was left by a run that was killed counts only if its record says that it is whole.
"""

import dataclasses
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fewshot.core.artifacts import read_json, write_json
from fewshot.core.errors import FewshotError

_LARGEST = 2**20


@dataclasses.dataclass(frozen=True)
class RungStore:
    """Finished and begun rungs.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    def clear(self) -> None:
        """Forget all rungs; what else lies in the folder stays."""
        for file in self.folder.glob("*.json"):
            if "key" in self._read(file):
                self._remove(file.with_name(file.name.removesuffix(".json")))
                file.unlink()

    def sweep(self) -> None:
        """Remove what killed runs left half-written."""
        for path in [*self.folder.glob(".*.part"), *self.folder.glob(".*.old")]:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return where a rung's model is, or will be.

        Examples
        --------
        >>> RungStore(Path("rungs")).path("layers:3+int8").name
        'layers=3+int8'
        """
        return self.folder / quote(name, safe="+").replace("%3A", "=")

    def begun(self, name: str, key: dict[str, Any]) -> bool:
        """Return whether this very rung was begun, and perhaps finished."""
        return self._record(name).get("key") == key

    def seconds(self, name: str, key: dict[str, Any]) -> float | None:
        """Return how long a finished rung took; ``None`` unless this very one is there, whole."""
        record = self._record(name)
        whole = record.get("key") == key and record.get("whole") is True and self.path(name).is_dir()
        return float(record["seconds"]) if whole else None

    def begin(self, name: str, key: dict[str, Any]) -> None:
        """Note what is being made; what another rung of that name left is removed."""
        if not self.begun(name, key):
            self._remove(self.path(name))
        write_json(self._file(name), {"key": key, "whole": False})

    def finish(self, name: str, key: dict[str, Any], seconds: float) -> None:
        """Let a rung count."""
        write_json(self._file(name), {"key": key, "whole": True, "seconds": seconds})

    def _file(self, name: str) -> Path:
        return Path(f"{self.path(name)}.json")

    def _record(self, name: str) -> dict[str, Any]:
        return self._read(self._file(name))

    @staticmethod
    def _remove(rung: Path) -> None:
        """Remove a rung's model, and what its training left."""
        for path in (rung, Path(f"{rung}.training")):
            shutil.rmtree(path, ignore_errors=True)

    @staticmethod
    def _read(file: Path) -> dict[str, Any]:
        try:
            record = read_json(file, max_bytes=_LARGEST)
        except (FewshotError, OSError):
            return {}
        return record if isinstance(record, dict) else {}
