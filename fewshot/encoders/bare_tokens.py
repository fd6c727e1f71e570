"""What a sentence-transformers model reads, made by the bare tokenizer: the same tensors in a fraction of the time.

transformers turns each token into a Python object several times on its way into a tensor, which takes longer than a
fast card takes to read it. Here a batch goes from the tokenizer into one array.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Encoding

from fewshot.encoders.chunked import fast_tokenizer, window_length
from fewshot.encoders.token_reader import TokenReader, TokenSettings

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
        self.max_length = window_length(model)
        self._reader = TokenReader(original, TokenSettings.of(theirs, self.max_length))
        if not any(any(encoding.type_ids) for encoding in self.encode(_PROBES)):
            self._reader.settings = dataclasses.replace(self._reader.settings, typed=False)
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
        return self._reader.encode(texts)

    def features(self, encodings: Sequence[Encoding]) -> dict[str, Any]:
        """Return what the model's own ``preprocess`` would, on the CPU, padded to the longest."""
        arrays = self._reader.features(encodings)
        return {name: torch.from_numpy(array) for name, array in arrays.items()} | self._others

    def __call__(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the features of texts."""
        return self.features(self.encode(texts))


def _are_equal(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    if ours.keys() != theirs.keys():
        return False
    return all(
        torch.equal(ours[name], value) if isinstance(value, torch.Tensor) else ours[name] == value
        for name, value in theirs.items()
    )
