"""Whether an exported graph answers as its original does, and if not, which part of it is the first that differs."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fewshot.classifiers.base import EmbeddingClassifier, TextClassifier
from fewshot.compression.graphs import write_graph
from fewshot.compression.originals import Original
from fewshot.core.errors import InputError
from fewshot.core.optional import import_extra
from fewshot.encoders.onnx_folder import GRAPH
from fewshot.encoders.token_reader import TokenReader

TOLERANCE = 1e-4
"""By so much a probability may differ."""

_ALONE = 12
_FEW = 8


def check_equal(original: Original, exported: TextClassifier, texts: Sequence[str]) -> float:
    """Raise unless an exported classifier gives the original's probabilities, in batches of several sizes.

    Parameters
    ----------
    original : Original
    exported : TextClassifier
        In float32.
    texts : sequence of str
        Of many lengths.

    Returns
    -------
    float
        The largest difference of a probability, at most :data:`TOLERANCE`.

    Raises
    ------
    InputError
        If one differs by more; the first part of the model that differs is named.
    """
    texts = list(texts)
    difference = _difference(original, exported, texts)
    if not difference <= TOLERANCE or not _same_vectors(original.reference, exported, texts):
        raise InputError(
            f"the exported model is not the original: probabilities differ by up to {difference:.2g}; {TOLERANCE:g} "
            "is allowed, in vectors, too; the first part that differs: "
            f"{first_difference(original, texts)}. Nothing was written"
        )
    return difference


def _difference(original: Original, exported: TextClassifier, texts: list[str]) -> float:
    """Return the largest difference of a probability, of all texts together, of some alone and by threes."""
    expected = original.reference.predict_proba(texts)
    rows = list(range(0, len(texts), max(1, len(texts) // _ALONE)))
    found = [
        (range(len(texts)), exported.predict_proba(texts)),
        *(([row], exported.predict_proba([texts[row]])) for row in rows),
        *((range(start, start + 3), exported.predict_proba(texts[start : start + 3])) for start in rows[:-1:4]),
    ]
    return max(largest_difference(values, expected[list(places)]) for places, values in found)


def _same_vectors(reference: TextClassifier, exported: TextClassifier, texts: list[str]) -> bool:
    """Return whether vectors are the same, where there are any: a head that learnt little would hide much of them."""
    if not isinstance(reference, EmbeddingClassifier) or not isinstance(exported, EmbeddingClassifier):
        return True
    expected, found = reference.encoder_.encode(texts), exported.encoder_.encode(texts)
    return largest_difference(found, expected) <= TOLERANCE * max(1.0, float(np.abs(expected).max()))


def largest_difference(some: np.ndarray, others: np.ndarray) -> float:
    """Return the largest difference between entries of two arrays of one shape; NaN where one is NaN.

    Examples
    --------
    >>> largest_difference(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]))
    0.25
    """
    return float(np.abs(some - others).max(initial=0.0))


def first_difference(original: Original, texts: Sequence[str]) -> str:
    """Return the name of the first part that an exported graph computes otherwise: tokens, vectors, logits.

    Parameters
    ----------
    original : Original
    texts : sequence of str
    """
    reader = TokenReader(original.tokenizer, original.listing.tokens)
    batches = [list(texts[start : start + _FEW]) for start in range(0, len(texts), _FEW)]
    features = [original.read(batch) for batch in batches]
    for batch, theirs in zip(batches, features, strict=True):
        ours = reader.features(reader.encode(batch))
        if any(not np.array_equal(ours[name], value.numpy()) for name, value in theirs.items()):
            return "tokens"
    return _first_part(original, [feed for feed in features if feed["input_ids"].shape[1]])


def _first_part(original: Original, features: list[dict[str, torch.Tensor]]) -> str:
    runtime = import_extra("onnxruntime", extra="onnx", purpose="exported models")
    graph: Any = original.graph
    outputs = graph.outputs
    graph.outputs = graph.part_names
    try:
        with tempfile.TemporaryDirectory() as folder:
            inputs = write_graph(graph, features[0], Path(folder))
            session = runtime.InferenceSession(str(Path(folder) / GRAPH))
            for feed in features:
                made = session.run(None, {name: feed[name].numpy() for name in inputs})
                name = _unequal(graph, feed, made)
                if name:
                    return name
    finally:
        graph.outputs = outputs
    return "how batches are put together, or long texts cut"


@torch.no_grad()
def _unequal(graph: Any, feed: dict[str, torch.Tensor], made: list[np.ndarray]) -> str | None:
    wanted = graph(*(feed[name] for name in graph.inputs))
    for name, theirs, ours in zip(graph.outputs, wanted, made, strict=True):
        theirs = theirs.numpy()
        if theirs.shape != ours.shape or not np.allclose(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE):
            return str(name).replace("_", " ")
    return None
