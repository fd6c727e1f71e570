"""The decoder of a denoising auto-encoder: made from the encoder's configuration, its weights the encoder's own.

Only what the encoder has no counterpart for starts at random: attention to the text's vector and the language head.
"""

import copy
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import nn
from transformers import AutoModelForCausalLM

from fewshot.adaptation.denoising import decode
from fewshot.core.errors import InputError
from fewshot.encoders.opening import unreported

_INSTEAD = "use objective='simcse'"


def make_decoder(model: SentenceTransformer) -> Any:
    """Return a decoder of the encoder's kind, tied to it weight by weight; torch's random state decides the rest.

    Parameters
    ----------
    model : SentenceTransformer
        A transformer whose vectors have the size of its hidden states.

    Returns
    -------
    PreTrainedModel

    Raises
    ------
    InputError
        If models of this kind cannot be decoders, or do not listen to the text's vector.
    """
    body: Any = model.transformers_model
    dimension = int(model.get_embedding_dimension() or 0)
    if dimension != body.config.hidden_size:
        raise InputError(
            f"objective 'tsdae' needs vectors of the size of hidden states; this encoder's have {dimension} numbers, "
            f"its states {body.config.hidden_size}; {_INSTEAD}"
        )
    config = copy.deepcopy(body.config)
    config.is_decoder = config.add_cross_attention = config.tie_word_embeddings = True
    try:
        with unreported():
            decoder = AutoModelForCausalLM.from_config(config, trust_remote_code=False, dtype=torch.float32)
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        raise InputError(
            f"objective 'tsdae' needs a model that can also decode, and {type(body).__name__} cannot; {_INSTEAD}"
        ) from None
    tie(decoder, body)
    decoder.to(next(body.parameters()).device)
    _check_listens(decoder, dimension)
    return decoder


def tie(decoder: Any, body: nn.Module) -> None:
    """Make each parameter of the decoder that the encoder has, too, the encoder's own.

    Raises
    ------
    InputError
        If the token vectors are not among them.
    """
    ours = dict(body.named_parameters())
    theirs = getattr(decoder, decoder.base_model_prefix)
    modules = dict(theirs.named_modules())
    for name, parameter in list(theirs.named_parameters()):
        if name in ours and ours[name].shape == parameter.shape:
            place, _, attribute = name.rpartition(".")
            setattr(modules[place], attribute, ours[name])
    decoder.tie_weights()
    tokens = body.get_input_embeddings().weight  # type: ignore[operator]
    if decoder.get_input_embeddings().weight is not tokens or decoder.get_output_embeddings().weight is not tokens:
        raise InputError(f"objective 'tsdae' cannot tie {type(decoder).__name__} to its encoder; {_INSTEAD}")


def _check_listens(decoder: Any, dimension: int) -> None:
    """Raise unless the text's vector makes a difference: some models leave it aside without a word."""
    was_training = decoder.training
    decoder.eval()
    device = next(decoder.parameters()).device
    ids = torch.zeros((2, 2), dtype=torch.long, device=device)
    try:
        with torch.no_grad():
            made = decode(decoder, ids, torch.ones_like(ids), torch.eye(2, dimension, device=device))
    except (TypeError, ValueError) as error:
        raise InputError(f"objective 'tsdae' cannot use {type(decoder).__name__} ({error}); {_INSTEAD}") from None
    finally:
        decoder.train(was_training)
    if torch.equal(made[0], made[1]):
        raise InputError(
            f"objective 'tsdae' needs a decoder that reads the text's vector, and {type(decoder).__name__} leaves it "
            f"aside; {_INSTEAD}"
        )
