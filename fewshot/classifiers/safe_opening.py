"""What all opening of transformers' models shares: safetensors alone, no code of theirs, failures in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.utils import logging as transformers_logging

from fewshot.core.errors import FewshotError, ModelFormatError, SourceNotFoundError
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.bundled import bundled_folder
from fewshot.encoders.opening import quiet

SAFE: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True, "dtype": torch.float32}
"""Arguments of every ``from_pretrained``: nothing of a model is executed, and weights are float32 as stored or not."""


def local_source(source: str | Path) -> str:
    """Return what transformers knows a model by: a folder or a Hub id; ``"bundled"`` is a folder of the package."""
    return str(bundled_folder()) if source == BUNDLED else str(source)


def leave_file(model: nn.Module) -> None:
    """Copy a model's numbers out of the file that they are mapped from.

    In the mapped file numbers begin anywhere, and sums of such differ in the last bit from those before saving.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


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
