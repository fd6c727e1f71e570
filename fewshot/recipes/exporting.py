"""Journey 4, *shrink and ship*: from a model folder to one that predicts without torch, checked and told in figures."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import MARKER, check_output, read_listing
from fewshot.classifiers.loading import load_classifier
from fewshot.core.artifacts import folder_bytes
from fewshot.core.errors import InputError, did_you_mean
from fewshot.recipes.sources import Reading

FORMATS = ("onnx",)
MOST_TEXTS = 10_000
"""So many texts of a file are looked at; more would tell the same."""


@dataclasses.dataclass(frozen=True)
class ExportedModel:
    """What an export made.

    Parameters
    ----------
    classifier : TextClassifier
    folder : Path
    facts : dict
        The report of :func:`~fewshot.compression.onnx_export.export_classifier`, and ``megabytes_before``,
        ``megabytes`` (of the whole folders) and ``seconds``.
    """

    classifier: TextClassifier
    folder: Path
    facts: dict[str, Any]


def export_model(
    model: str | Path,
    *,
    out: str | Path,
    format: str = "onnx",
    quantize: str | None = None,
    texts: Any = None,
    refit_head: bool = False,
    reading: Reading | None = None,
) -> ExportedModel:
    """Export the classifier in a folder.

    Parameters
    ----------
    model : str or Path
        A model directory.
    out : str or Path
        Another folder. An earlier model there is replaced when the new one is complete.
    format : {"onnx"}, default="onnx"
    quantize : {None, "int8", "int8-static", "float16"}, default=None
    texts : str, Path, DataFrame, Dataset or TextData, optional
        Texts like those to come, of which the first 10,000 count; labels in it are not looked at.
    refit_head : bool, default=False
        Fit the head anew on int8 vectors of ``texts``, without labels.
    reading : Reading, optional
        How to read that file.

    Returns
    -------
    ExportedModel

    Raises
    ------
    InputError, SourceNotFoundError, ModelFormatError, MissingExtraError
        See :func:`~fewshot.compression.onnx_export.export_classifier`.
    """
    if format not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, got {format!r}.{did_you_mean(format, FORMATS)}")
    if Path(out).resolve() == Path(model).resolve():
        raise InputError(f"out must be another folder than the model's, got {str(out)!r} for both")
    check_output(out)
    classifier = load_classifier(model, device="cpu")
    known = None if texts is None else (reading or Reading()).load(texts).texts[:MOST_TEXTS]
    from fewshot.compression.onnx_export import export_classifier

    start = time.perf_counter()
    made = export_classifier(
        classifier, out, quantize=quantize, texts=known, refit_head=refit_head, **_told(model, quantize)
    )
    facts = {
        **made.report,
        "megabytes_before": round(folder_bytes(model) / 1e6, 2) if Path(model).is_dir() else None,
        "megabytes": round(folder_bytes(out) / 1e6, 2),
        "seconds": round(time.perf_counter() - start, 1),
    }
    return ExportedModel(made.classifier, Path(out), facts)


def _told(model: str | Path, quantize: str | None) -> dict[str, Any]:
    """Return what the original's folder says of its making; scores only where the weights stay as they are."""
    if not (Path(model) / MARKER).is_file():  # a folder of setfit, or on the Hub
        return {}
    listing = read_listing(model)
    provenance = {**dict(listing.get("provenance") or {}), "exported from": listing["kind"]}
    return {"provenance": provenance, "metrics": listing.get("metrics") if quantize is None else None}
