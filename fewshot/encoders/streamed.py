"""Texts through a model in batches of like numbers of tokens; on a device that computes apart, prepared ahead.

Such a device gets large batches, filled by tokens and in bfloat16 throughout. A CPU gets small ones one after the
other: there all that counts is that a batch pads little, and texts of like numbers of *characters* still pad a fifth.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer
from torch.func import functional_call

from fewshot.core.ahead import Ahead
from fewshot.encoders.bare_tokens import BareTokens
from fewshot.encoders.chunked import window_length
from fewshot.encoders.device import computes_apart
from fewshot.encoders.token_reader import batches_of

BATCH_TOKENS = 65_536
"""Tokens of a forward pass, padding included: large matrices, and little time in which the device waits for a call."""

STREAMED_TEXTS = 32_768
"""Texts between two moments at which the device is waited for."""

_FIRST_GROUP, _LARGEST_GROUP = 1024, 8192  # texts tokenized at once: few at first, since the device waits for them
_DEPTH = 4
_TEXTS_WITHOUT_TOKENS = 128

Batch = tuple[list[int], dict[str, Any]]
Forward = Callable[[dict[str, Any]], torch.Tensor]


class TextStream:
    """Texts through one model; a device that computes apart finds each batch ready when it is done with the last.

    Parameters
    ----------
    model : SentenceTransformer
    device : str
    """

    def __init__(self, model: SentenceTransformer, device: str) -> None:
        self.model, self.device = model, torch.device(device)
        self.tokens = BareTokens.of(model)
        self._max_length = window_length(model)

    @property
    def is_outdated(self) -> bool:
        """Whether the model reads more or fewer tokens by now."""
        return window_length(self.model) != self._max_length

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str], forward: Forward, *, batch_size: int | None, batch_tokens: int) -> Any:
        """Return the vectors of texts, on the device.

        Parameters
        ----------
        texts : sequence of str
            Of like length where they stand together.
        forward : callable
            Features of a batch to its vectors ``(B, dimension)``.
        batch_size : int or None
            Texts a batch; ``None``: as many as have ``batch_tokens``, one at least.
        batch_tokens : int

        Returns
        -------
        Tensor of shape (n_texts, dimension), float32
        """
        order: list[int] = []
        parts = []
        made = self._batches(texts, batch_size, batch_tokens)
        with Ahead(made, _DEPTH) if computes_apart(str(self.device)) else contextlib.nullcontext(made) as batches:
            for rows, features in batches:
                parts.append(forward(self._moved(features)).float())
                order += rows
        vectors = torch.cat(parts)
        return torch.empty_like(vectors).index_copy_(0, torch.tensor(order, device=vectors.device), vectors)

    def _batches(self, texts: Sequence[str], batch_size: int | None, batch_tokens: int) -> Iterator[Batch]:
        if self.tokens is None:
            prompt = self.model.prompts.get(self.model.default_prompt_name or "")
            step = batch_size or _TEXTS_WITHOUT_TOKENS
            for start in range(0, len(texts), step):
                some = list(texts[start : start + step])
                yield [*range(start, start + len(some))], self._pinned(self.model.preprocess(some, prompt=prompt))
            return
        start, group = 0, _FIRST_GROUP
        while start < len(texts):
            encodings = self.tokens.encode(texts[start : start + group])
            for places in batches_of([len(encoding) for encoding in encodings], batch_size, batch_tokens):
                features = self.tokens.features([encodings[place] for place in places])
                yield [start + place for place in places], self._pinned(features)
            start, group = start + group, min(2 * group, _LARGEST_GROUP)

    def _pinned(self, features: Any) -> dict[str, Any]:
        """Return features that can travel while the device computes."""
        if self.device.type != "cuda":
            return dict(features)
        return {k: v.pin_memory() if isinstance(v, torch.Tensor) else v for k, v in features.items()}

    def _moved(self, features: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value.to(self.device, non_blocking=True) if isinstance(value, torch.Tensor) else value
            for name, value in features.items()
        }


def half_weights(model: SentenceTransformer) -> dict[str, torch.Tensor] | None:
    """Return the transformer's weights in bfloat16, by name; ``None`` where the first module is none."""
    first = model[0]
    if not isinstance(first, Transformer):
        return None
    return {
        name: weight.detach().to(torch.bfloat16) if weight.is_floating_point() else weight
        for name, weight in first.named_parameters()
    }


def half_forward(
    model: SentenceTransformer, weights: dict[str, torch.Tensor], features: dict[str, Any]
) -> dict[str, Any]:
    """Return what ``model(features)`` would, by a transformer that holds and passes on nothing but bfloat16.

    Autocast keeps what passes between layers in float32, and a card then waits for its memory about as long as it
    computes. What follows the transformer (the mean over the tokens, the norm) is in float32.

    Parameters
    ----------
    model : SentenceTransformer
        It stays as it is.
    weights : dict of str to Tensor
        Of :func:`half_weights`.
    features : dict
        On the device.

    Returns
    -------
    dict
        ``sentence_embedding``, in float32, among others.
    """
    first, *others = model
    features = functional_call(first, weights, (features,))
    features["token_embeddings"] = features["token_embeddings"].float()
    for module in others:
        features = module(features)
    return features


def agreement(some: np.ndarray, others: np.ndarray) -> float:
    """Return the smallest cosine between a vector and the one in the same row of ``others``.

    Examples
    --------
    >>> agreement(np.eye(2), 2 * np.eye(2))
    1.0
    """
    norms = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    return float(((some * others).sum(axis=1) / np.maximum(norms, 1e-12)).min())
