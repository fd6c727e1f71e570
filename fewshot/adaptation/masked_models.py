"""Models with a masked-LM head: whether a folder has the head's weights, and head and encoder as one."""

import json
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForMaskedLM

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.bundled import bundled_folder
from fewshot.encoders.opening import unreported


def open_masked(source: str | Path) -> tuple[Any, bool] | None:
    """Return the masked-LM model of an encoder by name, and whether all weights of its head were there.

    Parameters
    ----------
    source : str or Path
        ``"bundled"``, a folder or a Hub id that is known to open as an encoder.

    Returns
    -------
    (PreTrainedModel, bool) or None
        In float32; torch's random state decides weights that were not there. ``None`` where models of this kind have no
        such head.
    """
    place = transformer_folder(source)
    try:
        with unreported():
            model, info = AutoModelForMaskedLM.from_pretrained(
                place, output_loading_info=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
            )
    except ValueError as error:
        if "Unrecognized configuration class" in str(error):
            return None
        raise ModelFormatError(f"the model {str(source)!r} cannot be opened: {error}") from None
    made_anew = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    return model, not any(not key.startswith(f"{model.base_model_prefix}.") for key in made_anew)


def join_body(masked: Any, model: SentenceTransformer) -> None:
    """Put the transformer of ``model`` under the head of ``masked``, so that training one is training the other.

    Raises
    ------
    InputError
        If the two are of different kinds.
    """
    prefix, body = masked.base_model_prefix, model.transformers_model
    if type(getattr(masked, prefix, None)) is not type(body):
        raise InputError(
            f"objective 'mlm' cannot put the head of {type(masked).__name__} on {type(body).__name__}; "
            "use objective='simcse'"
        )
    setattr(masked, prefix, body)
    masked.tie_weights()


def transformer_folder(source: str | Path) -> str:
    """Return where the transformer of an encoder lies: in a sentence-transformers folder the first module's place."""
    place = str(bundled_folder()) if source == BUNDLED else str(source)
    listing = Path(place) / "modules.json"
    if not listing.is_file():
        return place
    return str(Path(place) / json.loads(listing.read_text("utf-8"))[0]["path"])
