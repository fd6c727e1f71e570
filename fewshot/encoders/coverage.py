"""Whether an encoder was made for the language of some texts, judged by what its tokenizer makes of them.

A tokenizer holds the words of the language that it was made from. Texts in another script come out as unknown signs,
texts in another language as crumbs of words. This says nothing about how well the encoder understands a language.
"""

import dataclasses
import itertools
import json
import re
from collections.abc import Sequence

from tokenizers import Encoding, Tokenizer

from fewshot.encoders.base import Encoder, check_texts
from fewshot.encoders.resolve import unwrapped

MOST_UNKNOWN = 0.05
"""Measured with the bundled English encoder: English data sets 0.0000, German tweets 0.002, Chinese titles 0.71."""

LEAST_LETTERS = 3.2
"""The same: English data sets 4.6 (issues with code and logs) to 5.5, German tweets 2.6."""

LEAST_LETTERS_DENSE = 0.75
"""Chinese tokenizers have a token a sign or a word; those that know UTF-8 bytes only need two or three a sign."""

N_TEXTS = 200
N_CHARACTERS = 1000
N_LETTERS = 200

_WORD = re.compile(r"[^\W\d_]{4,}")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003134f]")


@dataclasses.dataclass(frozen=True)
class Coverage:
    """What a tokenizer makes of some texts.

    Parameters
    ----------
    unknown : float
        Share of the letters that become the unknown token; 0 to 1. Digits, signs and pictograms tell no language.
    letters_per_token, letters_per_token_dense : float or None
        Mean letters that a token stands for, in words of at least four letters: of alphabetic scripts, and of scripts
        whose signs are syllables or words (Chinese, Japanese, Korean). ``None`` where there are too few to say.
    """

    unknown: float
    letters_per_token: float | None
    letters_per_token_dense: float | None


def measure_coverage(tokenizer: Tokenizer, texts: Sequence[str]) -> Coverage:
    """Return what ``tokenizer`` makes of ``texts``; of up to 200 texts, evenly spread, the first 1,000 characters.

    Examples
    --------
    >>> from tokenizers import models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "card": 2}, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> measure_coverage(tokenizer, ["the card", "die Karte"]).unknown.__round__(2)
    0.53
    """
    check_texts(texts)
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.no_padding()
    plain.no_truncation()
    sample = [text[:N_CHARACTERS] for text in texts[:: -(-len(texts) // N_TEXTS) or 1]]
    pairs = list(zip(sample, plain.encode_batch(sample, add_special_tokens=False), strict=True))
    n_letters = sum(map(str.isalpha, "".join(sample)))
    unknown_id = _unknown_id(plain)
    n_unknown = sum(
        sum(map(str.isalpha, text[start:stop]))
        for text, encoding in pairs
        for token_id, (start, stop) in zip(encoding.ids, encoding.offsets, strict=True)
        if token_id == unknown_id
    )
    words = [(word, n) for text, encoding in pairs for word, n in _words(text, encoding)]
    return Coverage(
        n_unknown / max(n_letters, 1),
        _letters_per_token([(word, n) for word, n in words if not _DENSE.match(word)]),
        _letters_per_token([(word, n) for word, n in words if _DENSE.match(word)]),
    )


def language_note(encoder: Encoder, texts: Sequence[str]) -> str | None:
    """Return one line of warning if the encoder was made for another language or script than ``texts`` are in.

    Parameters
    ----------
    encoder : Encoder
        One with a fast tokenizer; nothing is said of others. No text is encoded: this takes a moment.
    texts : sequence of str
        A sample is enough; see :func:`measure_coverage`.

    Returns
    -------
    str or None
        The warning, with what was measured; ``None`` if there is nothing to warn of.

    Notes
    -----
    Pieces per word show which languages a tokenizer was made for (Rust et al. 2021, "How Good is Your Tokenizer?",
    arXiv:2012.15613). Letters per piece are judged here, since words are longer in some languages than in others.
    """
    tokenizer = getattr(unwrapped(encoder), "tokenizer", None)
    return tokenizer_note(tokenizer, texts) if isinstance(tokenizer, Tokenizer) else None


def tokenizer_note(tokenizer: Tokenizer, texts: Sequence[str]) -> str | None:
    """Return the warning of :func:`language_note` by the encoder's tokenizer alone, where no encoder is open."""
    if not len(texts):
        return None
    found = measure_coverage(tokenizer, texts)
    if found.unknown > MOST_UNKNOWN:
        return _note(f"knows {1 - found.unknown:.0%} of these texts' letters", "script or language")
    letters, dense = found.letters_per_token, found.letters_per_token_dense
    if letters is not None and letters < LEAST_LETTERS:
        return _note(f"breaks these texts' words into pieces of {letters:.1f} letters (usual: 4 to 6)", "language")
    if dense is not None and dense < LEAST_LETTERS_DENSE:
        return _note(f"makes {1 / dense:.1f} tokens of each of these texts' signs (usual: 1 or less)", "script")
    return None


def _note(finding: str, other: str) -> str:
    return f"the encoder's tokenizer {finding}; it was made for another {other}: choose a multilingual encoder"


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    model = json.loads(tokenizer.to_str())["model"]
    return model["unk_id"] if "unk_id" in model else tokenizer.token_to_id(model.get("unk_token") or "")


def _words(text: str, encoding: Encoding) -> list[tuple[str, int]]:
    """Return the longer words of a text, each with the number of tokens that end in it."""
    ended = [0] * (len(text) + 1)
    for _, stop in encoding.offsets:  # not where they start: some tokenizers count the space before a word in
        ended[stop] += 1
    totals = list(itertools.accumulate(ended))
    words = [(match.group(), totals[match.end()] - totals[match.start()]) for match in _WORD.finditer(text)]
    return [(word, max(n, 1)) for word, n in words]


def _letters_per_token(words: list[tuple[str, int]]) -> float | None:
    n_letters = sum(len(word) for word, _ in words)
    return n_letters / sum(n for _, n in words) if n_letters >= N_LETTERS else None
