"""More labelled texts out of few: copies with words swapped, left out, added, or joined to those of a like text.

A copy keeps the labels of the text that it is made from, and says which texts its words are from: a method that holds
texts out must hold out all that was made of them. Copies that a language model writes are in
:mod:`fewshot.training.augmentation`; what a method is to make of several augmentations in
:mod:`fewshot.classifiers.augmented`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from fewshot.core.errors import InputError, did_you_mean
from fewshot.data.seen import text_key
from fewshot.data.word_edits import filled, join_words, mixed, split_words, swapped, thinned

OPERATIONS = ("swap", "delete", "insert", "mix")
TRIALS = 10
"""So often is a copy tried that comes out as a text which is there already; then the text goes without."""


@runtime_checkable
class Augmentation(Protocol):
    """Whatever makes copies of labelled texts."""

    def augmented(self, texts: Sequence[str], y: np.ndarray, *, random_state: int) -> tuple[list[str], np.ndarray]:
        """Return copies, and the rows that they are made from.

        Parameters
        ----------
        texts : sequence of str
            Left as they are.
        y : ndarray of shape (n_texts,) or (n_texts, n_classes)
            Class numbers, or a 0/1 matrix (multi-label).
        random_state : int
            Decides everything that is random.

        Returns
        -------
        copies : list of str
            New texts only.
        source_rows : ndarray of shape (n_copies,) or (n_copies, n_sources)
            The row of the text that each is a copy of, whose labels it has; then, in further columns, the rows of other
            texts that it has words of, or the first again where there are none.
        """


@dataclasses.dataclass(frozen=True)
class TokenAugmentation:
    """Copies with a few words changed, without a model or a dictionary.

    Parameters
    ----------
    operations : tuple of {"swap", "delete", "insert", "mix"}, default=("swap", "delete", "insert")
        Each makes every n-th copy. *swap*: two words change places; *delete*: words are left out; *insert*: words of
        another text with the same labels are put anywhere (the text's own, where there is no other); *mix*: the
        beginning of the text is joined to the end of another one with the same labels, cut between sentences where both
        have several.
    n_copies : int, default=4
        Copies a text. A text of which so many cannot be made, such as one of a single word, has fewer; an empty one has
        none.
    alpha : float, default=0.1
        Share of a text's words that are swapped, left out or inserted, above 0 and at most 1; one word at least.

    Raises
    ------
    InputError
        If there is no such operation, or a setting is out of range.

    Notes
    -----
    Words are what white space separates, and single characters in scripts that write no spaces; copies have one space
    between words. No copy is one of the texts or another copy, by case and white space.

    Easy Data Augmentation inserts and substitutes synonyms from a dictionary. Here inserted words come from texts with
    the same labels instead, which needs no language resources, and keeps labels likewise. Each copy takes them from one
    text, so that few copies are lost where that text is held out.

    References
    ----------
    Wei, Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks",
    arXiv:1901.11196 (swap, delete, insert). Luque 2019, "Atalaya at TASS 2019: Data Augmentation and Robust Embeddings
    for Sentiment Analysis", arXiv:1909.11241 (parts of two texts of one class, joined).

    Examples
    --------
    >>> texts, y = ["the parcel never came", "my parcel is late", "refund my card"], np.array([0, 0, 1])
    >>> copies, source_rows = TokenAugmentation(n_copies=2).augmented(texts, y, random_state=0)
    >>> len(copies), len(set(copies) & set(texts)), source_rows[:, 0].tolist()
    (6, 0, [0, 1, 2, 0, 1, 2])
    """

    operations: tuple[str, ...] = ("swap", "delete", "insert")
    n_copies: int = 4
    alpha: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.operations, str) or not self.operations:
            raise InputError(f"operations must be a tuple of names such as ('swap', 'delete'), got {self.operations!r}")
        for name in self.operations:
            if name not in OPERATIONS:
                known = ", ".join(OPERATIONS)
                raise InputError(f"operations must be of {known}, got {name!r}.{did_you_mean(str(name), OPERATIONS)}")
        check_copies(self.n_copies)
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, (int, float)) or not 0 < self.alpha <= 1:
            raise InputError(f"alpha must be a number above 0 and at most 1, got {self.alpha!r}")

    def augmented(self, texts: Sequence[str], y: np.ndarray, *, random_state: int) -> tuple[list[str], np.ndarray]:
        """Return copies, and the rows ``(n_copies, 2)`` of the text and of the one that words were taken from."""
        rng = np.random.default_rng(random_state)
        words = [split_words(text) for text in texts]
        alike = _labelled_alike(y)
        seen = {text_key(join_words(known)) for known in words}
        made: list[str] = []
        source_rows: list[tuple[int, int]] = []
        for turn in range(self.n_copies):
            for row in range(len(words)):
                for other, changed in self._trials(words, row, turn + row, alike[row], rng):
                    text = join_words(changed)
                    if text_key(text) not in seen:
                        seen.add(text_key(text))
                        made.append(text)
                        source_rows.append((row, other))
                        break
        return made, np.array(source_rows, dtype=np.int64).reshape(-1, 2)

    def _trials(
        self, words: list[list[str]], row: int, turn: int, alike: np.ndarray, rng: np.random.Generator
    ) -> Iterator[tuple[int, list[str]]]:
        """Give changed words, and the row that they were taken from; first by the operation whose turn it is."""
        own, others = words[row], alike[alike != row]
        times = max(1, round(self.alpha * len(own)))
        for trial in range(TRIALS if own else 0):
            operation, other = self.operations[(turn + trial) % len(self.operations)], row
            if operation in ("insert", "mix") and len(others):
                other = int(others[rng.integers(len(others))])
            if operation == "swap":
                yield other, swapped(own, times, rng)
            elif operation == "delete":
                yield other, thinned(own, times, rng)
            elif operation == "insert":
                yield other, filled(own, words[other], times, rng)
            elif other != row:  # a text mixed with itself would be cut or doubled
                yield other, mixed(own, words[other], rng)


def check_copies(n_copies: int) -> None:
    """Raise :class:`InputError` unless ``n_copies`` is an integer of at least 1."""
    if isinstance(n_copies, bool) or not isinstance(n_copies, (int, np.integer)) or n_copies < 1:
        raise InputError(f"n_copies must be an integer of at least 1, got {n_copies!r}")


def only_new(texts: Sequence[str], copies: Sequence[str], source_rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the copies that are not empty, none of the texts and none of the copies before, and their source rows.

    Examples
    --------
    >>> only_new(["a b"], ["b a", "", "A  b", "b a"], np.array([0, 0, 0, 0]))
    (['b a'], array([0]))
    """
    seen, new = {"", *map(text_key, texts)}, []
    for place, key in enumerate(map(text_key, copies)):
        if key not in seen:
            seen.add(key)
            new.append(place)
    return [copies[place] for place in new], source_rows[new]


def own_rows(source_rows: np.ndarray) -> np.ndarray:
    """Return the rows of texts that are no copies.

    Parameters
    ----------
    source_rows : ndarray of shape (n, n_sources)
        Of each text the rows that it is made from; of an original its own alone.

    Examples
    --------
    >>> own_rows(np.array([[0, 0], [1, 1], [0, 1], [0, 0]])).tolist()
    [0, 1]
    """
    return np.flatnonzero((source_rows == np.arange(len(source_rows))[:, None]).all(axis=1))


def rows_apart(source_rows: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return the rows that may train where others are held out: all but these, and all that was made of them.

    Parameters
    ----------
    source_rows : ndarray of shape (n, n_sources)
        As of :func:`own_rows`.
    held_out : ndarray of int
        Rows of originals.

    Returns
    -------
    ndarray of int
        Ascending.

    Examples
    --------
    >>> rows_apart(np.array([[0, 0], [1, 1], [2, 2], [0, 1], [2, 2]]), np.array([1])).tolist()
    [0, 2, 4]
    """
    return np.flatnonzero(~np.isin(source_rows, held_out).any(axis=1))


def _labelled_alike(y: np.ndarray) -> list[np.ndarray]:
    """Return of each row the rows with the same label, or the same set of labels."""
    if not len(y):
        return []
    _, group = np.unique(y, axis=0, return_inverse=True)
    members = [np.flatnonzero(group.ravel() == number) for number in range(int(group.max()) + 1)]
    return [members[number] for number in group.ravel()]
