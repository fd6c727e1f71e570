"""What a sentence-transformers model reads, made by the bare tokenizer: the same tensors in a fraction of the time.

transformers turns each token into a Python object several times on its way into a tensor, which takes longer than a
fast card takes to read it. Here a batch goes from the tokenizer into one array.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Encoding, Tokenizer

from fewshot.encoders.chunked import fast_tokenizer, window_length

_PROBES = (
    "",
    " ",
    "ok",
    "Mixed CASE, déjà vu — naïve ÆØÅ; 12,5 % & more...",
    "  two  spaces,\ttab\nand\r\nlines \u200b 東京 🙂",
    "It's a don't-know: (a) [b] {c} <d> e@f.g http://h.i/j?k=l",
)
_MANY = 4096
"""Words of a probe for a model that says no limit."""


class BareTokens:
    """Features of texts for one model, by a copy of its tokenizer: other threads may use the model's meanwhile.

    Parameters
    ----------
    model : SentenceTransformer
        It must have a fast tokenizer. Whether the features are the model's own is not looked at: see :meth:`of`.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        theirs: Any = model.tokenizer
        original = fast_tokenizer(model)
        assert original is not None
        self._tokenizer = Tokenizer.from_str(original.to_str())
        self._tokenizer.encode_special_tokens = original.encode_special_tokens  # ``to_str`` leaves it out
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.max_length = window_length(model)
        if self.max_length is not None:
            self._tokenizer.enable_truncation(
                self.max_length, direction=getattr(theirs, "truncation_side", "right"), strategy="longest_first"
            )
        self._pads_left = getattr(theirs, "padding_side", "right") == "left"
        self._pad, self._type_pad = (getattr(theirs, name, 0) or 0 for name in ("pad_token_id", "pad_token_type_id"))
        self._names = set(getattr(theirs, "model_input_names", ()))
        self._typed = any(any(encoding.type_ids) for encoding in self.encode(_PROBES))
        self._others: dict[str, str] = {}

    @classmethod
    def of(cls, model: SentenceTransformer) -> "BareTokens | None":
        """Return a maker of features for ``model``; ``None`` if those of some probe texts are not the model's own."""
        if fast_tokenizer(model) is None or model.prompts.get(model.default_prompt_name or ""):
            return None
        made = cls(model)
        special = [str(token) for token in getattr(model.tokenizer, "all_special_tokens", ())]
        longest = "a long text " * ((made.max_length or _MANY) // 2)
        probes = [*_PROBES, *special, " ".join(["words", *special, "words"]), longest]
        wanted = dict(model.preprocess(probes))
        made._others = {name: value for name, value in wanted.items() if isinstance(value, str)}
        return made if _are_equal(made(probes), wanted) else None

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Return the tokens of each text, special ones included, as many as the model reads."""
        return self._tokenizer.encode_batch_fast(list(texts))

    def features(self, encodings: Sequence[Encoding]) -> dict[str, Any]:
        """Return what the model's own ``preprocess`` would, on the CPU, padded to the longest."""
        lengths = np.fromiter(map(len, encodings), dtype=np.int64, count=len(encodings))
        places = np.arange(lengths.max(initial=0))
        if self._pads_left:
            places = places[::-1]
        mask = places[None, :] < lengths[:, None]
        features: dict[str, Any] = {"input_ids": _padded((e.ids for e in encodings), mask, self._pad)}
        if "token_type_ids" in self._names:
            if self._typed:
                features["token_type_ids"] = _padded((e.type_ids for e in encodings), mask, self._type_pad)
            else:
                features["token_type_ids"] = torch.zeros(mask.shape, dtype=torch.int64)
        features["attention_mask"] = torch.from_numpy(mask.astype(np.int64))
        return features | self._others

    def __call__(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the features of texts."""
        return self.features(self.encode(texts))


def _padded(rows: Any, mask: np.ndarray, padding: int) -> torch.Tensor:
    matrix = np.full(mask.shape, padding, dtype=np.int64)
    matrix[mask] = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64, count=int(mask.sum()))
    return torch.from_numpy(matrix)


def _are_equal(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    if ours.keys() != theirs.keys():
        return False
    return all(
        torch.equal(ours[name], value) if isinstance(value, torch.Tensor) else ours[name] == value
        for name, value in theirs.items()
    )
