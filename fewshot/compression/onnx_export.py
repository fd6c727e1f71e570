"""From a trained classifier to a folder that predicts without torch: one graph, checked before anything is written."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.exported import ExportedClassifier, ExportedSequenceClassifier
from fewshot.classifiers.folder import check_output
from fewshot.classifiers.loading import load_classifier
from fewshot.compression.graphs import write_graph
from fewshot.compression.onnx_check import check_equal, largest_difference
from fewshot.compression.onnx_quantize import REDUCTIONS
from fewshot.compression.originals import Original, original_of
from fewshot.compression.probe_texts import probe_texts
from fewshot.compression.tables import has_table, save_table, with_rounded_table
from fewshot.core.errors import InputError, did_you_mean
from fewshot.encoders.base import check_texts
from fewshot.encoders.onnx import OnnxModel
from fewshot.encoders.onnx_folder import TOKENIZER
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.token_reader import TokenReader

MOST_CHECKED = 200
"""Of the texts given so many are held against the original one by one and together; all count for the agreement."""

AnyExported = ExportedClassifier | ExportedSequenceClassifier

_TRACED_ON = ["a text", "a second text, which is a little longer than the first one is", "the third"]
_NOT_BATCH_INVARIANT = (
    "dynamic int8: what passes between layers is rounded by one scale a batch, so that a text may get slightly other "
    "probabilities beside other texts"
)


@dataclasses.dataclass(frozen=True)
class Exported:
    """What an export made.

    Parameters
    ----------
    classifier : TextClassifier
        As :func:`fewshot.load_classifier` opens it.
    report : dict
        ``kind`` and ``encoder`` of the original, ``precision``, ``agreement`` (share of texts with the same labels),
        ``largest_difference`` of a probability, ``n_texts`` that these are of, and ``notes`` in words; of a graph of
        fewer bits also ``float32_difference``, that of the whole graph from PyTorch.
    """

    classifier: TextClassifier
    report: dict[str, Any]


def export_classifier(
    classifier: TextClassifier,
    path: str | Path,
    *,
    quantize: str | None = None,
    texts: Sequence[str] | None = None,
    metrics: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
) -> Exported:
    """Write a classifier with a linear head as a folder that needs neither torch nor transformers to predict.

    Parameters
    ----------
    classifier : TextClassifier
        Fitted, with a linear head: a linear probe, SetFit, a distilled student, a fine-tuned transformer. One on a
        token table, which needs no torch anyway, is written as it is, with the table rounded as asked.
    path : str or Path
        A new folder, or one with an earlier model, which is replaced when the new one is complete.
    quantize : {None, "int8", "float16"}, default=None
        Weights of fewer bits: int8 for processors, float16 for cards (and for tables, whose default it is).
    texts : sequence of str, optional
        Texts like those to come, without labels: the exported model is held against the original on them, too, and the
        share of labels that quantizing leaves as they are is counted on them. Default: built-in ones.
    metrics, provenance : dict, optional
        Scores, and where the model came from; written into ``fewshot.json`` and the model card.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        If the classifier cannot be exported, or the graph does not answer as the original does to within 1e-4;
        nothing is written then.
    MissingExtraError
        If ``onnx`` or ``onnxruntime`` is not installed.

    Notes
    -----
    Thresholds, calibration, abstention, the detector of texts far off, the length limit and the windows of long texts
    go along, and ``requirements.txt`` with all that an environment needs to predict with the folder. float32 graphs are
    held against PyTorch in float32, alone and in batches, over texts of many lengths.

    Examples
    --------
    >>> export_classifier(load_classifier("runs/student"), "runs/small", quantize="int8")  # doctest: +SKIP
    """
    if quantize is not None and quantize not in REDUCTIONS:
        raise InputError(
            f"quantize must be None or one of {', '.join(REDUCTIONS)}, got {quantize!r}."
            f"{did_you_mean(quantize, REDUCTIONS)}"
        )
    given = None if texts is None else _checked(texts)
    check_output(path)
    classifier._check_fitted()
    judged_on = probe_texts(classifier.label_space_.classes) if given is None else given
    report = _report(classifier, len(judged_on), builtin=given is None)
    if has_table(classifier):
        return _table(classifier, path, quantize, judged_on, report, metrics, provenance)
    with tempfile.TemporaryDirectory(prefix="fewshot-") as workplace:
        exported = _as_graph(classifier, Path(workplace), quantize, judged_on, report)
        exported.save(path, metrics=metrics, provenance=provenance)
        return Exported(type(exported).load(path), exported.report_)


def _table(
    classifier: TextClassifier,
    path: str | Path,
    quantize: str | None,
    judged_on: list[str],
    report: dict[str, Any],
    metrics: dict[str, Any] | None,
    provenance: dict[str, Any] | None,
) -> Exported:
    made = with_rounded_table(classifier, quantize)
    report |= {"precision": unwrapped(made.encoder_).table_dtype, **agreement(classifier, made, judged_on)}  # type: ignore[attr-defined]
    told = f"{report['precision']} table; {100 * report['agreement']:.1f} % of {report['n_texts']} texts as before"
    save_table(made, path, metrics=metrics, provenance={**(provenance or {}), "exported": told})
    return Exported(load_classifier(path), report)


def _as_graph(
    classifier: TextClassifier, workplace: Path, quantize: str | None, judged_on: list[str], report: dict[str, Any]
) -> AnyExported:
    original = original_of(classifier)
    whole = workplace / "float32"
    whole.mkdir()
    inputs = write_graph(original.graph, original.read(_TRACED_ON), whole)
    report = report | {"n_parameters": sum(weights.numel() for weights in original.graph.parameters())}
    exported = original.wrap(_opened(original, whole, inputs, "float32"), {})
    checked_on = dict.fromkeys([*probe_texts(classifier.label_space_.classes), *judged_on[:MOST_CHECKED]])
    difference = check_equal(original, exported, list(checked_on))
    if quantize is None:
        told: dict[str, Any] = {**agreement(original.reference, exported, judged_on), "largest_difference": difference}
        exported.report_ = {**report, "precision": "float32", **told}
        return exported
    small = workplace / quantize
    small.mkdir()
    REDUCTIONS[quantize](whole, small)
    reduced = original.wrap(_opened(original, small, inputs, quantize), {})
    told = {"precision": quantize, "float32_difference": difference, **agreement(exported, reduced, judged_on)}
    notes = [*report["notes"], *([_NOT_BATCH_INVARIANT] if quantize == "int8" else [])]
    reduced.report_ = {**report, **told, "notes": notes}
    return reduced


def _opened(original: Original, folder: Path, inputs: tuple[str, ...], precision: str) -> OnnxModel:
    """Return the graph in ``folder`` with its tokenizer and listing beside it."""
    TokenReader(original.tokenizer, original.listing.tokens).tokenizer.save(str(folder / TOKENIZER))
    dataclasses.replace(original.listing, inputs=inputs, precision=precision).of_files(folder).write(folder)
    return OnnxModel(folder)


def agreement(original: TextClassifier, reduced: TextClassifier, texts: list[str]) -> dict[str, float]:
    """Return the share of texts that get the same label, or set of labels, and the largest difference of a probability.

    Parameters
    ----------
    original, reduced : TextClassifier
        Of the same classes.
    texts : list of str
        At least one.
    """
    before, after = original.predict_proba(texts), reduced.predict_proba(texts)
    same = [a == b for a, b in zip(original.labels_from(before), reduced.labels_from(after), strict=True)]
    return {"agreement": float(np.mean(same)), "largest_difference": largest_difference(before, after)}


def _report(classifier: TextClassifier, n_texts: int, *, builtin: bool) -> dict[str, Any]:
    notes = ["agreement is that on built-in texts; texts like yours tell more (--texts)"] if builtin else []
    encoder = (classifier._encoder_entry() or {}).get("name")
    return {"kind": classifier.kind, "encoder": encoder, "n_texts": n_texts, "notes": notes}


def _checked(texts: Sequence[str]) -> list[str]:
    check_texts(texts)
    if not len(texts):
        raise InputError("texts must not be empty; leave it out to judge by built-in ones")
    return list(texts)
