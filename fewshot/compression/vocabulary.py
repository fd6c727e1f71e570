"""Encoders without the tokens that a pool's texts never use: in small models most weights are rows of that table.

The texts of the pool are read as before, token by token. Other words are spelt in smaller pieces, which the encoder
knows less well: measure on texts that it will meet.
"""

import copy
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from fewshot.classifiers.base import EmbeddingClassifier, TextClassifier
from fewshot.classifiers.transformer import TransformerClassifier
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


def trim_vocabulary(
    encoder: Encoder, texts: Sequence[str], min_count: int = 1, *, n_frequent: int = 0
) -> SentenceEncoder:
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
    n_frequent : int, default=0
        Also keep the first so many tokens of the vocabulary, for words that the pool does not hold: vocabularies of
        both kinds begin with what was most frequent in the text that they were made from.

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
    _check_pool(texts, min_count, n_frequent)
    prompts = [prompt for prompt in whole.model.prompts.values() if prompt]
    table, kept = _kept_tokens(whole.tokenizer, texts, min_count, n_frequent, prompts)
    model: Any = whole.trainable_copy()
    _take_rows(model[0].auto_model, kept)
    model[0].processor = _reopened(whole.model.tokenizer, table.trimmed(kept))
    if min_count == 1:
        _check_same(whole.name, whole.model.tokenizer, model.tokenizer, texts[:_CHECKED], kept)
    return whole.like(model)


def trim_classifier(
    classifier: TextClassifier, texts: Sequence[str], min_count: int = 1, *, n_frequent: int = 0
) -> TextClassifier:
    """Drop the tokens that texts do not use from a classifier's transformer, be it below a head or one with its own.

    Parameters
    ----------
    classifier : TextClassifier
        Fitted: a linear probe, SetFit, a distilled student, or a fine-tuned transformer. It is copied, not changed.
    texts, min_count, n_frequent
        As for :func:`trim_vocabulary`.

    Returns
    -------
    TextClassifier
        Of the same kind. To all texts of the pool (with ``min_count=1``) it answers as before.

    Raises
    ------
    InputError
        If there is no transformer with a tokenizer of a known kind in it, or there are no texts.

    Examples
    --------
    >>> small = trim_classifier(load_classifier("runs/student"), texts)  # doctest: +SKIP
    """
    if isinstance(classifier, EmbeddingClassifier):
        made = copy.copy(classifier)
        made.encoder_ = trim_vocabulary(classifier.encoder_, texts, min_count, n_frequent=n_frequent)
        return made
    if not isinstance(classifier, TransformerClassifier):
        raise InputError(f"a {classifier.kind!r} classifier has no transformer whose vocabulary could be trimmed")
    _check_pool(texts, min_count, n_frequent)
    name, tokenizer = classifier.model_name, classifier.tokenizer_
    table, kept = _kept_tokens(_fast(tokenizer, name), texts, min_count, n_frequent)
    model = copy.deepcopy(classifier.model_)
    _take_rows(model.base_model, kept)
    reopened = _reopened(tokenizer, table.trimmed(kept))
    if min_count == 1:
        _check_same(name, tokenizer, reopened, texts[:_CHECKED], kept)
    return copy.copy(classifier)._take(
        model,
        reopened,
        classifier.label_space_,
        classifier.columns_,
        classifier.threshold_,
        max_length=classifier.max_length_,
        device=str(next(model.parameters()).device),
    )


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
    counts = _count_tokens(_fast(tokenizer, encoder.name), texts, len(tokenizer))
    unknown = tokenizer.unk_token_id
    return 0.0 if unknown is None or not counts.sum() else float(counts[unknown] / counts.sum())


def _check_pool(texts: Sequence[str], min_count: int, n_frequent: int) -> None:
    check_texts(texts)
    if not len(texts):
        raise InputError("texts must hold at least one text: what none uses is dropped")
    if min_count < 1:
        raise InputError(f"min_count must be at least 1, got {min_count}")
    if n_frequent < 0:
        raise InputError(f"n_frequent must be at least 0, got {n_frequent}")


def _with_tokenizer(encoder: Encoder) -> SentenceEncoder:
    whole = unwrapped(encoder)
    if not isinstance(whole, SentenceEncoder):
        raise InputError(
            f"encoder {encoder.name!r} must be a transformer with a fast tokenizer for its vocabulary to be trimmed"
        )
    _fast(whole.model.tokenizer, encoder.name)
    return whole


def _fast(tokenizer: Any, name: str) -> Tokenizer:
    """Return the tokenizer without what transformers lays around it."""
    bare = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(bare, Tokenizer):
        raise InputError(
            f"encoder {name!r} must be a transformer with a fast tokenizer for its vocabulary to be trimmed"
        )
    return bare


def _kept_tokens(
    tokenizer: Any, texts: Sequence[str], min_count: int, n_frequent: int, others: Sequence[str] = ()
) -> tuple[PieceTable, np.ndarray]:
    """Return the pieces of a tokenizer, and the old numbers of those to keep, in order."""
    table = PieceTable(json.loads(tokenizer.to_str()))
    kept = table.always_kept()
    kept[:n_frequent] = True
    kept |= _count_tokens(tokenizer, texts, len(kept)) >= min_count
    kept |= _count_tokens(tokenizer, others, len(kept)) >= 1
    return table, np.flatnonzero(kept)


def _count_tokens(tokenizer: Tokenizer, texts: Sequence[str], n_tokens: int) -> np.ndarray:
    """Return how often each token comes in texts."""
    subwords = SubwordTokenizer(tokenizer)
    counts = np.zeros(n_tokens, dtype=np.int64)
    for start in range(0, len(texts), _CHUNK):
        counts += np.bincount(subwords.token_ids(texts[start : start + _CHUNK])[0], minlength=n_tokens)
    return counts


def _take_rows(transformer: Any, kept: np.ndarray) -> None:
    """Give a transformer the table of some tokens, in place."""
    new = {int(old): number for number, old in enumerate(kept)}
    before = transformer.get_input_embeddings()
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


def _check_same(name: str, whole: Any, trimmed: Any, texts: Sequence[str], kept: np.ndarray) -> None:
    """Raise :class:`InputError` unless both tokenizers read texts alike; ``kept`` has the old number of each token."""
    for text in texts:
        before, after = whole(text)["input_ids"], trimmed(text)["input_ids"]
        if kept[after].tolist() != list(before):
            raise InputError(
                f"encoder {name!r} has a tokenizer that does more than its pieces tell, so that trimming would "
                f"change how it reads {text[:80]!r}"
            )
