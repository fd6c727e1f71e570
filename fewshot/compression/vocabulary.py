"""Encoders without the tokens that a pool's texts never use: in small models most weights are rows of that table.

The texts of the pool are read as before, token by token. Other words are spelt in smaller pieces, which the encoder
knows less well: measure on texts that it will meet.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from fewshot.compression.tokenizer_trimming import PieceTable
from fewshot.core.artifacts import write_json
from fewshot.core.errors import InputError
from fewshot.encoders.base import Encoder, check_texts
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.subwords import SubwordTokenizer
from fewshot.encoders.transformer_opening import open_tokenizer

_CHUNK = 2048
_CHECKED = 1000
"""Texts that both tokenizers must read alike, or the trimmed one is not given out."""

_TOKEN_FIELDS = ("pad", "bos", "eos", "cls", "sep", "mask", "unk")


def trim_vocabulary(encoder: Encoder, texts: Sequence[str], min_count: int = 1) -> SentenceEncoder:
    """Drop the tokens that texts do not use from a sentence encoder's tokenizer and from its table.

    Parameters
    ----------
    encoder : Encoder
        With a transformer and a fast tokenizer of the kinds WordPiece (BERT, MiniLM, MPNet, DistilBERT) or Unigram
        (XLM-R). It is copied, not changed.
    texts : sequence of str
        The pool: texts of the kind that will be read. At least one.
    min_count : int, default=1
        Keep tokens that come at least so often. Above 1, texts with the dropped ones are read in other tokens, too.

    Returns
    -------
    SentenceEncoder
        All texts of the pool (with ``min_count=1``) have the tokens and vectors that they had. Special tokens and
        single characters are kept, so that other words fall into smaller pieces; see :func:`unknown_share`. Their
        vectors change: of 500 news that 5,000 others did not hold, half were as before and the mean cosine was 0.97.
        Its folder opens with plain sentence-transformers.

    Raises
    ------
    InputError
        If the encoder or its tokenizer is of another kind, or there are no texts.

    Examples
    --------
    >>> small = trim_vocabulary(load_encoder("bundled"), texts)  # doctest: +SKIP
    >>> unknown_share(small, other_texts)  # doctest: +SKIP
    0.0002
    """
    whole = _with_tokenizer(encoder)
    check_texts(texts)
    if not len(texts):
        raise InputError("texts must hold at least one text: what none uses is dropped")
    if min_count < 1:
        raise InputError(f"min_count must be at least 1, got {min_count}")
    model = whole.trainable_copy()
    table = PieceTable(json.loads(whole.tokenizer.to_str()))  # type: ignore[union-attr]
    kept = table.always_kept()
    prompts = [prompt for prompt in whole.model.prompts.values() if prompt]
    kept |= _count_tokens(whole, texts, len(kept)) >= min_count
    kept |= _count_tokens(whole, prompts, len(kept)) >= 1
    _take_rows(model, np.flatnonzero(kept), table)
    trimmed = whole.like(model)
    if min_count == 1:
        _check_same(whole, trimmed, texts[:_CHECKED], np.cumsum(kept) - 1)
    return trimmed


def unknown_share(encoder: Encoder, texts: Sequence[str]) -> float:
    """Return the share of unknown tokens among all tokens of texts, 0 to 1; special tokens do not count.

    Raises
    ------
    InputError
        If the encoder has no fast tokenizer.
    """
    whole = _with_tokenizer(encoder)
    check_texts(texts)
    tokenizer: Any = whole.model.tokenizer
    counts = _count_tokens(whole, texts, len(tokenizer))
    unknown = tokenizer.unk_token_id
    return 0.0 if unknown is None or not counts.sum() else float(counts[unknown] / counts.sum())


def _with_tokenizer(encoder: Encoder) -> SentenceEncoder:
    whole = unwrapped(encoder)
    if not isinstance(whole, SentenceEncoder) or whole.tokenizer is None:
        raise InputError(
            f"encoder {encoder.name!r} must be a transformer with a fast tokenizer for its vocabulary to be trimmed"
        )
    return whole


def _count_tokens(encoder: SentenceEncoder, texts: Sequence[str], n_tokens: int) -> np.ndarray:
    """Return how often each token comes in texts."""
    tokenizer = SubwordTokenizer(encoder.tokenizer)  # type: ignore[arg-type]
    counts = np.zeros(n_tokens, dtype=np.int64)
    for start in range(0, len(texts), _CHUNK):
        counts += np.bincount(tokenizer.token_ids(texts[start : start + _CHUNK])[0], minlength=n_tokens)
    return counts


def _take_rows(model: SentenceTransformer, kept: np.ndarray, table: PieceTable) -> None:
    """Give a model the tokenizer and the table of some tokens, in place."""
    new = {int(old): number for number, old in enumerate(kept)}
    module: Any = model[0]
    transformer, before = module.auto_model, module.auto_model.get_input_embeddings()
    padding = before.padding_idx
    if padding is not None and new.get(padding) != padding:
        raise InputError(
            f"encoder counts positions from its padding token, number {padding}, which trimming would move"
        )
    with torch.no_grad():
        rows = before.weight.detach()[torch.as_tensor(kept, device=before.weight.device)].clone()
    transformer.set_input_embeddings(nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=padding))
    transformer.config.vocab_size = len(kept)
    for field in _TOKEN_FIELDS:
        number = getattr(transformer.config, f"{field}_token_id", None)
        if number is not None:  # some configurations name a token that their tokenizer has not
            setattr(transformer.config, f"{field}_token_id", new.get(number))
    module.processor = _reopened(module.tokenizer, table.trimmed(kept))


def _reopened(tokenizer: Any, description: dict[str, Any]) -> Any:
    """Return a tokenizer of transformers as it is opened with another ``tokenizer.json``."""
    with tempfile.TemporaryDirectory(prefix="fewshot-") as folder:
        tokenizer.save_pretrained(folder)
        for stale in ("vocab.txt", "added_tokens.json", "sentencepiece.bpe.model"):
            (Path(folder) / stale).unlink(missing_ok=True)
        write_json(Path(folder) / "tokenizer.json", description)
        made = open_tokenizer(folder)
    made.name_or_path = tokenizer.name_or_path
    return made


def _check_same(whole: SentenceEncoder, trimmed: SentenceEncoder, texts: Sequence[str], new: np.ndarray) -> None:
    """Raise :class:`InputError` unless both tokenizers read texts alike; ``new`` has the new number of each token."""
    for text in texts:
        before, after = whole.model.tokenizer(text)["input_ids"], trimmed.model.tokenizer(text)["input_ids"]
        if new[before].tolist() != list(after):
            raise InputError(
                f"encoder {whole.name!r} has a tokenizer that does more than its pieces tell, so that trimming would "
                f"change how it reads {text[:80]!r}"
            )
