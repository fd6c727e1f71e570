"""From a whole graph to one of fewer bits: which way, on what texts, and what was found out about it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.compression.onnx_check import largest_difference
from fewshot.compression.onnx_quantize import quantize_int8, to_float16
from fewshot.compression.onnx_static import METHODS, quantize_static
from fewshot.compression.originals import AnyExported, Original
from fewshot.core.errors import InputError, did_you_mean
from fewshot.encoders.token_reader import TokenReader

PRECISIONS = ("int8", "int8-static", "float16")

CALIBRATION_TEXTS = 256
"""Texts that scales are found on, at most."""

JUDGING_TEXTS = 500
"""Other texts that ways to find them are judged on, at most."""


@dataclasses.dataclass(frozen=True)
class WholeGraph:
    """A float32 graph that was held against its original.

    Parameters
    ----------
    original : Original
    folder : Path
    inputs : tuple of str
        The arrays that it takes.
    """

    original: Original
    folder: Path
    inputs: tuple[str, ...]

    def opened(self) -> AnyExported:
        """Return the graph as a classifier."""
        return self.original.opened(self.folder, self.inputs, "float32")


def check_quantize(quantize: str | None, texts: Sequence[str] | None) -> None:
    """Raise :class:`InputError` unless there is such a precision, and texts where it takes them."""
    if quantize is not None and quantize not in PRECISIONS:
        raise InputError(
            f"quantize must be None or one of {', '.join(PRECISIONS)}, got {quantize!r}."
            f"{did_you_mean(quantize, PRECISIONS)}"
        )
    if quantize == "int8-static" and texts is None:
        raise InputError(
            "int8-static finds its scales on texts; give some like those to come, without labels (texts=, --texts), or "
            "take int8, which needs none"
        )


def reduce_graph(
    whole: WholeGraph, workplace: Path, precision: str, texts: Sequence[str], methods: Sequence[str] | None = None
) -> tuple[AnyExported, dict[str, Any]]:
    """Return a classifier of fewer bits, and what to report of how it was made.

    Parameters
    ----------
    whole : WholeGraph
    workplace : Path
        An empty folder, where its files stay.
    precision : {"int8", "int8-static", "float16"}
    texts : sequence of str
        Texts to find scales on, and to choose between ``methods``; for ``"int8-static"``.
    methods : sequence of str, optional
        Default: all :data:`~fewshot.compression.onnx_static.METHODS`.
    """
    if precision == "int8-static":
        return _reduce_static(whole, workplace, list(dict.fromkeys(texts)), methods or list(METHODS))
    folder = _made(workplace / precision)
    if precision == "float16":
        to_float16(whole.folder, folder)
        return whole.original.opened(folder, whole.inputs, precision), {}
    quantize_int8(whole.folder, folder)
    return whole.original.opened(folder, whole.inputs, precision), {}


def _reduce_static(
    whole: WholeGraph, workplace: Path, texts: list[str], methods: Sequence[str]
) -> tuple[AnyExported, dict[str, Any]]:
    """Find scales in several ways, and keep what agrees best with the whole graph on other texts."""
    known = texts[:: -(-len(texts) // CALIBRATION_TEXTS)]
    others = [text for text in texts if text not in set(known)][:JUDGING_TEXTS] or known
    reader = TokenReader(whole.original.tokenizer, whole.original.listing.tokens)
    encodings = [encoding for encoding in reader.encode(known) if len(encoding)]
    features = [reader.features([encoding]) for encoding in encodings]
    feeds = [{name: arrays[name] for name in whole.inputs} for arrays in features]
    if not feeds:
        raise InputError("texts to find scales on have no token that the model knows; give others (texts=, --texts)")
    made, found = {}, {}
    for method in methods:
        folder = _made(workplace / method)
        quantize_static(whole.folder, folder, feeds, method)
        made[method] = whole.original.opened(folder, whole.inputs, "int8-static")
        found[method] = agreement(whole.opened(), made[method], others)["agreement"]
    best = max(methods, key=found.__getitem__)  # of equals the first
    facts = {"method": best, "n_texts": len(feeds), "n_judged": len(others), "agreement": found}
    return made[best], {"calibration": facts}


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


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
