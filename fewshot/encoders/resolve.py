"""From the name of an encoder to the encoder: ``bundled``, a Hub id, a folder, or an object that is one already."""

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
        f"encoder must be 'bundled', a Hub id, a folder, an Encoder or a SentenceTransformer, got {encoder!r}"
    )


def _by_name(name: str, **options: Any) -> Encoder:
    if not name.strip():
        raise InputError("encoder must not be empty; try 'bundled'")
    if is_static_folder(name):
        return StaticEncoder.load(name)
    from fewshot.encoders.sentence import SentenceEncoder

    source = bundled_folder() if name == BUNDLED else name
    return SentenceEncoder.load(source, name=name, **options)


def unwrapped(encoder: Encoder) -> Encoder:
    """Return the encoder that computes, behind any cache."""
    return encoder.encoder if isinstance(encoder, CachedEncoder) else encoder
