"""A sequence classifier of transformers by folder or Hub id, for those that use one as it is and save none of it.

What is in a folder is looked at before it is opened, so that an encoder, a pickle or nothing at all is told by name.
"""

from pathlib import Path
from typing import Any

from fewshot.classifiers.hub import names_hub_model
from fewshot.classifiers.sequence_models import open_from_hub, open_whole
from fewshot.core.artifacts import read_json
from fewshot.core.errors import FewshotError, ModelFormatError, SourceNotFoundError

_ARCHITECTURE = "ForSequenceClassification"
_LARGEST_CONFIG = 16 * 2**20


def open_sequence_folder(folder: str | Path) -> tuple[Any, Any]:
    """Return the model and the tokenizer in a local folder, able to read texts of different lengths at once.

    Parameters
    ----------
    folder : str or Path
        ``config.json``, weights as safetensors and a tokenizer, as ``save_pretrained`` writes them. Neither the Hub nor
        code in the folder is asked.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizer)

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    ModelFormatError
        If it is no sequence classifier, is damaged, holds no safetensors weights or asks for code of its own.
    """
    path = Path(folder)
    if not path.is_dir():
        raise SourceNotFoundError(f"no model folder {str(folder)!r}; give a local folder of a sequence classifier")
    if not is_sequence_folder(path):
        raise ModelFormatError(f"{str(folder)!r} is no sequence classifier: its config.json names no …{_ARCHITECTURE}")
    if not list(path.glob("model*.safetensors")):
        raise ModelFormatError(
            f"{str(folder)!r} holds no model.safetensors; pickles (pytorch_model.bin) are never opened: "
            "convert them to safetensors first"
        )
    model, tokenizer = open_whole(path)
    _set_padding(model, tokenizer, folder)
    return model, tokenizer


def open_sequence_model(source: str | Path) -> tuple[Any, Any]:
    """Return the model and the tokenizer that a local folder or a Hub id stands for; see :func:`open_sequence_folder`.

    Parameters
    ----------
    source : str or Path
        ``"hub:owner/name"``, with ``@revision`` if need be; ``"owner/name"`` is looked for on the Hub if neither it nor
        a folder ``owner`` is here.

    Raises
    ------
    SourceNotFoundError
        If it is neither a folder nor to be had from the Hub.
    ModelFormatError
        As for a folder.
    """
    if not names_hub_model(source):
        return open_sequence_folder(source)
    model, tokenizer = open_from_hub(str(source))
    _set_padding(model, tokenizer, source)
    return model, tokenizer


def is_sequence_folder(folder: str | Path) -> bool:
    """Return whether a folder's ``config.json`` names a sequence classifier of transformers.

    Examples
    --------
    >>> is_sequence_folder("nowhere")
    False
    """
    try:
        config = read_json(Path(folder) / "config.json", max_bytes=_LARGEST_CONFIG)
    except (FewshotError, OSError, RecursionError):
        return False
    architectures = config.get("architectures") if isinstance(config, dict) else None
    return isinstance(architectures, list) and any(str(name).endswith(_ARCHITECTURE) for name in architectures)


def _set_padding(model: Any, tokenizer: Any, source: str | Path) -> None:
    """Let texts of different lengths share a batch; GPT-2 and its kin were trained without padding."""
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ModelFormatError(f"the tokenizer in {str(source)!r} has no token to pad with (pad_token, eos_token)")
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
