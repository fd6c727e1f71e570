"""From a trained classifier to a folder that predicts without torch: one graph, checked before anything is written."""

import copy
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import check_output
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.compression import head_refit
from fewshot.compression.graphs import write_graph
from fewshot.compression.onnx_check import check_equal
from fewshot.compression.onnx_reduction import WholeGraph, agreement, check_quantize, reduce_graph
from fewshot.compression.originals import AnyExported, Original, original_of
from fewshot.compression.probe_texts import probe_texts
from fewshot.compression.tables import has_table, save_table, with_rounded_table
from fewshot.core.errors import InputError
from fewshot.encoders.base import check_texts
from fewshot.encoders.resolve import unwrapped

MOST_CHECKED = 200
"""Of the texts given so many are held against the original one by one and together; all count for the agreement."""

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
        fewer bits also ``float32_difference``, that of the whole graph from PyTorch; of static int8
        its ``calibration``; and what became of the ``refit``.
    """

    classifier: TextClassifier
    report: dict[str, Any]


def export_classifier(
    classifier: TextClassifier,
    path: str | Path,
    *,
    quantize: str | None = None,
    texts: Sequence[str] | None = None,
    refit_head: bool = False,
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
    quantize : {None, "int8", "int8-static", "float16"}, default=None
        Weights of fewer bits: int8 for processors, float16 for cards (and for tables, whose default it is).
        ``"int8-static"`` finds the scales of what passes between layers beforehand, on ``texts``, so that a text's
        answer does not depend on the texts beside it; ``"int8"`` finds them in each batch, needs no texts, and is
        quicker for one text.
    texts : sequence of str, optional
        Texts like those to come, without labels: the exported model is held against the original on them, too, and the
        share of labels that quantizing leaves as they are is counted on them. Default: built-in ones.
    refit_head : bool, default=False
        Fit the head anew on the vectors of the int8 encoder, towards the original's probabilities of one half of
        ``texts``; the new head is kept if the other half says that it agrees with the original no less.
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
    given = None if texts is None else _checked(texts)
    check_quantize(quantize, given)
    check_output(path)
    classifier._check_fitted()
    if refit_head:
        _check_refit(classifier, quantize, given)
    judged_on = probe_texts(classifier.label_space_.classes) if given is None else given
    report = _report(classifier, len(judged_on), builtin=given is None)
    if has_table(classifier):
        return _table(classifier, path, quantize, judged_on, report, metrics, provenance)
    with tempfile.TemporaryDirectory(prefix="fewshot-") as workplace:
        exported = _as_graph(classifier, Path(workplace), quantize, judged_on, report, refit=refit_head)
        exported.save(path, metrics=metrics, provenance=provenance)
        return Exported(type(exported).load(path), exported.report_)


def _check_refit(classifier: TextClassifier, quantize: str | None, texts: list[str] | None) -> None:
    if quantize not in ("int8", "int8-static"):
        raise InputError(f"refit_head goes with quantize='int8' or 'int8-static', got quantize={quantize!r}")
    if has_table(classifier):
        raise InputError("refit_head is for transformers: rounding a token table moves its vectors by next to nothing")
    head_refit.check_refit(classifier, texts)


def _table(
    classifier: TextClassifier,
    path: str | Path,
    quantize: str | None,
    judged_on: list[str],
    report: dict[str, Any],
    metrics: dict[str, Any] | None,
    provenance: dict[str, Any] | None,
) -> Exported:
    if quantize == "int8-static":
        raise InputError("a token table has no scales to find beforehand; take quantize='int8', which rounds its rows")
    made = with_rounded_table(classifier, quantize)
    report |= {"precision": unwrapped(made.encoder_).table_dtype, **agreement(classifier, made, judged_on)}  # type: ignore[attr-defined]
    told = f"{report['precision']} table; {100 * report['agreement']:.1f} % of {report['n_texts']} texts as before"
    save_table(made, path, metrics=metrics, provenance={**(provenance or {}), "exported": told})
    return Exported(load_classifier(path), report)


def _as_graph(
    classifier: TextClassifier,
    workplace: Path,
    quantize: str | None,
    judged_on: list[str],
    report: dict[str, Any],
    *,
    refit: bool,
) -> AnyExported:
    original = original_of(classifier)
    checked_on = list(dict.fromkeys([*probe_texts(classifier.label_space_.classes), *judged_on[:MOST_CHECKED]]))
    whole = _written(original, workplace / "float32")
    report = report | {"n_parameters": sum(weights.numel() for weights in original.graph.parameters())}
    exported = whole.opened()
    difference = check_equal(original, exported, checked_on)
    if quantize is None:
        told: dict[str, Any] = {**agreement(original.reference, exported, judged_on), "largest_difference": difference}
        exported.report_ = {**report, "precision": "float32", **told}
        return exported
    reduced, facts = reduce_graph(whole, workplace / "reduced", quantize, judged_on)
    if refit:
        reduced, facts = _with_refitted_head(whole, reduced, facts, workplace / "refitted", quantize, judged_on)
    told = {"precision": quantize, "float32_difference": difference, **agreement(exported, reduced, judged_on)}
    notes = [*report["notes"], *_notes(quantize, facts)]
    reduced.report_ = {**report, **told, **facts, "notes": notes}
    return reduced


def _notes(quantize: str, facts: dict[str, Any]) -> list[str]:
    """Return what to know before believing the agreement."""
    learnt = ["scales were found"] * ("calibration" in facts) + ["the head was fitted"] * facts.get("refit", {}).get(
        "kept", False
    )
    seen = f"{' and '.join(learnt)} on some of the texts that agreement is counted on: others tell more"
    return [*([_NOT_BATCH_INVARIANT] if quantize == "int8" else []), *([seen] if learnt else [])]


def _written(original: Original, folder: Path) -> WholeGraph:
    folder.mkdir(parents=True)
    inputs = write_graph(original.graph, original.read(_TRACED_ON), folder)
    return WholeGraph(original, folder, inputs)


def _with_refitted_head(
    whole: WholeGraph, reduced: Any, facts: dict[str, Any], workplace: Path, precision: str, texts: list[str]
) -> tuple[AnyExported, dict[str, Any]]:
    """Return the reduced classifier with a head for its vectors, if one agrees as well with the original."""
    original = whole.original.reference
    assert isinstance(original, HeadClassifier)
    made = head_refit.refit_head(original, reduced, texts)
    facts = {**facts, "refit": made.report}
    if made.head is None:
        return reduced, facts
    classifier = copy.copy(original)
    classifier.head_ = made.head
    again = _written(original_of(classifier), workplace / "float32")
    methods = (facts["calibration"]["method"],) if "calibration" in facts else ()
    return reduce_graph(again, workplace / "reduced", precision, texts, methods)[0], facts


def _report(classifier: TextClassifier, n_texts: int, *, builtin: bool) -> dict[str, Any]:
    notes = ["agreement is that on built-in texts; texts like yours tell more (--texts)"] if builtin else []
    encoder = (classifier._encoder_entry() or {}).get("name")
    return {"kind": classifier.kind, "encoder": encoder, "n_texts": n_texts, "notes": notes}


def _checked(texts: Sequence[str]) -> list[str]:
    check_texts(texts)
    if not len(texts):
        raise InputError("texts must not be empty; leave it out to judge by built-in ones")
    return list(texts)
