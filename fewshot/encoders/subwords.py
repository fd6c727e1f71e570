"""Subword numbers of many texts at once, each distinct word looked up in the tokenizer once.

A tokenizer of the BERT family cuts a text at its spaces before anything else, so that the subwords of a text are those
of its words, one after the other. Remembering the words makes it several times as fast, with the same result. All
other tokenizers read whole texts.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

MOST_REMEMBERED = 2**26
"""Bytes of words and numbers, roughly, after which the memory of words starts afresh."""

_WORD_BYTES = 150  # what Python adds to a word and its numbers
_END = np.array([-1], dtype=np.int32).tobytes()


class SubwordTokenizer:
    """A fast tokenizer, asked for row numbers alone.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Special tokens are not added, texts are not cut or filled up.

    copy : bool, default=True
        ``False`` takes the tokenizer itself, which must be nobody else's: copying costs a cold start 35 ms.

    Attributes
    ----------
    tokenizer : tokenizers.Tokenizer
        The copy, or itself.
    n_tokens : int
    reads_words : bool
        Whether it reads word by word.

    Examples
    --------
    >>> vocabulary = {"[UNK]": 0, "good": 1, "##ness": 2}
    >>> plain = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    >>> plain.normalizer, plain.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    >>> tokenizer = SubwordTokenizer(plain)
    >>> tokenizer.reads_words
    True
    >>> ids, bounds = tokenizer.token_ids(["Goodness", "", "good good"])
    >>> ids.tolist(), bounds.tolist()
    ([1, 2, 1, 1], [0, 2, 2, 4])
    """

    def __init__(self, tokenizer: Tokenizer, *, copy: bool = True) -> None:
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str()) if copy else tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.n_tokens = self.tokenizer.get_vocab_size()
        self.reads_words = _cuts_at_spaces(self.tokenizer)
        self._forget()

    def _forget(self) -> None:
        self._known: dict[str | None, bytes] = {None: _END}
        self._n_bytes = 0

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_known": {None: _END}, "_n_bytes": 0}

    def token_ids(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of all tokens, and where each text begins among them.

        Returns
        -------
        ids : ndarray of shape (n_tokens,), int32
        bounds : ndarray of shape (n_texts + 1,), int32
            Text ``i`` is ``ids[bounds[i] : bounds[i + 1]]``.
        """
        return self._word_by_word(texts) if self.reads_words else self._text_by_text(texts)

    def _text_by_text(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        found = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
        bounds = np.zeros(len(found) + 1, dtype=np.int32)
        np.cumsum([len(ids) for ids in found], out=bounds[1:])
        return np.fromiter(itertools.chain.from_iterable(found), dtype=np.int32, count=bounds[-1]), bounds

    def _word_by_word(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        words: list[str | None] = []
        for text in texts:
            words += text.split(" ")
            words.append(None)  # a text ends
        if self._n_bytes > MOST_REMEMBERED:
            self._forget()
        known = self._known  # another thread may forget at any moment: what is looked up here stays
        self._learn(known, [word for word in set(words).difference(known) if word is not None])
        ids = np.frombuffer(b"".join(map(known.__getitem__, words)), dtype=np.int32)
        ends = np.flatnonzero(ids < 0)
        bounds = np.zeros(len(ends) + 1, dtype=np.int32)
        bounds[1:] = ends - np.arange(len(ends))
        return ids[ids >= 0], bounds

    def _learn(self, known: dict[str | None, bytes], words: list[str]) -> None:
        ids, bounds = self._text_by_text(words)
        data, ends = ids.tobytes(), (4 * bounds).tolist()
        known.update(zip(words, (data[start:stop] for start, stop in itertools.pairwise(ends)), strict=True))
        self._n_bytes += len(data) + sum(map(len, words)) + _WORD_BYTES * len(words)


def _cuts_at_spaces(tokenizer: Tokenizer) -> bool:
    return (
        isinstance(tokenizer.model, models.WordPiece)
        and isinstance(tokenizer.normalizer, normalizers.BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and not any(" " in token.content for token in tokenizer.get_added_tokens_decoder().values())
    )
