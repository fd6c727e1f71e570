"""Classifiers on a token table, which predict without torch as they are: their export rounds the table.

A folder of an int8 table otherwise holds it as float16, too, for sentence-transformers; an exported one does not.
"""

import copy
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import EmbeddingClassifier, TextClassifier
from fewshot.classifiers.folder import seal_weights_again
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.compression.originals import check_linear
from fewshot.core.errors import InputError
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.static import StaticEncoder

_FLOAT16_TABLE = "model.safetensors"


def has_table(classifier: TextClassifier) -> bool:
    """Return whether a classifier's encoder is a token table."""
    return isinstance(classifier, EmbeddingClassifier) and isinstance(unwrapped(classifier.encoder_), StaticEncoder)


def with_rounded_table(classifier: Any, table_dtype: str | None) -> HeadClassifier:
    """Return a classifier on a token table with the table rounded.

    Parameters
    ----------
    classifier : TextClassifier
        See :func:`has_table`; it stays as it is.
    table_dtype : {None, "float16", "int8"}
        ``None``: as it is.

    Raises
    ------
    InputError
        If its head is no linear map.
    """
    if not isinstance(classifier, HeadClassifier):
        raise InputError(
            f"a {classifier.kind!r} classifier cannot be exported: it has no linear head; "
            "it needs no torch on a token table as it is"
        )
    check_linear(classifier)
    encoder = unwrapped(classifier.encoder_)
    assert isinstance(encoder, StaticEncoder)
    made = copy.copy(classifier)
    made.encoder_ = encoder.with_rows(encoder.table, table_dtype=table_dtype)
    return made


def save_table(classifier: HeadClassifier, path: str | Path, **facts: Any) -> None:
    """Write such a classifier; ``facts`` are ``metrics`` and ``provenance``."""
    classifier.save(path, **facts)
    if unwrapped(classifier.encoder_).table_dtype == "int8":  # type: ignore[attr-defined]
        seal_weights_again(Path(path), without=[_FLOAT16_TABLE])
        (Path(path) / _FLOAT16_TABLE).unlink()
