"""More texts for a teacher to label where the pool is small: parts and mixtures of those at hand, to distil from alone.

They are no texts that anybody wrote; what makes them useful is that a teacher says something of each of them.
"""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.seen import SeenTexts
from fewshot.data.word_edits import disordered, ngram, recombined

_BATCH = 256
_CHUNK = 10_000


def generate_transfer_texts(
    texts: Sequence[str],
    n: int,
    *,
    random_state: int = 0,
    mask_token: str | None = None,
    p_mask: float = 0.1,
    p_ngram: float = 0.25,
    p_recombine: float = 0.25,
    p_disorder: float = 0.0,
) -> list[str]:
    """Make new texts from given ones, for a teacher to label.

    All texts are taken in turn, in a new random order each round. With ``p_recombine`` a text's first words are joined
    to the last words of another, both cut at random. With ``p_disorder`` words change places with others near them, up
    to two places away. Then each word is masked with ``p_mask``; then with ``p_ngram``
    one to five neighbouring words are kept and the rest is dropped.

    Parameters
    ----------
    texts : sequence of str
        What to make them from, a pool for one; words are what white space separates. Texts of a language written
        without spaces are one word each, and next to nothing can be made of them.
    n : int
        How many are wanted.
    random_state : int, default=0
        Decides everything; of two runs the one with the smaller ``n`` gives the first texts of the other.
    mask_token : str, optional
        Stands for a masked word, such as ``tokenizer.mask_token``. By default a masked word is left out: a student
        without a mask token has nothing to see there.
    p_mask, p_ngram, p_recombine, p_disorder : float
        Chances, from 0 to 1. Disorder is for transformers and filters; a plain token table does not see it.

    Returns
    -------
    list of str
        None of them empty, of masks only, one of ``texts``, or twice there (by case and white space); one space
        between words. Fewer than ``n``, with a warning, when 256 trials in a row gave nothing new.

    Raises
    ------
    InputError
        If there are no texts, or a setting is out of range.

    Warns
    -----
    DataWarning
        If fewer could be made, saying how many.

    Notes
    -----
    Replacing words by others of the same part of speech, the third way of the paper, needs a tagger and is left out.

    References
    ----------
    Tang et al. 2019, "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks", arXiv:1903.12136
    (section 3.3: masking 0.1, n-gram sampling 0.25). Disorder: Lample et al. 2018, "Unsupervised Machine Translation
    Using Monolingual Corpora Only", arXiv:1711.00043 (section 2.3, with k = 2).

    Examples
    --------
    >>> texts = ["the parcel never came", "my card was charged twice"]
    >>> made = generate_transfer_texts(texts, 20, random_state=0)
    >>> len(made), len(set(made) - set(texts))
    (20, 20)
    """
    _check(texts, n, random_state)
    chances = {"p_mask": p_mask, "p_ngram": p_ngram, "p_recombine": p_recombine, "p_disorder": p_disorder}
    for name, chance in chances.items():
        if isinstance(chance, bool) or not isinstance(chance, (int, float)) or not 0 <= chance <= 1:
            raise InputError(f"{name} must be a number from 0 to 1, got {chance!r}")
    if mask_token is not None and (not isinstance(mask_token, str) or len(mask_token.split()) != 1):
        raise InputError(f"mask_token must be one word, such as '[MASK]', or None, got {mask_token!r}")
    seen = SeenTexts()
    seen.add([""])
    for start in range(0, len(texts), _CHUNK):
        seen.add(texts[start : start + _CHUNK])
    trials = _trials(texts, np.random.default_rng(random_state), mask_token, **chances)
    made: list[str] = []
    while len(made) < n:
        batch = [next(trials) for _ in range(_BATCH)]
        new = np.flatnonzero(seen.add(batch))
        if not len(new):
            break
        made += [batch[i] for i in new]
    if len(made) < n:
        warnings.warn(
            f"of {n:,} texts wanted only {len(made):,} could be made from {len(texts):,}; give more or longer texts",
            DataWarning,
            stacklevel=2,
        )
    return made[:n]


def _check(texts: Sequence[str], n: int, random_state: int) -> None:
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not len(texts):
        raise InputError(f"texts must be a sequence of at least one string, got {texts!r}")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"texts must hold strings, got {text!r} in row {row}")
    for name, value in (("n", n), ("random_state", random_state)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
            raise InputError(f"{name} must be an integer of at least 0, got {value!r}")


def _trials(
    texts: Sequence[str],
    rng: np.random.Generator,
    mask_token: str | None,
    p_mask: float,
    p_ngram: float,
    p_recombine: float,
    p_disorder: float,
) -> Iterator[str]:
    """Give one text after the other without end; the empty text where there is nothing but masks."""
    while True:
        for row in rng.permutation(len(texts)):
            words = texts[int(row)].split()
            if rng.random() < p_recombine:
                words = recombined(words, texts[int(rng.integers(len(texts)))].split(), rng)
            if p_disorder and rng.random() < p_disorder:
                words = disordered(words, rng)
            masked = rng.random(len(words)) < p_mask
            first, last = ngram(len(words), rng) if rng.random() < p_ngram else (0, len(words))
            yield _joined(words[first:last], masked[first:last], mask_token)


def _joined(words: list[str], masked: np.ndarray, mask_token: str | None) -> str:
    if masked.all():
        return ""
    shown = [mask_token if hidden else word for word, hidden in zip(words, masked, strict=True)]
    return " ".join(word for word in shown if word is not None)
