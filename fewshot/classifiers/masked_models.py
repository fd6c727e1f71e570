"""Opening transformers' masked language models, whole: one without its head would fill masks at random."""

from pathlib import Path
from typing import Any

from transformers import AutoModelForMaskedLM

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.transformer_opening import open_tokenizer, open_with_head

DEFAULT_MODEL = "FacebookAI/roberta-base"
"""The masked language model of the Hub that is used where none is named."""


def open_masked(source: str | Path) -> tuple[Any, Any]:
    """Return a masked language model and its tokenizer, by folder or Hub id.

    Parameters
    ----------
    source : str or Path
        With weights as safetensors, those of the head among them.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizer)
        The model in float32 and eval mode, whatever the weights are stored in.

    Raises
    ------
    SourceNotFoundError
        If it is neither a folder nor to be had from the Hub.
    ModelFormatError
        If it cannot be opened, weights are missing, or the tokenizer has no mask or padding token, more tokens than the
        model, or cannot say where in a text a token stands.
    """
    model = open_with_head(AutoModelForMaskedLM, source, "fill masks")
    tokenizer = open_tokenizer(source)
    _check_tokenizer(source, tokenizer, int(model.config.vocab_size))
    return model, tokenizer


def _check_tokenizer(source: str | Path, tokenizer: Any, n_words: int) -> None:
    problem = None
    if tokenizer.mask_token is None:
        problem = "has no mask token, so nothing can be asked of the model"
    elif tokenizer.pad_token is None:
        problem = "has no padding token, so texts cannot share a batch"
    elif not tokenizer.is_fast:
        problem = "cannot say where in a text a token stands (it is no fast tokenizer)"
    elif len(tokenizer) > n_words:
        problem = f"has {len(tokenizer)} tokens, but the model knows {n_words}"
    if problem:
        raise ModelFormatError(f"the tokenizer of {str(source)!r} {problem}; take another model")
