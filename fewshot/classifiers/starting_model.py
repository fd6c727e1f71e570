"""What a fine-tuning starts from: pretrained weights under an untrained head, and the tokenizer that goes with them."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils.hub import cached_file

from fewshot.classifiers.batched_scores import batched_scores
from fewshot.classifiers.pooled_model import PooledModel
from fewshot.classifiers.sequence_models import (
    model_fingerprint,
    open_body,
    open_config,
    outputs_of,
    with_new_head,
)
from fewshot.classifiers.sequence_scorer import SequenceScorer
from fewshot.core.errors import InputError, did_you_mean
from fewshot.data.labels import LabelSpace
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.chunked import window_length
from fewshot.encoders.resolve import load_encoder, unwrapped
from fewshot.encoders.static import is_static_folder
from fewshot.encoders.transformer_opening import open_tokenizer
from fewshot.training.seeding import seeded

POOLINGS = ("auto", "mean", "cls")
_CLASSIFIES = "ForSequenceClassification"
_MODULES = "modules.json"


@dataclasses.dataclass(frozen=True)
class StartingModel:
    """A pretrained model before its fine-tuning; each training copies it.

    Parameters
    ----------
    name : str
    model : PreTrainedModel or PooledModel
        On the CPU, in float32, with as many outputs as there are classes, in their order.
    tokenizer : PreTrainedTokenizer
        With a padding token.
    max_length : int or None
        Tokens to read of a text; ``None`` for what the model can read.
    """

    name: str
    model: Any
    tokenizer: Any
    max_length: int | None

    @property
    def pooling(self) -> str:
        """``"mean"``, or ``"cls"`` for the head of transformers' own class."""
        return pooling_of(self.model)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with weights, configuration, tokenizer and length."""
        return f"{model_fingerprint(self.model, self.tokenizer)} {self.max_length}"

    def vectors(self, texts: Sequence[str], device: str | None) -> np.ndarray:
        """Return the vectors ``(n_texts, dimension)`` that the head of a :class:`PooledModel` starts from."""
        model = copy.deepcopy(self.model)
        scorer = self.scorer(model, device=device)

        @torch.inference_mode()
        def forward(batch: list[str]) -> np.ndarray:
            tokens = {name: tensor.to(model.device) for name, tensor in scorer.features(batch).items()}
            return model.vectors(**tokens).cpu().numpy()

        width = model.head.in_features
        return batched_scores(
            forward, texts, width, batch_size=scorer.batch_size, description=f"embedding with {self.name}"
        )[0]

    def scorer(self, model: Any, **options: Any) -> SequenceScorer:
        """Return what reads texts with a copy of the model; ``options`` are the scorer's."""
        return SequenceScorer(model, self.tokenizer, name=self.name, max_length=self.max_length, **options)


def open_start(
    encoder: Any,
    space: LabelSpace,
    *,
    pooling: str = "auto",
    max_length: int | None = None,
    random_state: int = 0,
) -> StartingModel:
    """Return what to fine-tune; nothing of a model in memory is shared.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        ``"bundled"``, a Hub id, a folder, or a model in memory, whose transformer and tokenizer are copied.
    space : LabelSpace
    pooling : {"auto", "mean", "cls"}, default="auto"
        ``"auto"`` is ``"cls"`` for models that were trained to classify, for those that read from left to right and for
        sentence encoders that pool otherwise than by the mean; else ``"mean"``.
    max_length : int, optional
        Default: a sentence encoder's own, else as many as the model can read, at most 512.
    random_state : int, default=0
        Decides the head.

    Returns
    -------
    StartingModel

    Raises
    ------
    InputError
        If it holds no transformer, or ``pooling`` is unknown.
    SourceNotFoundError, ModelFormatError
        If it is not there, or cannot be opened.
    """
    if pooling not in POOLINGS:
        hint = did_you_mean(str(pooling), POOLINGS)
        raise InputError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}.{hint}")
    with seeded(random_state):
        if isinstance(encoder, (str, Path)) and not is_sentence_model(str(encoder)):
            return _from_transformers(str(encoder), space, pooling, max_length)
        if isinstance(encoder, SentenceTransformer):  # an Encoder would move it
            return _from_sentence_model(encoder, "in-memory model", space, pooling, max_length)
        # on the CPU and in full precision: only its weights are taken
        opened = unwrapped(load_encoder(encoder, device="cpu", precision="float32"))
        return _from_sentence_model(getattr(opened, "model", None), opened.name, space, pooling, max_length)


def pooling_of(model: Any) -> str:
    """Return ``"mean"`` for a head on the mean of token vectors, ``"cls"`` for that of transformers' own class."""
    return "mean" if isinstance(model, PooledModel) else "cls"


def is_sentence_model(name: str) -> bool:
    """Return whether a name stands for a sentence-transformers model, or for a token table, not a bare transformer."""
    if name == BUNDLED or not name.strip() or is_static_folder(name):
        return True
    if Path(name).is_dir():
        return (Path(name) / _MODULES).is_file()
    options = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
    try:
        return cached_file(name, _MODULES, **options) is not None
    except (OSError, ValueError):  # it is nowhere: whoever opens it says so
        return False


def _from_transformers(name: str, space: LabelSpace, pooling: str, max_length: int | None) -> StartingModel:
    tokenizer = with_padding(open_tokenizer(name))
    if pooling == "auto":
        pooling = _usual_pooling(open_config(name))
    if pooling == "cls":
        return StartingModel(name, with_new_head(name, space), tokenizer, max_length)
    return StartingModel(name, _pooled(open_body(name), space), tokenizer, max_length)


def _from_sentence_model(
    sentence: Any, name: str, space: LabelSpace, pooling: str, max_length: int | None
) -> StartingModel:
    body = getattr(sentence[0], "auto_model", None) if isinstance(sentence, SentenceTransformer) else None
    if body is None:
        raise InputError(
            f"encoder {name!r} has no transformer to fine-tune; give one that has, such as 'bundled', or take "
            "LinearProbeClassifier for it"
        )
    body = copy.deepcopy(body).to(device="cpu", dtype=torch.float32)
    if pooling == "auto":
        pools = [module for module in sentence if isinstance(module, Pooling)]
        is_mean = bool(pools) and _modes(pools[0]) == {"mean"}
        pooling = _usual_pooling(body.config) if is_mean else "cls"
    tokenizer = with_padding(copy.deepcopy(sentence.tokenizer))
    length = window_length(sentence) if max_length is None else max_length
    model = _pooled(body, space) if pooling == "mean" else _under_own_head(body, space)
    return StartingModel(name, model, tokenizer, length)


def _modes(pooling: Pooling) -> set[str]:
    mode = pooling.pooling_mode
    return {mode} if isinstance(mode, str) else set(mode)


def _usual_pooling(config: Any) -> str:
    classifies = any(_CLASSIFIES in name for name in config.architectures or ())
    reads_both_ways = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return "mean" if reads_both_ways and not classifies else "cls"


def _pooled(body: Any, space: LabelSpace) -> PooledModel:
    body.config.id2label = outputs_of(space)
    return PooledModel(body, len(space.classes))


def _under_own_head(body: Any, space: LabelSpace) -> Any:
    """Return the sequence classification model of transformers with these weights below an untrained head."""
    config = type(body.config).from_dict(body.config.to_dict())
    config.id2label = outputs_of(space)
    model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False, dtype=torch.float32)
    # BERT's pooler may be in only one of them
    missing, unexpected = model.base_model.load_state_dict(body.state_dict(), strict=False)
    other = [key for key in (*missing, *unexpected) if "pooler" not in key]
    if other:
        raise InputError(
            f"pooling='cls' cannot take the weights of {type(body).__name__}, such as {other[0]!r}; take pooling='mean'"
        )
    return model


def with_padding(tokenizer: Any) -> Any:
    """Give a tokenizer without padding token, such as GPT-2's, another of its special tokens to pad with, in place.

    Raises
    ------
    InputError
        If it has no special token.
    """
    if tokenizer.pad_token is None:
        token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.bos_token
        if token is None:
            raise InputError("the tokenizer has no special token to pad texts with; set its pad_token")
        tokenizer.pad_token = token
    return tokenizer
