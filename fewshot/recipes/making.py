"""What a journey that makes a model leaves behind: the folder, and the facts worth telling."""

import dataclasses
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.core.artifacts import folder_bytes


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
    """Save a classifier and return what was made; ``options`` go to its ``save``."""
    classifier.save(out, metrics=metrics, provenance=provenance, **options)
    megabytes = round(folder_bytes(out) / 1e6, 1)
    return Made(classifier, Path(out), {**facts, "megabytes": megabytes, "cleaning": cleaning})


def settings_as_facts(settings: Any) -> dict[str, Any]:
    """Return the settings of a run that were given, without the device, which decides nothing."""
    given = dataclasses.asdict(settings)
    return {name: value for name, value in given.items() if value is not None and name != "device"}
