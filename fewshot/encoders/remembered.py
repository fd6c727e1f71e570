"""An encoder as a worker has it: vectors of texts that were embedded elsewhere, and the model where it is needed.

Most methods of a comparison ask for vectors that are there; those that train open the model, once a process.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache


class RememberedEncoder(CachedEncoder):
    """A cached encoder whose model is opened when a text is new, or it is to be trained.

    Parameters
    ----------
    open_encoder : callable
        ``open_encoder()`` gives the encoder; called once at most.
    texts : sequence of str
        All different.
    vectors : ndarray of shape (n_texts, dimension)
        Theirs; not copied, so that they may lie in a mapped file.
    name, fingerprint : str
        Of the encoder.
    cache : EmbeddingCache, optional

    Examples
    --------
    >>> remembered = RememberedEncoder(print, ["a"], np.ones((1, 2), dtype=np.float32), name="far", fingerprint="3f2a")
    >>> remembered.encode(["a", "a"]).shape, remembered.fingerprint
    ((2, 2), '3f2a')
    """

    def __init__(
        self,
        open_encoder: Callable[[], Encoder],
        texts: Sequence[str],
        vectors: np.ndarray,
        *,
        name: str,
        fingerprint: str,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self._open = open_encoder
        self._fingerprint = fingerprint
        self.cache = cache
        self.name = name
        self.dimension = vectors.shape[1]
        self._memory = dict(zip(texts, np.asarray(vectors), strict=True))  # a row of a memmap is slow to use

    @cached_property
    def encoder(self) -> Encoder:  # type: ignore[override]
        """The encoder that computes."""
        return self._open()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder behind."""
        return self._fingerprint
