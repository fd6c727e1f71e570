"""Tokenizers without the pieces that nobody needs, as descriptions in the format of ``tokenizer.json``.

Where a text is cut by the longest pieces that fit (WordPiece) or by the likeliest ones (Unigram), a piece that a text
does not use can go without changing how the text is cut: what was longest or likeliest among all still is among the
rest. Byte-pair encoding joins pieces step by step, so that each hangs on others by the order of its merges; its
tokenizers are refused.
"""

import dataclasses
from typing import Any

import numpy as np

from fewshot.core.errors import InputError

_BYTES = {f"<0x{byte:02X}>" for byte in range(256)}
"""Pieces by which Unigram writes a character that it has no piece for."""


@dataclasses.dataclass(frozen=True)
class PieceTable:
    """The pieces of a tokenizer, as ``tokenizer.json`` describes it.

    Parameters
    ----------
    description : dict
        What the file holds.

    Raises
    ------
    InputError
        If the tokenizer cuts texts in a way whose pieces hang on each other.

    Examples
    --------
    >>> model = {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "good": 1, "g": 2, "bad": 3}}
    >>> table = PieceTable({"model": model, "added_tokens": []})
    >>> table.always_kept().tolist()
    [True, False, True, False]
    >>> table.trimmed(np.array([0, 2, 3]))["model"]["vocab"]
    {'[UNK]': 0, 'g': 1, 'bad': 2}
    """

    description: dict[str, Any]

    def __post_init__(self) -> None:
        if self.kind not in ("WordPiece", "Unigram"):
            raise InputError(
                f"encoder has a tokenizer of the kind {self.kind!r}, whose pieces are made of each other and cannot be "
                "dropped one by one; only WordPiece (BERT, MiniLM, MPNet) and Unigram (XLM-R) can be trimmed"
            )

    @property
    def kind(self) -> str:
        """How texts are cut: ``"WordPiece"``, ``"Unigram"``, ``"BPE"``, ``"WordLevel"``."""
        return str(self.description["model"].get("type"))

    @property
    def pieces(self) -> dict[int, str]:
        """Pieces by their numbers, without those that were added to the model's."""
        vocabulary = self.description["model"]["vocab"]
        if self.kind == "Unigram":
            return {number: piece for number, (piece, _) in enumerate(vocabulary)}
        return {number: piece for piece, number in vocabulary.items()}

    @property
    def added(self) -> dict[int, str]:
        """Added tokens by their numbers, special ones among them."""
        return {token["id"]: token["content"] for token in self.description["added_tokens"]}

    @property
    def n_tokens(self) -> int:
        """Number of all pieces and added tokens."""
        return max(*self.pieces, *self.added, 0) + 1

    def always_kept(self) -> np.ndarray:
        """Return which tokens ``(n_tokens,)`` stay whatever the texts: added ones, the unknown one, single characters.

        With single characters, inside a word and at its start, other words can still be spelt out.
        """
        model = self.description["model"]
        kept = np.zeros(self.n_tokens, dtype=bool)
        kept[list(self.added)] = True
        if self.kind == "Unigram" and model.get("unk_id") is not None:
            kept[model["unk_id"]] = True
        prefix = model.get("continuing_subword_prefix") or ""
        for number, piece in self.pieces.items():
            if len(piece.removeprefix(prefix)) <= 1 or piece in _BYTES or piece == model.get("unk_token"):
                kept[number] = True
        return kept

    def trimmed(self, kept: np.ndarray) -> dict[str, Any]:
        """Return the description of a tokenizer with some tokens alone, numbered anew in their order.

        Parameters
        ----------
        kept : int ndarray
            Numbers of tokens, ascending; those of :meth:`always_kept` among them.
        """
        new = {int(old): number for number, old in enumerate(kept)}
        model = dict(self.description["model"])
        if self.kind == "Unigram":
            model["vocab"] = [entry for number, entry in enumerate(model["vocab"]) if number in new]
            if model.get("unk_id") is not None:
                model["unk_id"] = new[model["unk_id"]]
        else:
            pieces = self.pieces
            model["vocab"] = {pieces[old]: number for old, number in new.items() if old in pieces}
        added = [{**token, "id": new[token["id"]]} for token in self.description["added_tokens"]]
        result = {**self.description, "model": model, "added_tokens": added}
        if (padding := result.get("padding")) is not None:
            result["padding"] = {**padding, "pad_id": new[padding["pad_id"]]}
        if (processor := result.get("post_processor")) is not None:
            result["post_processor"] = _renumbered(processor, new)
        return result


def _renumbered(processor: dict[str, Any], new: dict[int, int]) -> dict[str, Any]:
    """Return what puts special tokens around a text, with their new numbers."""
    result = dict(processor)
    if "processors" in result:
        result["processors"] = [_renumbered(part, new) for part in result["processors"]]
    if "special_tokens" in result:
        result["special_tokens"] = {
            name: {**token, "ids": [new[number] for number in token["ids"]]}
            for name, token in result["special_tokens"].items()
        }
    for name in ("cls", "sep"):
        if name in result:
            token, number = result[name]
            result[name] = [token, new[number]]
    return result
