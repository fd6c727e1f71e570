"""PyTorch's own dynamic int8, in memory alone, to compare with; versions of torch to come will not have it."""

import copy
import warnings
from typing import Any

import torch
from torch import nn

from fewshot.classifiers.base import EmbeddingClassifier
from fewshot.core.errors import InputError
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.sentence import SentenceEncoder


def quantize_torch(classifier: EmbeddingClassifier) -> EmbeddingClassifier:
    """Return a copy of a classifier whose encoder's matrices are int8, by PyTorch's dynamic quantization.

    Parameters
    ----------
    classifier : EmbeddingClassifier
        Fitted, on a sentence encoder. It stays as it is.

    Returns
    -------
    EmbeddingClassifier
        On the CPU; it predicts, and cannot be saved.

    Raises
    ------
    InputError
        If the encoder is no transformer, or this version of PyTorch cannot quantize.

    Examples
    --------
    >>> quantize_torch(probe).predict(["a text"])  # doctest: +SKIP
    """
    classifier._check_fitted()
    encoder: Any = unwrapped(getattr(classifier, "encoder_", None))  # type: ignore[arg-type]
    if not isinstance(encoder, SentenceEncoder):
        raise InputError(
            f"quantize_torch takes a classifier on a sentence encoder, got {type(classifier).__name__} on "
            f"{type(encoder).__name__}"
        )
    try:
        from torch.ao.quantization import quantize_dynamic
    except ImportError:
        raise InputError(
            f"PyTorch {torch.__version__} has no dynamic quantization any more; export the classifier instead: "
            "export_classifier(..., quantize='int8')"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its end, which the guard above is for
        model = quantize_dynamic(copy.deepcopy(encoder.model).cpu().float().eval(), {nn.Linear}, dtype=torch.qint8)
    made = copy.copy(classifier)
    made.encoder_ = SentenceEncoder(
        model, name=encoder.name, device="cpu", precision="float32", **encoder.length_settings
    )
    return made
