"""How large a model is: numbers that it has learnt, bytes on disk, bytes packed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.core.artifacts import folder_bytes, gzipped_bytes
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.static import StaticEncoder


def size_on_disk(folder: Path | None) -> dict[str, int | None]:
    """Return ``size_bytes`` of all files of a model, and ``gzip_bytes`` of the same packed; ``None`` without files."""
    if folder is None:
        return {"size_bytes": None, "gzip_bytes": None}
    return {"size_bytes": folder_bytes(folder), "gzip_bytes": gzipped_bytes(folder)}


def count_parameters(model: Any) -> int | None:
    """Return how many numbers a model has learnt.

    Parameters
    ----------
    model : object
        A classifier of this package, or anything with a torch module under ``model``, as a pipeline of transformers
        has. A model that says ``n_parameters`` of itself is believed.

    Returns
    -------
    int or None
        Weights of the network or the rows of the token table, shared ones once, and the numbers of the head; of a kNN
        classifier the vectors that it keeps. ``None`` of a model that cannot be looked into.

    Examples
    --------
    >>> count_parameters(len) is None
    True
    """
    if (told := getattr(model, "n_parameters", None)) is not None:
        return int(told)
    networks = list(_networks(model))
    if not isinstance(model, TextClassifier):
        return sum(map(_weights, networks)) if networks else None
    if networks:  # a whole classifier: what lies beside it are thresholds and scales
        return sum(map(_weights, networks))
    encoder = getattr(model, "encoder_", None)
    return (_encoder_numbers(unwrapped(encoder)) if encoder is not None else 0) + _head_numbers(model)


def _networks(model: Any) -> Iterator[Any]:
    """Give the networks that classify by a head of their own."""
    for holder in (model, getattr(model, "scorer_", None)):
        for name in ("model_", "model"):
            if hasattr(found := getattr(holder, name, None), "parameters"):
                yield found
                return


def _weights(network: Any) -> int:
    return sum(weights.numel() for weights in network.parameters())


def _encoder_numbers(encoder: Any) -> int:
    if isinstance(encoder, StaticEncoder):
        return encoder.n_parameters
    network = getattr(encoder, "model", None)
    return _weights(network) if hasattr(network, "parameters") else 0


def _head_numbers(model: Any) -> int:
    if hasattr(model, "index_"):
        return int(model.index_.X.size)
    arrays, _ = model.head_.state() if hasattr(model, "head_") else model._state()
    return sum(array.size for array in arrays.values() if np.issubdtype(array.dtype, np.floating))
