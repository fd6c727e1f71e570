"""What an adaptation starts from: a copy of the encoder, under the objective that was asked for or that fits."""

import dataclasses
from pathlib import Path
from typing import Any

from fewshot.adaptation.decoder import make_decoder
from fewshot.adaptation.denoising import DenoisingLoss
from fewshot.adaptation.masked_language import MaskedLanguageLoss
from fewshot.adaptation.masked_models import join_body, open_masked
from fewshot.adaptation.masking import TokenMasker
from fewshot.adaptation.objective import Objective
from fewshot.adaptation.settings import AUTO
from fewshot.adaptation.simcse import SimCSELoss
from fewshot.core.errors import InputError
from fewshot.encoders.chunked import check_max_length
from fewshot.encoders.resolve import load_encoder, unwrapped
from fewshot.encoders.sentence import SentenceEncoder

MASKED_SHARE, DELETED_SHARE = 0.15, 0.6
"""Shares of the tokens that masked-language modelling and the denoising auto-encoder hide by default."""

_INSTEAD = "use objective='tsdae' or 'simcse' (--objective tsdae)"


@dataclasses.dataclass(frozen=True)
class ObjectiveSettings:
    """How an objective is made.

    Parameters
    ----------
    temperature : float
        Of SimCSE.
    mask_probability : float or None
        Share of the tokens that are hidden; ``None``: the objective's own.
    whole_word : bool
        Whether masked-language modelling hides whole words.
    new_head : bool
        Whether a masked-LM head may start at random.
    max_length : int or None
        Tokens read of a text in training.
    """

    temperature: float = 0.05
    mask_probability: float | None = None
    whole_word: bool = False
    new_head: bool = False
    max_length: int | None = None


def open_base(encoder: Any, *, device: str | None, precision: str) -> SentenceEncoder:
    """Return the encoder to adapt.

    Raises
    ------
    InputError
        If it is no transformer.
    """
    base = unwrapped(load_encoder(encoder, device=device, precision=precision))
    if not isinstance(base, SentenceEncoder) or base.model.transformers_model is None:
        raise InputError(
            f"encoder {base.name!r} is no transformer, and only these can be adapted; a token table learns a domain by "
            "distillation (fewshot distill --student static)"
        )
    return base


def make_objective(
    name: str, encoder: Any, base: SentenceEncoder, settings: ObjectiveSettings
) -> tuple[str, Objective]:
    """Return the objective's name and a copy of the encoder under it, on the encoder's device.

    Parameters
    ----------
    name : {"auto", "mlm", "simcse", "tsdae"}
    encoder : str, Path or object
        As the user gave it: by name a masked-LM head can be looked for.
    base : SentenceEncoder
        It stays as it is.
    settings : ObjectiveSettings

    Raises
    ------
    InputError
        If the objective does not suit the encoder.
    """
    model: Any = base.trainable_copy().float()
    if settings.max_length is not None:
        check_max_length(model, settings.max_length)
        model.max_seq_length = settings.max_length
    if name == AUTO:
        name, made = _fitting(encoder, model, settings)
    elif name == "mlm":
        made = _masked_objective(model, _masked(encoder, settings), settings)
    elif name == "tsdae":
        made = _denoising_objective(model, make_decoder(model), settings)
    else:
        made = SimCSELoss(model, temperature=settings.temperature)
    _check_used(name, settings)
    return name, made.to(base.device)


def _fitting(encoder: Any, model: Any, settings: ObjectiveSettings) -> tuple[str, Objective]:
    """Return the first objective that suits an encoder: by a head of its own, else by a decoder, else by dropout."""
    found = open_masked(encoder) if isinstance(encoder, (str, Path)) else None
    if found is not None and found[1]:
        return "mlm", _masked_objective(model, found[0], settings)
    try:
        decoder = make_decoder(model)
    except InputError:
        return "simcse", SimCSELoss(model, temperature=settings.temperature)
    return "tsdae", _denoising_objective(model, decoder, settings)


def _masked_objective(model: Any, masked: Any, settings: ObjectiveSettings) -> Objective:
    share = settings.mask_probability
    masker = TokenMasker(
        model.tokenizer, probability=MASKED_SHARE if share is None else share, whole_words=settings.whole_word
    )
    join_body(masked, model)
    return MaskedLanguageLoss(model, masked, masker)


def _denoising_objective(model: Any, decoder: Any, settings: ObjectiveSettings) -> Objective:
    share = settings.mask_probability
    return DenoisingLoss(model, decoder, deletion=DELETED_SHARE if share is None else share)


def _check_used(name: str, settings: ObjectiveSettings) -> None:
    """Raise for settings that this objective would leave aside."""
    if name == "simcse" and settings.mask_probability is not None:
        raise InputError("mask_probability belongs to objectives 'mlm' and 'tsdae'; 'simcse' hides no tokens")
    for setting in ("whole_word", "new_head"):
        if name != "mlm" and getattr(settings, setting):
            raise InputError(f"{setting}=True belongs to objective 'mlm', got {name!r}; name it with objective='mlm'")


def adapted_encoder(base: SentenceEncoder, objective: Objective) -> SentenceEncoder:
    """Return the encoder that an objective trained; it reads as much of a text as ``base`` does."""
    objective.model.max_seq_length = base.model.max_seq_length
    return base.like(objective.model)


def _masked(encoder: Any, settings: ObjectiveSettings) -> Any:
    """Return the masked-LM model that was asked for."""
    if not isinstance(encoder, (str, Path)):
        raise InputError(
            "objective 'mlm' needs encoder as a folder or Hub id, in which the head's weights are looked for"
        )
    found = open_masked(encoder)
    if found is None:
        raise InputError(
            f"objective 'mlm' does not fit {str(encoder)!r}: models of its kind have no masked-LM head; {_INSTEAD}"
        )
    if not (found[1] or settings.new_head):
        raise InputError(
            f"objective 'mlm' needs the weights of a masked-LM head, and {str(encoder)!r} has none, as most sentence "
            f"encoders; {_INSTEAD}, or new_head=True (--new-head), which trains a head from nothing"
        )
    return found[0]
