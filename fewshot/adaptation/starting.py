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
from fewshot.adaptation.settings import AUTO, OBJECTIVES
from fewshot.adaptation.simcse import SimCSELoss
from fewshot.core.errors import InputError
from fewshot.encoders.chunked import check_max_length
from fewshot.encoders.resolve import load_encoder, unwrapped
from fewshot.encoders.sentence import SentenceEncoder

FALLBACK = "simcse"
"""The objective of an encoder without a masked-LM head of its own."""


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
    masked: Any = _masked(name, encoder, settings) if name in (AUTO, "mlm") else None
    if name == AUTO:
        name = FALLBACK if masked is None else "mlm"
    share = OBJECTIVES[name].mask_probability if settings.mask_probability is None else settings.mask_probability
    made: Objective
    if name == "mlm":
        masker = TokenMasker(model.tokenizer, probability=float(share or 0), whole_words=settings.whole_word)
        join_body(masked, model)
        made = MaskedLanguageLoss(model, masked, masker)
    elif name == "tsdae":
        made = DenoisingLoss(model, make_decoder(model), deletion=float(share or 0))
    else:
        made = SimCSELoss(model, temperature=settings.temperature)
    return name, made.to(base.device)


def adapted_encoder(base: SentenceEncoder, objective: Objective) -> SentenceEncoder:
    """Return the encoder that an objective trained; it reads as much of a text as ``base`` does."""
    objective.model.max_seq_length = base.model.max_seq_length
    return base.like(objective.model)


def _masked(name: str, encoder: Any, settings: ObjectiveSettings) -> Any:
    """Return a masked-LM model; ``None`` where none is at hand and none was insisted on."""
    if not isinstance(encoder, (str, Path)):
        if name == AUTO:
            return None
        raise InputError(
            "objective 'mlm' needs encoder as a folder or Hub id, in which the head's weights are looked for"
        )
    found = open_masked(encoder)
    if found is not None and (found[1] or (name != AUTO and settings.new_head)):
        return found[0]
    if name == AUTO:
        return None
    if found is None:
        raise InputError(
            f"objective 'mlm' does not fit {str(encoder)!r}: models of its kind have no masked-LM head; {_INSTEAD}"
        )
    raise InputError(
        f"objective 'mlm' needs the weights of a masked-LM head, and {str(encoder)!r} has none, as most sentence "
        f"encoders; {_INSTEAD}, or new_head=True (--new-head), which trains a head from nothing"
    )


_INSTEAD = "use objective='simcse' or 'tsdae' (--objective simcse)"
