"""A sequence classification model of transformers and its tokenizer, ready to read texts.

What its outputs mean is left to :mod:`fewshot.classifiers.sequence`.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from fewshot.classifiers.batched_scores import batched_scores
from fewshot.classifiers.pooled_model import PooledModel
from fewshot.classifiers.sequence_models import checked_length
from fewshot.core.errors import InputError
from fewshot.encoders.device import choose_device


class SequenceScorer:
    """Texts to logits, in batches of like length.

    Parameters
    ----------
    model : PreTrainedModel or PooledModel
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
        self.max_length = checked_length(model, tokenizer, max_length)
        device = choose_device(device)
        self.model, self.tokenizer = model.to(device).eval(), tokenizer
        if model.config.pad_token_id is None:  # GPT-2 and its kin look for the last token that is no padding
            model.config.pad_token_id = tokenizer.pad_token_id
        self.batch_size = batch_size or (16 if device == "cpu" else 128)
        reader = model.body if isinstance(model, PooledModel) else model
        self._inputs = set(inspect.signature(reader.forward).parameters)
        self._blank = blank_text(tokenizer)

    def features(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return the arguments of the model's ``forward`` for a batch of texts, padded to the longest."""
        if self._blank is not None:
            texts = [text if self.tokenizer.tokenize(text) else self._blank for text in texts]
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
            length=self._lengths(texts),
        )
        return scores

    def _lengths(self, texts: Sequence[str]) -> Callable[[str], int]:
        """Return how long texts are, in tokens: those of like numbers of characters still pad a fifth of a batch.

        They are cut twice for it, which takes a hundredth of what reading the padding would. One batch needs no order.
        """
        if len(texts) <= self.batch_size:
            return len
        unique = list(dict.fromkeys(texts))
        tokens = self.tokenizer(unique, truncation=True, max_length=self.max_length, return_attention_mask=False)
        return dict(zip(unique, map(len, tokens["input_ids"]), strict=True)).__getitem__

    @torch.inference_mode()
    def forward(self, texts: list[str]) -> np.ndarray:
        """Return the outputs of one batch."""
        device = next(self.model.parameters()).device
        tokens = {name: tensor.to(device) for name, tensor in self.features(texts).items()}
        return self.model(**tokens).logits.float().cpu().numpy()


def blank_text(tokenizer: Any) -> str | None:
    """Return what to read in place of a text without tokens; ``None`` where special tokens make some of any text."""
    if tokenizer.num_special_tokens_to_add():
        return None
    return tokenizer.bos_token or tokenizer.eos_token or tokenizer.pad_token
