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
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig

from fewshot.classifiers.hub import split_hub_id
from fewshot.classifiers.pooled_model import HEAD_FILE, PooledModel
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.opening import quiet, unreported
from fewshot.encoders.transformer_opening import (
    DEFAULT_LENGTH,
    SAFE,
    explaining,
    leave_file,
    length_limit,
    local_source,
    open_tokenizer,
)

_TOKENIZER = "tokenizer_config.json"


def open_whole(folder: Path) -> tuple[Any, Any]:
    """Return the model and the tokenizer in a local folder.

    Parameters
    ----------
    folder : Path
        With ``config.json``, weights as safetensors and a tokenizer, as ``save_pretrained`` writes them.

    Returns
    -------
    (PreTrainedModel or PooledModel, PreTrainedTokenizer)
        The model in float32, whatever the weights are stored in.

    Raises
    ------
    ModelFormatError
        If weights are missing or of another shape, only a pickle is there, it needs code of its own, or is for
        regression.
    """
    if (folder / HEAD_FILE).is_file():
        return _usable(_open_pooled(folder), folder), open_tokenizer(folder)
    return _opened(folder, local_files_only=True)


def open_saved(folder: Path) -> tuple[Any, Any]:
    """Return the model and the tokenizer in a model directory, as :func:`open_whole` does.

    Raises
    ------
    ModelFormatError
        Also where the tokenizer is missing.
    """
    if not (folder / _TOKENIZER).is_file():  # transformers would make one up, by the kind of the model
        raise ModelFormatError(f"the model in {str(folder)!r} is damaged: {_TOKENIZER} is missing")
    return open_whole(folder)


def save_whole(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write a model and its tokenizer as transformers does, weights as safetensors."""
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def open_from_hub(name: str) -> tuple[Any, Any]:
    """Return the model and the tokenizer of a Hub id, as :func:`open_whole` does; a copy in the cache needs no network.

    Raises
    ------
    SourceNotFoundError
        If it is not to be had from the Hub, with weights as safetensors.
    ModelFormatError
        As :func:`open_whole`.
    """
    repository, revision = split_hub_id(name)
    return _opened(repository, revision=revision or "main")


def _opened(source: str | Path, **options: Any) -> tuple[Any, Any]:
    with explaining(source), unreported():
        model, info = AutoModelForSequenceClassification.from_pretrained(
            source, output_loading_info=True, **options, **SAFE
        )
    _check_whole(source, info["missing_keys"])
    return _usable(model, source), open_tokenizer(source, revision=options.get("revision", "main"))


def _usable(model: Any, source: str | Path) -> Any:
    if model.config.problem_type == "regression":
        raise ModelFormatError(f"the model in {str(source)!r} is for regression: it gives numbers, not classes")
    leave_file(model)
    return model


def open_config(source: str | Path) -> PreTrainedConfig:
    """Return the configuration of a model by ``"bundled"``, folder or Hub id; raises as :func:`open_tokenizer`."""
    with explaining(source), unreported():
        return AutoConfig.from_pretrained(local_source(source), trust_remote_code=False)


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
    config = open_config(source)
    config.id2label, config.problem_type = outputs_of(space), None
    with explaining(source), unreported():
        model, info = AutoModelForSequenceClassification.from_pretrained(
            local_source(source), config=config, output_loading_info=True, ignore_mismatched_sizes=True, **SAFE
        )
    made_anew = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    body = f"{model.base_model_prefix}."
    _check_whole(source, {key for key in made_anew if key.startswith(body) and "pooler" not in key})
    return model


def open_body(source: str | Path) -> Any:
    """Return a bare pretrained transformer, by ``"bundled"``, folder or Hub id, whatever head it may have had.

    Returns
    -------
    PreTrainedModel

    Raises
    ------
    SourceNotFoundError
        If it is neither a folder nor to be had from the Hub.
    ModelFormatError
        If it cannot be opened, or weights are missing.
    """
    with explaining(source), unreported():
        model, info = AutoModel.from_pretrained(local_source(source), output_loading_info=True, **SAFE)
    _check_whole(source, {key for key in info["missing_keys"] if "pooler" not in key})
    return model


def _open_pooled(folder: Path) -> PooledModel:
    body = open_body(folder)
    model = PooledModel(body, int(body.config.num_labels))
    model.load_head(folder)
    return model.eval()


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
    config.id2label = outputs_of(space)
    return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False, dtype=torch.float32)


def checked_length(model: nn.Module, tokenizer: Any, wanted: int | None = None) -> int:
    """Return how many tokens to read at once: as many as are wanted, else as the model can, at most 512.

    Raises
    ------
    InputError
        If the model cannot read so many, or special tokens leave no room for any other.
    """
    most = length_limit(model, tokenizer)
    least = 1 + tokenizer.num_special_tokens_to_add()
    length = min(most, DEFAULT_LENGTH) if wanted is None else wanted
    if not least <= length <= most:
        raise InputError(f"max_length must be {least} to {most} for this model, got {length}")
    return length


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


def outputs_of(space: LabelSpace) -> dict[int, str]:
    """Return the names of a model's outputs by their numbers, in the order of the classes."""
    return {number: str(name) for number, name in enumerate(space.classes)}


def _check_whole(source: str | Path, missing: set[str]) -> None:
    if missing:
        raise ModelFormatError(
            f"the model in {str(source)!r} lacks {len(missing)} weights of a classifier, such as {min(missing)!r}; it "
            "would answer at random. Is it a model that was trained to classify?"
        )
