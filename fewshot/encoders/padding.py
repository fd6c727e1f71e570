"""What a model needs whose tokenizer adds nothing to a text: something to pad with, and care with texts of no token.

Causal language models such as GPT-2 are made for one text at a time: mostly they have no padding token, and for the
empty text no token at all.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from fewshot.encoders.chunked import fast_tokenizer


def make_paddable(model: SentenceTransformer) -> None:
    """Let texts of a model without a padding token, such as GPT-2, share a batch.

    Padding is then the token that ends a text, or the first of the vocabulary: which one does not matter, since the
    attention mask leaves it out, as long as it stands on the right, where it shifts no position.
    """
    tokenizer: Any = model.tokenizer
    if not hasattr(tokenizer, "pad_token") or tokenizer.pad_token is not None:
        return
    tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    tokenizer.padding_side = "right"


def tokenless(model: SentenceTransformer, texts: Sequence[str]) -> np.ndarray:
    """Return which texts ``model`` has no token for, as some causal models have none for the empty text.

    Returns
    -------
    ndarray of shape (n_texts,), bool
        Nowhere true where the model adds tokens of its own, or a prompt, to every text.
    """
    tokenizer = fast_tokenizer(model)
    found = np.zeros(len(texts), dtype=bool)
    prompted = model.prompts.get(model.default_prompt_name or "")
    if tokenizer is None or prompted or tokenizer.num_special_tokens_to_add(is_pair=False):
        return found
    for row, text in enumerate(texts):
        if not any(map(str.isalnum, text)):  # any letter or digit is a token
            found[row] = not any(tokenizer.encode(text).attention_mask)
    return found
