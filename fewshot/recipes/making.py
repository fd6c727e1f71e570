"""What a journey that makes a model leaves behind: the folder, and the facts worth telling."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import read_listing
from fewshot.core.artifacts import folder_bytes
from fewshot.core.errors import FewshotError, InputError


@dataclasses.dataclass(frozen=True)
class Made:
    """What a journey made.

    Parameters
    ----------
    classifier : TextClassifier
    folder : Path
    facts : dict
        Numbers worth telling: texts, classes, seconds, megabytes, held-out figures.
    """

    classifier: TextClassifier
    folder: Path
    facts: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Workshop:
    """Where interrupted work leaves what it needs to go on.

    Parameters
    ----------
    folder : Path
    resume : bool
    """

    folder: Path
    resume: bool

    def told(self) -> list[str]:
        """Say whether an interrupted run left anything, if that was to be gone on with; ask before the work begins."""
        if not self.resume:
            return []
        if not any(path.is_file() for path in self.folder.rglob("*")):
            return ["there was nothing to go on with; the work began afresh"]
        return [f"went on with what {str(self.folder)!r} held"]

    def clear(self) -> None:
        """Remove the folder: all is saved."""
        shutil.rmtree(self.folder, ignore_errors=True)


def check_alone() -> None:
    """Raise where several processes were started for one training: each would write the same folder."""
    count = os.environ.get("WORLD_SIZE", "1")
    if count.isdecimal() and int(count) > 1:
        raise InputError(
            f"{count} processes were started together (WORLD_SIZE), and each would write the same folder; start one, "
            "or call the trainer's fit in a script of yours and save where RANK is 0"
        )


def saved(
    classifier: TextClassifier,
    out: str | Path,
    facts: dict[str, Any],
    provenance: dict[str, Any],
    *,
    cleaning: str,
    metrics: dict[str, Any] | None = None,
    **options: Any,
) -> Made:
    """Save a classifier and return what was made; ``options`` go to its ``save``.

    A note is added where another model was there and is gone.
    """
    earlier = _listing(out)
    classifier.save(out, metrics=metrics, provenance=provenance, **options)
    told = {"megabytes": round(folder_bytes(out) / 1e6, 1), "cleaning": cleaning}
    told["notes"] = [*facts.get("notes", []), *_replaced(out, earlier)]
    return Made(classifier, Path(out), {**facts, **told})


def _listing(folder: str | Path) -> dict[str, Any] | None:
    """Return what a model folder says of itself; ``None`` where there is none that can be read."""
    try:
        return read_listing(folder)
    except FewshotError:
        return None


def _replaced(out: str | Path, earlier: dict[str, Any] | None) -> list[str]:
    """Say what a folder held, unless that was the same model."""
    if earlier is None or _model_in(earlier) == _model_in(read_listing(out)):
        return []
    texts = (earlier.get("provenance") or {}).get("labelled texts")
    learnt = f" that had learnt from {texts} labelled texts" if texts else ""
    return [
        f"{str(out)!r} held another model, {earlier.get('kind')}{learnt}, which this one replaced; "
        "another --out keeps both"
    ]


def _model_in(listing: dict[str, Any]) -> dict[str, Any]:
    """Return what decides a model's answers; figures and versions may differ from run to run."""
    return {name: value for name, value in listing.items() if name not in ("versions", "metrics", "provenance")}


_DECIDES_NOTHING = ("device", "teacher_device", "targets", "unlabeled", "estimate", "estimate_pool")


def settings_as_facts(settings: Any) -> dict[str, Any]:
    """Return the settings of a run that were given, without devices and names of files, which decide nothing."""
    given = dataclasses.asdict(settings)
    return {name: value for name, value in given.items() if value is not None and name not in _DECIDES_NOTHING}
