"""A token table: the vector of a text is the normalised sum of its tokens' rows.

It needs ``tokenizers`` and NumPy alone, so it starts fast, and encodes as fast as texts can be cut into tokens.
Tokens are subwords or whole words (:mod:`fewshot.encoders.words`); frequent pairs of tokens may have rows of their own
(:mod:`fewshot.encoders.bigrams`), or filters over neighbouring tokens be added (:mod:`fewshot.encoders.convolution`).
Reading and writing is left to :mod:`fewshot.encoders.static_folder`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from fewshot.core.errors import ModelFormatError
from fewshot.core.progress import track
from fewshot.encoders.base import CHUNK_TEXTS, Encoder, check_texts
from fewshot.encoders.bigrams import BigramTable
from fewshot.encoders.convolution import Convolution
from fewshot.encoders.rows import check_table_dtype, rounded, sum_rows
from fewshot.encoders.static_folder import TableParts, is_static_folder, read_table, write_table
from fewshot.encoders.subwords import SubwordTokenizer
from fewshot.encoders.words import WordTokenizer

__all__ = ["StaticEncoder", "is_static_folder", "spans"]

CHUNK_CHARACTERS = 2**20
"""Texts are cut into tokens some at a time: a tokenizer's record of a token takes about 100 bytes."""


class StaticEncoder(Encoder):
    """Vectors from a token table.

    Parameters
    ----------
    table : ndarray of shape (n_tokens, dimension)
        One row a token id; a token's weight is folded into its row. Rounded to ``table_dtype``, as it is saved.
    tokenizer : tokenizers.Tokenizer, SubwordTokenizer or WordTokenizer
        Any fast tokenizer, which is copied; special tokens are not added, texts are not cut. Or whole words.
    name : str, default="static"
        How to call it in results.
    bigrams : BigramTable, optional
        Rows of pairs of neighbouring tokens, added to the sums; rounded likewise.
    table_dtype : {"float16", "int8"}, default="float16"
        What rows are rounded to; int8 takes half the room, with a scale a row.
    convolution : Convolution, optional
        Filters over neighbouring tokens; what they find is added to the normalised sum.

    Attributes
    ----------
    table : ndarray of shape (n_tokens, dimension), float32
        The rounded rows.
    tokenizer : tokenizers.Tokenizer
        As other libraries use it; where tokens are whole words, it calls those ``[UNK]`` that have no row of their own.
    n_tokens : int
    words : WordTokenizer or None
        What cuts texts into whole words, where it does.

    Raises
    ------
    ModelFormatError
        If the table lacks rows or holds NaN, or bigrams or filters are of another dimension.
    InputError
        If ``table_dtype`` is another word.

    Examples
    --------
    >>> from tokenizers import models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "good": 1, "bad": 2}, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> encoder = StaticEncoder(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), tokenizer)
    >>> encoder.encode(["good", "good bad", ""]).round(2)
    array([[1.  , 0.  ],
           [0.71, 0.71],
           [0.  , 0.  ]], dtype=float32)
    """

    def __init__(
        self,
        table: np.ndarray,
        tokenizer: Tokenizer | SubwordTokenizer | WordTokenizer,
        *,
        name: str = "static",
        bigrams: BigramTable | None = None,
        table_dtype: str = "float16",
        convolution: Convolution | None = None,
    ) -> None:
        check_table_dtype(table_dtype)
        self.words = tokenizer if isinstance(tokenizer, WordTokenizer) else None
        self._reader = SubwordTokenizer(tokenizer) if isinstance(tokenizer, Tokenizer) else tokenizer
        self.n_tokens = n_tokens = self._reader.n_tokens
        if table.ndim != 2 or table.shape[0] < n_tokens:
            raise ModelFormatError(
                f"the token table has shape {table.shape}; it needs a row for each of the tokenizer's {n_tokens} tokens"
            )
        if bigrams is not None and (bigrams.table.shape[1], bigrams.n_tokens) != (table.shape[1], n_tokens):
            raise ModelFormatError(
                f"the bigrams have {bigrams.table.shape[1]} columns and are of {bigrams.n_tokens} tokens; the table "
                f"has {table.shape[1]} columns, the tokenizer {n_tokens} tokens"
            )
        if convolution is not None and bigrams is not None:
            raise ModelFormatError("a token table has bigrams or a convolution, not both; filters see pairs already")
        if convolution is not None and convolution.dimension != table.shape[1]:
            raise ModelFormatError(
                f"the convolution reads rows of {convolution.dimension} columns; the table has {table.shape[1]}"
            )
        self.name = name
        self.table_dtype = table_dtype
        # Rounded to what is saved, so that a saved encoder gives the vectors that it gave before.
        self.table = rounded(table, table_dtype)
        self.tokenizer = self._reader.tokenizer
        self.bigrams = None if bigrams is None else bigrams.with_rows(rounded(bigrams.table, table_dtype))
        self.convolution = convolution
        self.dimension = int(table.shape[1])

    @property
    def fingerprint(self) -> str:
        """Hash of the table and the tokenizer."""
        digest = hashlib.blake2b(self.table.data, digest_size=16)
        digest.update(self.tokenizer.to_str().encode())
        if self.words is not None:
            digest.update(f"words {self.words.n_buckets}".encode())
        if self.bigrams is not None:
            digest.update(self.bigrams.pairs.tobytes() + self.bigrams.table.tobytes())
        if self.convolution is not None:
            for name, array in self.convolution.arrays().items():
                digest.update(f"{name} {array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    @property
    def n_parameters(self) -> int:
        """How many numbers it has, in rows of tokens and of pairs and in filters."""
        parts = (self.table, None if self.bigrams is None else self.bigrams.table, self.convolution)
        return sum(part.size for part in parts if part is not None)

    def token_ids(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the row numbers of all tokens, and where each text begins among them.

        Returns
        -------
        ids : ndarray of shape (n_tokens,), int32
        bounds : ndarray of shape (n_texts + 1,), int32
            Text ``i`` is ``ids[bounds[i] : bounds[i + 1]]``.
        """
        return self._reader.token_ids(texts)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts; see :meth:`Encoder.encode`. As no text is padded, none has to wait for others of its length."""
        check_texts(texts)
        texts = list(texts)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        with track(f"embedding with {self.name}", total=len(texts)) as advance:
            for start, stop in spans(texts):
                vectors[start:stop] = self._encode_batch(texts[start:stop])
                advance(stop - start)
        return vectors

    def _encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        ids, bounds = self.token_ids(texts)
        sums = sum_rows(self.table, ids, bounds)
        if self.bigrams is not None:
            sums += self.bigrams.sums(ids, bounds)
        vectors = _unit(sums)
        return (
            vectors if self.convolution is None else _unit(vectors + self.convolution.vectors(self.table, ids, bounds))
        )

    def with_rows(
        self,
        table: np.ndarray,
        bigram_rows: np.ndarray | None = None,
        *,
        convolution: Convolution | None = None,
        table_dtype: str | None = None,
    ) -> "StaticEncoder":
        """Return this encoder with other rows, such as trained ones.

        Parameters
        ----------
        table : ndarray of shape (n_tokens, dimension)
        bigram_rows : ndarray of shape (n_bigrams, dimension), optional
            In the order of ``bigrams.pairs``. Default: this encoder's, where it has any.
        convolution : Convolution, optional
            The same.
        table_dtype : {"float16", "int8"}, optional
            What they are rounded to; default: what these rows are.
        """
        bigrams = self.bigrams
        if bigrams is not None and bigram_rows is not None:
            bigrams = bigrams.with_rows(bigram_rows)
        return StaticEncoder(
            table,
            self.words or self.tokenizer,
            name=self.name,
            bigrams=bigrams,
            table_dtype=table_dtype or self.table_dtype,
            convolution=convolution or self.convolution,
        )

    def save(self, folder: str | Path, *, table_dtype: str | None = None) -> None:
        """Write a folder that :meth:`load` and ``SentenceTransformer(folder)`` open.

        Parameters
        ----------
        folder : str or Path
        table_dtype : {"float16", "int8"}, optional
            Default: the encoder's own, so that the saved encoder gives the same vectors. With ``"int8"`` the table lies
            there twice: as int8, which :meth:`load` opens, and as float16 for other libraries
            (``model.safetensors``, which may be removed where none will open it).

        Notes
        -----
        ``SentenceTransformer(folder)`` opens the plain float16 table: it leaves out the rows of bigrams, a convolution,
        and words that have no row of their own. Our own file beside it (``static.json``) says what more there is.
        """
        if table_dtype is not None and table_dtype != self.table_dtype:
            check_table_dtype(table_dtype)  # before anything is written
            self.with_rows(self.table, table_dtype=table_dtype).save(folder)
            return
        tokenizer = self.words or self.tokenizer
        write_table(folder, TableParts(self.table, tokenizer, self.bigrams, self.table_dtype, self.convolution))

    @classmethod
    def load(cls, folder: str | Path, *, name: str | None = None) -> "StaticEncoder":
        """Open what :meth:`save` wrote, without torch.

        Raises
        ------
        ModelFormatError
            If the folder is not a token table or is damaged.
        """
        parts = read_table(folder)
        tokenizer = parts.tokenizer
        return cls(
            parts.table,
            SubwordTokenizer(tokenizer, copy=False) if isinstance(tokenizer, Tokenizer) else tokenizer,
            name=name or str(folder),
            bigrams=parts.bigrams,
            table_dtype=parts.table_dtype,
            convolution=parts.convolution,
        )


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Divide rows by their lengths, in place; rows of zeros stay."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.maximum(norms, 1e-12), out=vectors)


def spans(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Cut texts into spans of at most ``CHUNK_TEXTS`` texts and, unless one is longer, ``CHUNK_CHARACTERS`` characters.

    Examples
    --------
    >>> list(spans(["a", "b" * 2**21, "c"]))
    [(0, 1), (1, 2), (2, 3)]
    """
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
    start = 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        fitting = int(np.searchsorted(ends, before + CHUNK_CHARACTERS, side="right"))
        stop = min(max(fitting, start + 1), start + CHUNK_TEXTS, len(texts))
        yield start, stop
        start = stop
