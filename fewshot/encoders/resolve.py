"""From the name of an encoder to the encoder: ``bundled``, a Hub id, a folder, or an object that is one already.

``pooled:`` before a name takes the mean of the token vectors of any language model.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.core.errors import InputError
from fewshot.encoders.base import Encoder
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.bundled import bundled_folder
from fewshot.encoders.cached import CachedEncoder
from fewshot.encoders.static import StaticEncoder, is_static_folder
from fewshot.encoders.windows import MAX_CHUNKS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_TEACHER = "sentence-transformers/paraphrase-mpnet-base-v2"
DEFAULT_STUDENT = "sentence-transformers/paraphrase-MiniLM-L3-v2"
POOLED = "pooled:"


def load_encoder(
    encoder: "str | Path | Encoder | SentenceTransformer",
    *,
    device: str | None = None,
    precision: str = "auto",
    max_length: int | None = None,
    long_texts: str = "truncate",
    max_chunks: int = MAX_CHUNKS,
) -> Encoder:
    """Return the encoder that a name stands for.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        ``"bundled"``, a Hub id, a local folder, or a model in memory. An :class:`Encoder` is returned as it is.
        ``"pooled:NAME"``, with a Hub id or a folder, is the mean of the last layer's token vectors of any language
        model of transformers, such as GPT-2 or BERT, padding left out. Such a model can also be named as it is: then
        sentence-transformers chooses, which takes the mean, too, but of models whose class ends in ``ForCausalLM`` the
        last token's vector. A model without a padding token works either way.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"mps"``; default: the fastest there is.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        See :class:`~fewshot.encoders.sentence.SentenceEncoder`.
    max_length, long_texts, max_chunks : int, {"truncate", "chunk"} and int, optional
        How much of a long text is read; see there. A token table reads the whole of every text, so that they change
        nothing for it.

    Returns
    -------
    Encoder

    Raises
    ------
    SourceNotFoundError
        If it is neither a folder nor to be had from the Hub.
    ModelFormatError
        If the folder holds no model, or an unsafe or damaged one.
    MissingExtraError
        If ``bundled`` is asked for and not installed.
    """
    if isinstance(encoder, Encoder):
        return encoder
    options: dict[str, Any] = {"device": device, "precision": precision}
    options |= {"max_length": max_length, "long_texts": long_texts, "max_chunks": max_chunks}
    if isinstance(encoder, (str, Path)):
        return _by_name(str(encoder), **options)
    from sentence_transformers import SentenceTransformer

    from fewshot.encoders.sentence import SentenceEncoder

    if isinstance(encoder, SentenceTransformer):
        return SentenceEncoder(encoder, name="in-memory model", **options)
    raise InputError(
        "encoder must be 'bundled', a Hub id, a folder, 'pooled:' before one of these, an Encoder or a "
        f"SentenceTransformer, got {encoder!r}"
    )


def _by_name(name: str, **options: Any) -> Encoder:
    if not name.strip():
        raise InputError("encoder must not be empty; try 'bundled'")
    if is_static_folder(name):
        return StaticEncoder.load(name)
    from fewshot.encoders.sentence import SentenceEncoder

    if not name.startswith(POOLED):
        return SentenceEncoder.load(_source(name), name=name, **options)
    source = name.removeprefix(POOLED)
    if not source.strip() or is_static_folder(source):
        raise InputError(
            f"encoder {name!r} must name a language model after {POOLED!r}: a folder with config.json, or a Hub id, "
            "such as 'pooled:openai-community/gpt2'"
        )
    from fewshot.encoders.pooled import load_pooled

    return load_pooled(_source(source), name=name, **options)


def _source(name: str) -> str | Path:
    return bundled_folder() if name == BUNDLED else name


def unwrapped(encoder: Encoder) -> Encoder:
    """Return the encoder that computes, behind any cache."""
    return encoder.encoder if isinstance(encoder, CachedEncoder) else encoder
