"""Small edits of a text's words: what made texts and copies of labelled texts are put together from.

Each takes lists of words and a random generator and returns a new list; none changes what it is given. Which edits are
made, and how often, is left to :mod:`fewshot.data.transfer_text` and :mod:`fewshot.data.augmentation`.
"""

import itertools
import re

import numpy as np

MAX_NGRAM = 5
MAX_SHIFT = 2

_DENSE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"  # kana and Chinese characters: scripts that write no spaces
_WORD = re.compile(rf"[{_DENSE}]|[^\s{_DENSE}]+")
_IS_DENSE = re.compile(rf"[{_DENSE}]")
_SENTENCE_ENDS = (".", "!", "?", "\u3002", "\uff01", "\uff1f")


def split_words(text: str) -> list[str]:
    """Return what white space separates; in scripts that write no spaces each character.

    Examples
    --------
    >>> split_words("late  again, 我很生气")
    ['late', 'again,', '我', '很', '生', '气']
    """
    return _WORD.findall(text)


def join_words(words: list[str]) -> str:
    """Return words as a text: one space between them, none beside a character of a script without spaces.

    Examples
    --------
    >>> join_words(["late", "again,", "我", "很", "生", "气"])
    'late again,我很生气'
    """
    parts = words[:1]
    for before, word in itertools.pairwise(words):
        parts += [word] if _IS_DENSE.match(before) or _IS_DENSE.match(word) else [" ", word]
    return "".join(parts)


def swapped(words: list[str], times: int, rng: np.random.Generator) -> list[str]:
    """Let two words change places, so many times; a text of one word stays as it is."""
    words = list(words)
    for _ in range(times if len(words) > 1 else 0):
        first, second = rng.choice(len(words), size=2, replace=False)
        words[first], words[second] = words[second], words[first]
    return words


def thinned(words: list[str], times: int, rng: np.random.Generator) -> list[str]:
    """Leave out so many words, but never all."""
    if not words:
        return []
    dropped = set(rng.choice(len(words), size=min(times, len(words) - 1), replace=False).tolist())
    return [word for place, word in enumerate(words) if place not in dropped]


def filled(words: list[str], others: list[str], times: int, rng: np.random.Generator) -> list[str]:
    """Put so many words of another text at places drawn at random."""
    words = list(words)
    for _ in range(times if others else 0):
        words.insert(int(rng.integers(len(words) + 1)), others[int(rng.integers(len(others)))])
    return words


def mixed(words: list[str], others: list[str], rng: np.random.Generator) -> list[str]:
    """Join the beginning of one text to the end of another, cut between sentences where both have several."""
    sentences, other_sentences = _sentences(words), _sentences(others)
    if min(len(sentences), len(other_sentences)) < 2:
        return recombined(words, others, rng)
    # Whole sentences: a list of lists is cut like a list of words.
    return list(itertools.chain.from_iterable(recombined(sentences, other_sentences, rng)))


def recombined(words: list, others: list, rng: np.random.Generator) -> list:
    """Join a beginning of one list to an end of the other, at least an item of each."""
    head = 1 + int(rng.random() * len(words))
    tail = min(len(others), 1 + int(rng.random() * len(others)))
    return words[:head] + others[len(others) - tail :]


def disordered(words: list[str], rng: np.random.Generator) -> list[str]:
    """Move words by at most :data:`MAX_SHIFT` places."""
    places = np.arange(len(words)) + rng.uniform(0, MAX_SHIFT + 1, len(words))
    return [words[place] for place in np.argsort(places, kind="stable")]


def ngram(n_words: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw one to :data:`MAX_NGRAM` neighbours: the first place, and the one after the last."""
    size = min(n_words, int(rng.integers(1, MAX_NGRAM + 1)))
    first = int(rng.integers(n_words - size + 1))
    return first, first + size


def _sentences(words: list[str]) -> list[list[str]]:
    ends = [place + 1 for place, word in enumerate(words) if word.endswith(_SENTENCE_ENDS)]
    cuts = sorted({0, *ends, len(words)})
    return [words[start:stop] for start, stop in itertools.pairwise(cuts)]
