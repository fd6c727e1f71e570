"""What a run predicts, of what, and how: enough to know whether another run may go on with its shards."""

import dataclasses
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import folder_fingerprint, sha256_file
from fewshot.core.errors import InputError
from fewshot.core.requirements import REQUIREMENTS

FORMAT = 1
_UNREAD = ("README.md", REQUIREMENTS)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What decides every byte of the output.

    Parameters
    ----------
    input_bytes : int
    input_sha256 : str
    model : str
        Fingerprint of the model's folder, its card and its requirements left out.
    settings : dict
        JSON values by name.

    Examples
    --------
    >>> plan = Plan(10, "ab", "cd", {"rows_per_shard": 5})
    >>> plan.differences(dataclasses.replace(plan, model="ef", settings={"rows_per_shard": 6}).to_json())
    ['the model', 'rows_per_shard (was 6, is 5)']
    """

    input_bytes: int
    input_sha256: str
    model: str
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, source: Path, model: Path, settings: Mapping[str, Any]) -> "Plan":
        """Read the input and the model through, once."""
        fingerprint = folder_fingerprint(model, leave_out=_UNREAD)
        settings = {**settings, "version": version("fewshot")}
        return cls(source.stat().st_size, sha256_file(source), fingerprint, settings)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "format": FORMAT,
            "input": {"bytes": self.input_bytes, "sha256": self.input_sha256},
            "model": self.model,
            "settings": dict(self.settings),
        }

    def differences(self, found: Mapping[str, Any]) -> list[str]:
        """Name what is other in a plan that was found, empty where it is the same.

        Raises
        ------
        InputError
            If what was found is no plan.
        """
        try:
            known, number = dict(found["settings"]), found["format"]
            parts = [("the input", self.to_json()["input"], found["input"]), ("the model", self.model, found["model"])]
            names = dict.fromkeys([*self.settings, *known])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"its manifest is damaged ({type(error).__name__}: {error})") from None
        changed = [name for name, mine, theirs in parts if mine != theirs]
        changed += [f"the manifest's format (was {number}, is {FORMAT})"] if number != FORMAT else []
        return changed + [
            f"{name} (was {known.get(name)!r}, is {self.settings.get(name)!r})"
            for name in names
            if known.get(name) != self.settings.get(name)
        ]
