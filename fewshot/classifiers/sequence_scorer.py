"""A sequence classification model of transformers and its tokenizer, ready to read texts.

What its outputs mean is left to :mod:`fewshot.classifiers.sequence`.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fewshot.classifiers.batched_scores import batched_scores
from fewshot.core.errors import InputError
from fewshot.encoders.device import choose_device
from fewshot.encoders.transformer_opening import DEFAULT_LENGTH, length_limit


class SequenceScorer:
    """Texts to logits, in batches of like length.

    Parameters
    ----------
    model : PreTrainedModel
        Moved to the device and put in eval mode, in place.
    tokenizer : PreTrainedTokenizer
    name : str
        What the model is called.
    batch_size : int, optional
        Texts a forward pass; halved, and kept so, when memory runs out. Default: 16 on a CPU, where small batches of
        like length pad little, 128 elsewhere.
    max_length : int, optional
        Tokens that are read of a text. Default: as many as the model can read, at most 512.
    device : str, optional
        Where it runs; default: the fastest there is.

    Raises
    ------
    InputError
        If the tokenizer has no padding token, or a number is out of range.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        batch_size: int | None = None,
        max_length: int | None = None,
        device: str | None = None,
    ) -> None:
        if tokenizer.pad_token is None:
            raise InputError(
                "tokenizer has no padding token, so texts cannot share a batch; set tokenizer.pad_token, and "
                "model.config.pad_token_id to its number"
            )
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        self.name = name
        self.max_length = _checked_length(model, tokenizer, max_length)
        device = choose_device(device)
        self.model, self.tokenizer = model.to(device).eval(), tokenizer
        if model.config.pad_token_id is None:  # GPT-2 and its kin look for the last token that is no padding
            model.config.pad_token_id = tokenizer.pad_token_id
        self.batch_size = batch_size or (16 if device == "cpu" else 128)
        self._inputs = set(inspect.signature(model.forward).parameters)

    def features(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return the arguments of the model's ``forward`` for a batch of texts, padded to the longest."""
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        # some tokenizers also give what their model does not take, such as token types
        return {name: tensor for name, tensor in tokens.items() if name in self._inputs}

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return the model's outputs ``(n_texts, n_outputs)`` in float32, in its own order."""
        scores, self.batch_size = batched_scores(
            self.forward,
            texts,
            int(self.model.config.num_labels),
            batch_size=self.batch_size,
            description=f"classifying with {self.name}",
        )
        return scores

    @torch.inference_mode()
    def forward(self, texts: list[str]) -> np.ndarray:
        """Return the outputs of one batch."""
        device = next(self.model.parameters()).device
        tokens = {name: tensor.to(device) for name, tensor in self.features(texts).items()}
        return self.model(**tokens).logits.float().cpu().numpy()


def _checked_length(model: Any, tokenizer: Any, wanted: int | None) -> int:
    most = length_limit(model, tokenizer)
    least = 1 + tokenizer.num_special_tokens_to_add()
    length = min(most, DEFAULT_LENGTH) if wanted is None else wanted
    if not least <= length <= most:
        raise InputError(f"max_length must be {least} to {most} for this model, got {length}")
    return length
