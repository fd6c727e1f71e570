"""What of an encoder is on this machine already, found out without opening it: whether it is here, and its tokenizer.

Nothing is asked of the network, and what is missing or damaged is simply not at hand.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from fewshot.core.errors import FewshotError
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.bundled import bundled_folder

_TOKENIZER = "tokenizer.json"


def is_at_hand(encoder: str) -> bool:
    """Return whether an encoder, by its name, can be opened without a network.

    Examples
    --------
    >>> is_at_hand("nobody/has-this-model")
    False
    """
    return _find(encoder, "config.json") is not None


def tokenizer_at_hand(encoder: str) -> Tokenizer | None:
    """Return the fast tokenizer of an encoder, as its file has it; ``None`` if there is no such file on this machine.

    Parameters
    ----------
    encoder : str
        ``"bundled"``, a folder, or a Hub id, of which a cached copy is looked for.
    """
    path = _find(encoder, _TOKENIZER)
    if path is None:
        return None
    try:
        return Tokenizer.from_file(str(path))
    except Exception:  # tokenizers raises bare exceptions; an encoder that cannot be used says so when it is opened
        return None


def count_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> np.ndarray:
    """Return the tokens of each text, special ones included, none cut off.

    Examples
    --------
    >>> from tokenizers import models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> count_tokens(tokenizer, ["a b", ""])
    array([2, 0])
    """
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.no_padding()
    plain.no_truncation()
    return np.array([len(encoding.ids) for encoding in plain.encode_batch(list(texts))], dtype=np.int64)


def _find(encoder: str, name: str) -> Path | None:
    """Return the file of that name that belongs to an encoder."""
    folder = Path(encoder)
    if encoder == BUNDLED:
        try:
            folder = bundled_folder()
        except FewshotError:
            return None
    if folder.is_dir():
        return next((path for path in (folder / name, *sorted(folder.glob(f"*/{name}"))) if path.is_file()), None)
    return _find_in_cache(encoder, name)


def _find_in_cache(repository: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, name)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None
