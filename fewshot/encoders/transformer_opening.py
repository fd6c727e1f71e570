"""Opening models of transformers, whatever their head: safetensors alone, no code of their own, plain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from fewshot.core.errors import FewshotError, ModelFormatError, SourceNotFoundError
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.bundled import bundled_folder
from fewshot.encoders.opening import quiet

DEFAULT_LENGTH = 512
_NO_LIMIT = 10**9  # a tokenizer that knows no limit says a number far beyond this

SAFE: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True, "dtype": torch.float32}
"""Arguments of ``from_pretrained``."""


def open_tokenizer(source: str | Path) -> Any:
    """Return the tokenizer of a model by ``"bundled"``, folder or Hub id.

    Raises
    ------
    SourceNotFoundError
        If ``source`` is neither a folder nor to be had from the Hub.
    ModelFormatError
        If the folder holds no tokenizer, or one that cannot be opened.
    """
    with explaining(source), unreported():
        return AutoTokenizer.from_pretrained(folder_or_id(source), trust_remote_code=False)


def open_with_head(kind: Any, source: str | Path, head: str) -> Any:
    """Return a whole model, by ``"bundled"``, folder or Hub id, ready to apply.

    Parameters
    ----------
    kind : type
        Such as ``transformers.AutoModelForMaskedLM``.
    source : str or Path
    head : str
        What to call its head in messages.

    Raises
    ------
    ModelFormatError, SourceNotFoundError
        If it cannot be opened, or was trained without such a head.
    """
    with explaining(source), unreported():
        model, info = kind.from_pretrained(folder_or_id(source), output_loading_info=True, **SAFE)
    if info["missing_keys"]:
        raise ModelFormatError(
            f"the model in {str(source)!r} has no {head} head: it lacks {len(info['missing_keys'])} weights, such as "
            f"{min(info['missing_keys'])!r}; give one that was trained as a {head} model"
        )
    return model.eval()


def folder_or_id(source: str | Path) -> str:
    """Return what ``from_pretrained`` takes; ``"bundled"`` stands for the folder of that model."""
    return str(bundled_folder()) if source == BUNDLED else str(source)


def length_limit(model: nn.Module, tokenizer: Any) -> int:
    """Return how many tokens of a text a model can read at once, special tokens included.

    It is the least of what the tokenizer, the configuration and the table of positions say; 512 where none does.
    """
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa and its kin count positions from the one after padding's.
            limits.append(module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    known = [int(limit) for limit in limits if isinstance(limit, (int, float)) and 0 < limit < _NO_LIMIT]
    return min(known, default=DEFAULT_LENGTH)


@contextmanager
def unreported() -> Iterator[None]:
    """Keep transformers' progress bar and its table of new weights off: those that matter are refused by name."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with quiet():
            yield
    finally:
        transformers_logging.set_verbosity(before)


@contextmanager
def explaining(source: str | Path) -> Iterator[None]:
    """Say in our own words why a model cannot be opened."""
    try:
        yield
    except (FewshotError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # safetensors and tokenizers raise classes of their own at a damaged file
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        if Path(source).is_dir():
            raise ModelFormatError(f"the model in {str(source)!r} cannot be opened: {line}") from None
        if not isinstance(error, (OSError, ValueError)):
            raise
        raise SourceNotFoundError(
            f"model {str(source)!r} is neither a local folder nor to be had from the Hub ({line}); check the name and "
            "the network"
        ) from None
