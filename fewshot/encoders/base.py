"""What every encoder promises: texts in, one float32 vector a text out, in the order given.

:class:`Encoder` does once what all need: each distinct text is encoded once, texts of like length share a batch, a
progress bar moves, bad input is refused. A new encoder fills in :meth:`Encoder._encode_batch` and says its name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.core.progress import track

CHUNK_TEXTS = 1024


class Encoder(ABC):
    """Texts to vectors.

    Attributes
    ----------
    name : str
        How the user named it; goes into results and model cards.
    dimension : int
        Length of a vector.

    Examples
    --------
    >>> class LengthEncoder(Encoder):
    ...     name, dimension, fingerprint = "length", 1, "length-1"
    ...     def _encode_batch(self, texts):
    ...         return np.array([[len(text)] for text in texts])
    ...     def save(self, folder): ...
    >>> LengthEncoder().encode(["abc", "a", "abc"])
    array([[3.], [1.], [3.]], dtype=float32)
    """

    name: str
    dimension: int

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A string that changes whenever the vectors would: weights, tokenizer, precision, length limit."""

    @property
    def length_settings(self) -> dict[str, Any]:
        """What decides how much of a long text is read, as arguments of ``load_encoder``; empty: all of it."""
        return {}

    @property
    def chunk_texts(self) -> int:
        """How many texts of like length are encoded at a time, at most."""
        return CHUNK_TEXTS

    @abstractmethod
    def _encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts of like length; at most :attr:`chunk_texts` at a time."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write a folder that ``SentenceTransformer(folder)`` opens. No pickle."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts.

        Parameters
        ----------
        texts : sequence of str
            Any length, the empty text included.

        Returns
        -------
        ndarray of shape (n_texts, dimension), float32
            Rows in the order of ``texts``; equal texts have equal rows.

        Raises
        ------
        InputError
            If ``texts`` is one string, or an item is not a string.
        """
        check_texts(texts)
        return rows_of(
            self._encode_batch,
            texts,
            self.dimension,
            chunk_texts=self.chunk_texts,
            description=f"embedding with {self.name}",
        )


def rows_of(
    compute: Callable[[list[str]], np.ndarray],
    texts: Sequence[str],
    n_columns: int,
    *,
    chunk_texts: int,
    description: str,
) -> np.ndarray:
    """Return a row a text: each distinct text computed once, texts of like length together.

    Parameters
    ----------
    compute : callable
        ``compute(list of texts)`` returns rows ``(n_texts, n_columns)``.
    texts : sequence of str
    n_columns : int
    chunk_texts : int
        Texts a call, at most.
    description : str
        Label of the progress bar.

    Returns
    -------
    ndarray of shape (n_texts, n_columns), float32

    Examples
    --------
    >>> def lengths(texts):
    ...     return np.array([[len(text)] for text in texts])
    >>> rows_of(lengths, ["ab", "c", "ab"], 1, chunk_texts=2, description="counting").ravel()
    array([2., 1., 2.], dtype=float32)
    """
    unique = list(dict.fromkeys(texts))
    order = sorted(range(len(unique)), key=lambda i: (-len(unique[i]), i))
    rows = np.empty((len(unique), n_columns), dtype=np.float32)
    with track(description, total=len(unique)) as advance:
        for start in range(0, len(order), chunk_texts):
            chunk = order[start : start + chunk_texts]
            rows[chunk] = compute([unique[i] for i in chunk])
            advance(len(chunk))
    if len(unique) == len(texts):
        return rows
    position = {text: i for i, text in enumerate(unique)}
    return rows[[position[text] for text in texts]]


def check_texts(texts: Sequence[str], *, writable: bool = True) -> None:
    """Raise :class:`InputError` unless ``texts`` is a sequence of strings (and not one string).

    Parameters
    ----------
    texts : sequence of str
    writable : bool, default=True
        Whether half a surrogate pair, which no tokenizer takes, is refused, too.
    """
    if isinstance(texts, str):
        raise InputError("texts must be a sequence of strings, got one string; put it in a list: [text]")
    if not hasattr(texts, "__len__"):
        raise InputError(
            f"texts must be a sequence of strings, got {type(texts).__name__}; make it a list: list(texts)"
        )
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"texts[{row}] must be a string, got {text!r} of type {type(text).__name__}")
        if writable and not text.isascii():
            _check_writable(row, text)


def _check_writable(row: int, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"texts[{row}] holds {text[error.start]!r}, half of a surrogate pair, which comes of bytes that are not "
            "UTF-8 or of JSON that was cut; replace it: text.encode('utf-8', 'replace').decode()"
        ) from None
