"""What a transformer reads of texts, by the bare tokenizer and NumPy alone: numbers of tokens, padded to the longest.

It does what the tokenizers of transformers do around the bare one, from settings that fit into a JSON file. Whether
they give what a model's own tokenizer gives is for those to look at who take them from one.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from fewshot.core.errors import ModelFormatError

_TYPE_IDS = "token_type_ids"


@dataclasses.dataclass(frozen=True)
class TokenSettings:
    """How texts become tokens of a batch.

    Parameters
    ----------
    max_length : int or None
        Tokens that are read of a text, special ones included; ``None``: all.
    pad_id, type_pad_id : int, default=0
        What stands in places without a token.
    pads_left, cuts_left : bool, default=False
        On which side.
    with_types : bool, default=False
        Whether there are numbers of segments, too.
    typed : bool, default=True
        Whether any of those is not 0.
    keeps_special : bool, default=False
        Whether ``"[SEP]"`` in a text is plain text (the tokenizer's ``encode_special_tokens``).
    prompt : str, default=""
        What stands before each text.
    blank : str, optional
        What is read in place of a text without tokens.

    Examples
    --------
    >>> TokenSettings.from_json(TokenSettings(max_length=8).to_json()) == TokenSettings(max_length=8)
    True
    """

    max_length: int | None
    pad_id: int = 0
    type_pad_id: int = 0
    pads_left: bool = False
    cuts_left: bool = False
    with_types: bool = False
    typed: bool = True
    keeps_special: bool = False
    prompt: str = ""
    blank: str | None = None

    @classmethod
    def of(cls, tokenizer: Any, max_length: int | None, **others: Any) -> "TokenSettings":
        """Return those of a tokenizer of transformers, or of a bare one; ``others`` are fields of this class."""
        bare = getattr(tokenizer, "backend_tokenizer", tokenizer)
        return cls(
            max_length=max_length,
            pad_id=getattr(tokenizer, "pad_token_id", 0) or 0,
            type_pad_id=getattr(tokenizer, "pad_token_type_id", 0) or 0,
            pads_left=getattr(tokenizer, "padding_side", "right") == "left",
            cuts_left=getattr(tokenizer, "truncation_side", "right") == "left",
            with_types=_TYPE_IDS in getattr(tokenizer, "model_input_names", ()),
            keeps_special=bool(bare.encode_special_tokens),
            **others,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` takes back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, given: Any) -> "TokenSettings":
        """Return the settings that a file told.

        Raises
        ------
        ModelFormatError
            If one is missing, unknown or of a wrong type.
        """
        kinds = {"max_length": (int, type(None)), "pad_id": int, "type_pad_id": int, "prompt": str}
        kinds |= {"blank": (str, type(None))}
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(given, dict) or sorted(given) != sorted(names):
            raise ModelFormatError(f"the settings of the tokenizer must be {', '.join(names)}; got {given!r:.200}")
        for name in names:
            kind: Any = kinds.get(name, bool)
            if not isinstance(given[name], kind) or (isinstance(given[name], bool) and kind is not bool):
                raise ModelFormatError(f"the tokenizer's setting {name} cannot be {given[name]!r}")
        if given["max_length"] is not None and given["max_length"] < 1:
            raise ModelFormatError(f"the tokenizer's setting max_length must be at least 1, got {given['max_length']}")
        return cls(**given)


class TokenReader:
    """Texts to the arrays that a transformer takes, by a copy of its tokenizer.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Its own padding and truncation do not count.
    settings : TokenSettings
    copy : bool, default=True
        ``False`` takes the tokenizer itself, which must be nobody else's: copying costs a cold start 35 ms.

    Examples
    --------
    >>> from tokenizers import models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> reader = TokenReader(tokenizer, TokenSettings(max_length=2))
    >>> reader.features(reader.encode(["a b a", "b"]))["input_ids"]
    array([[1, 2],
           [2, 0]])
    """

    def __init__(self, tokenizer: Tokenizer, settings: TokenSettings, *, copy: bool = True) -> None:
        self.settings = settings
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str()) if copy else tokenizer
        self.tokenizer.encode_special_tokens = settings.keeps_special  # ``to_str`` leaves it out
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        if settings.max_length is not None:
            self.tokenizer.enable_truncation(
                settings.max_length, direction="left" if settings.cuts_left else "right", strategy="longest_first"
            )

    def encode(self, texts: Sequence[str]) -> list[Any]:
        """Return the tokens of each text, special ones included, as many as are read."""
        prompt, blank = self.settings.prompt, self.settings.blank
        encodings = self.tokenizer.encode_batch_fast([prompt + text for text in texts])
        if blank is None or all(map(len, encodings)):
            return encodings
        instead = self.tokenizer.encode(blank)
        return [encoding if len(encoding) else instead for encoding in encodings]

    def features(self, encodings: Sequence[Any]) -> dict[str, np.ndarray]:
        """Return int64 arrays ``(n_texts, n_tokens)`` by name: numbers of tokens, of segments, and a mask.

        Parameters
        ----------
        encodings : sequence of tokenizers.Encoding or Window
            With ``ids`` and ``type_ids``.
        """
        settings = self.settings
        lengths = np.fromiter(map(len, encodings), dtype=np.int64, count=len(encodings))
        places = np.arange(lengths.max(initial=0))
        if settings.pads_left:
            places = places[::-1]
        mask = places[None, :] < lengths[:, None]
        features = {"input_ids": _padded((e.ids for e in encodings), mask, settings.pad_id)}
        if settings.with_types and settings.typed:
            features[_TYPE_IDS] = _padded((e.type_ids for e in encodings), mask, settings.type_pad_id)
        elif settings.with_types:
            features[_TYPE_IDS] = np.zeros(mask.shape, dtype=np.int64)
        return features | {"attention_mask": mask.astype(np.int64)}


def _padded(rows: Any, mask: np.ndarray, padding: int) -> np.ndarray:
    matrix = np.full(mask.shape, padding, dtype=np.int64)
    matrix[mask] = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64, count=int(mask.sum()))
    return matrix


def batches_of(lengths: Sequence[int], batch_size: int | None, batch_tokens: int) -> Iterator[list[int]]:
    """Give the places of texts, longest first, batch by batch.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each text.
    batch_size : int or None
        Texts a batch; ``None``: as many as have no more than ``batch_tokens`` once padded, one at least.
    batch_tokens : int

    Examples
    --------
    >>> list(batches_of([2, 9, 3, 4], None, 8))
    [[1], [3, 2], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    start = 0
    while start < len(order):
        size = batch_size or max(1, batch_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size
