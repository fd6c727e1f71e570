"""Opening transformers' sequence classification models: whole ones to apply, and ones with a new head to train.

Weights come from safetensors alone and no code of a model's folder is run. A model whose head is not among its weights
would answer at random, so it is refused where it shall be applied.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.transformer_opening import SAFE, explaining, folder_or_id, open_tokenizer, unreported


def open_whole(folder: Path) -> tuple[Any, Any]:
    """Return the model and the tokenizer in a local folder.

    Parameters
    ----------
    folder : Path
        With ``config.json``, weights as safetensors and a tokenizer, as ``save_pretrained`` writes them.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizer)
        The model in float32, whatever the weights are stored in.

    Raises
    ------
    ModelFormatError
        If weights are missing or of another shape, only a pickle is there, it needs code of its own, or is for
        regression.
    """
    with explaining(folder), unreported():
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder, output_loading_info=True, local_files_only=True, **SAFE
        )
    _check_whole(folder, info["missing_keys"])
    if model.config.problem_type == "regression":
        raise ModelFormatError(f"the model in {str(folder)!r} is for regression: it gives numbers, not classes")
    for tensor in (*model.parameters(), *model.buffers()):
        # In the mapped file numbers begin anywhere, and sums of such differ in the last bit from those before saving.
        tensor.data = tensor.data.clone()
    return model, open_tokenizer(folder)


def with_new_head(source: str | Path, space: LabelSpace) -> Any:
    """Return a pretrained model, by ``"bundled"``, folder or Hub id, with an untrained head for these classes.

    Parameters
    ----------
    source : str or Path
        An encoder, or a classifier, whose head is then replaced.
    space : LabelSpace
        Outputs come in the order of its classes.

    Returns
    -------
    PreTrainedModel
        torch's random state decides the head.

    Raises
    ------
    SourceNotFoundError
        If it is neither a folder nor to be had from the Hub.
    ModelFormatError
        If it cannot be opened, or weights below the head are missing.
    """
    with explaining(source), unreported():
        config = AutoConfig.from_pretrained(folder_or_id(source), trust_remote_code=False)
        config.id2label, config.problem_type = _outputs(space), None
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder_or_id(source), config=config, output_loading_info=True, ignore_mismatched_sizes=True, **SAFE
        )
    made_anew = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    body = f"{model.base_model_prefix}."
    _check_whole(source, {key for key in made_anew if key.startswith(body) and "pooler" not in key})
    return model


def with_random_weights(config: PreTrainedConfig, tokenizer: Any, space: LabelSpace) -> Any:
    """Return a model made from a configuration, for these classes and the tokens of ``tokenizer``.

    Parameters
    ----------
    config : PreTrainedConfig
        Left as it is.
    tokenizer : PreTrainedTokenizer
    space : LabelSpace
        Outputs come in the order of its classes.

    Returns
    -------
    PreTrainedModel
        torch's random state decides its weights.

    Raises
    ------
    InputError
        If there is no tokenizer, or the model has fewer token vectors than it has tokens.
    """
    if tokenizer is None:
        raise InputError("a model made from a configuration needs tokenizer, since it has none of its own")
    if config.vocab_size < len(tokenizer):
        raise InputError(
            f"the configuration has vocab_size {config.vocab_size}, but the tokenizer has {len(tokenizer)} tokens; "
            f"set vocab_size={len(tokenizer)}"
        )
    config = type(config).from_dict(config.to_dict())  # the caller's stays as it is
    config.id2label = _outputs(space)
    return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False, dtype=torch.float32)


def model_fingerprint(model: nn.Module, tokenizer: Any) -> str:
    """Return hexadecimal digits that change with a model's weights or configuration, and with its tokenizer.

    Parameters
    ----------
    model : PreTrainedModel
    tokenizer : PreTrainedTokenizer
        Its padding and truncation do not count: each call sets them anew.
    """
    digest = hashlib.blake2b(digest_size=16)
    config = model.config.to_diff_dict()  # type: ignore[union-attr,operator]
    facts = {name: value for name, value in config.items() if name not in ("transformers_version", "_name_or_path")}
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = tokenizer.get_vocab() if backend is None else json.loads(backend.to_str())
    digest.update(json.dumps(words | {"padding": None, "truncation": None}, sort_keys=True).encode())
    return digest.hexdigest()


def _outputs(space: LabelSpace) -> dict[int, str]:
    return {number: str(name) for number, name in enumerate(space.classes)}


def _check_whole(source: str | Path, missing: set[str]) -> None:
    if missing:
        raise ModelFormatError(
            f"the model in {str(source)!r} lacks {len(missing)} weights of a classifier, such as {min(missing)!r}; it "
            "would answer at random. Is it a model that was trained to classify?"
        )
