"""What all opening of transformers' models shares: safetensors alone, no code of theirs, failures in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer

from fewshot.core.errors import FewshotError, ModelFormatError, SourceNotFoundError
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.bundled import bundled_folder
from fewshot.encoders.opening import unreported

DEFAULT_LENGTH = 512
"""Tokens of a text that are read at once where nobody says how many, special ones included."""

_NO_LIMIT = 10**9  # a tokenizer that knows no limit says a number far beyond this

SAFE: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True, "dtype": torch.float32}
"""Arguments of every ``from_pretrained``: nothing of a model is executed, and weights are float32 as stored or not."""


def open_tokenizer(source: str | Path, *, revision: str = "main") -> Any:
    """Return the tokenizer of a model by ``"bundled"``, folder or Hub id.

    Raises
    ------
    SourceNotFoundError
        If ``source`` is neither a folder nor to be had from the Hub.
    ModelFormatError
        If the folder holds no tokenizer, or one that cannot be opened.
    """
    with explaining(source), unreported():
        return AutoTokenizer.from_pretrained(local_source(source), revision=revision, trust_remote_code=False)


def local_source(source: str | Path) -> str:
    """Return what transformers knows a model by: a folder or a Hub id; ``"bundled"`` is a folder of the package."""
    return str(bundled_folder()) if source == BUNDLED else str(source)


def leave_file(model: nn.Module) -> None:
    """Copy a model's numbers out of the file that they are mapped from.

    In the mapped file numbers begin anywhere, and sums of such differ in the last bit from those before saving.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def open_with_head(kind: Any, source: str | Path, trained_for: str) -> Any:
    """Return a whole model, by ``"bundled"``, folder or Hub id, in float32 and eval mode, ready to apply.

    Parameters
    ----------
    kind : type
        Such as ``transformers.AutoModelForMaskedLM``.
    source : str or Path
        With weights as safetensors, those of the head among them.
    trained_for : str
        What such a model is trained for, in messages.

    Raises
    ------
    SourceNotFoundError
        If it is neither a folder nor to be had from the Hub.
    ModelFormatError
        If it cannot be opened, or lacks weights: it would answer at random.
    """
    with explaining(source), unreported():
        model, info = kind.from_pretrained(local_source(source), output_loading_info=True, **SAFE)
    if missing := set(info["missing_keys"]):
        raise ModelFormatError(
            f"the model in {str(source)!r} lacks {len(missing)} weights, such as {min(missing)!r}; it would answer at "
            f"random. Is it a model that was trained to {trained_for}?"
        )
    leave_file(model)
    return model.eval()


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
def explaining(source: str | Path) -> Iterator[None]:
    """Say in our own words why a model cannot be opened.

    Raises
    ------
    ModelFormatError
        If ``source`` is a folder that cannot be opened.
    SourceNotFoundError
        If it is neither a folder nor to be had from the Hub.
    """
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
