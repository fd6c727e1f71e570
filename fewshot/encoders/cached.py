"""Vectors kept on disk, so that no text is encoded twice by the same model.

The store is one SQLite file: keyed by the model's fingerprint and the text's hash, safe against kills and shared by
processes, bounded in size. The texts themselves are not stored.
"""

import contextlib
import hashlib
import os
import sqlite3
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.errors import DataWarning, InputError
from fewshot.encoders.base import Encoder, check_texts

DEFAULT_MAX_BYTES = 2 * 2**30
_LOOKUP_KEYS = 500
_passed_by: ContextVar[bool] = ContextVar("caches_passed_by", default=False)


@contextlib.contextmanager
def caches_passed_by() -> Iterator[None]:
    """Compute every vector anew inside this block, and keep none: for measuring how long it takes."""
    token = _passed_by.set(True)
    try:
        yield
    finally:
        _passed_by.reset(token)


def caches_are_passed_by() -> bool:
    """Whether the caller is inside :func:`caches_passed_by`.

    Examples
    --------
    >>> with caches_passed_by():
    ...     caches_are_passed_by()
    True
    """
    return _passed_by.get()


def default_cache_folder() -> Path:
    """Return ``$FEWSHOT_CACHE``, else ``$XDG_CACHE_HOME/fewshot``, else ``~/.cache/fewshot``."""
    if folder := os.environ.get("FEWSHOT_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fewshot"


class EmbeddingCache:
    """A bounded store of vectors.

    Parameters
    ----------
    folder : str or Path, optional
        Where ``embeddings.sqlite`` lies. Default: :func:`default_cache_folder`.
    max_bytes : int, default=2 GiB
        When more is stored, the vectors used longest ago are removed.

    Examples
    --------
    >>> import tempfile
    >>> cache = EmbeddingCache(tempfile.mkdtemp())
    >>> cache.put("model", ["a text"], np.ones((1, 2), dtype=np.float32))
    >>> cache.get("model", ["a text", "another"], dimension=2)
    {0: array([1., 1.], dtype=float32)}
    """

    def __init__(self, folder: str | Path | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        if max_bytes < 1:
            raise InputError(f"max_bytes must be at least 1, got {max_bytes}")
        self.path = Path(folder or default_cache_folder()) / "embeddings.sqlite"
        self.max_bytes = max_bytes

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
            with contextlib.suppress(sqlite3.OperationalError):  # another process is switching it on at this moment
                connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("BEGIN IMMEDIATE")  # waits for other writers; a lock taken later fails instead
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (model TEXT, text BLOB, vector BLOB, used REAL, "
                "PRIMARY KEY (model, text)) WITHOUT ROWID"
            )
            yield connection

    def get(self, model: str, texts: Sequence[str], *, dimension: int) -> dict[int, np.ndarray]:
        """Return the vectors that are stored, by position in ``texts``; a row of another size counts as absent."""
        positions: dict[bytes, list[int]] = defaultdict(list)
        for i, text in enumerate(texts):
            positions[_key(text)].append(i)
        keys = list(positions)
        found: dict[int, np.ndarray] = {}
        with self._open() as connection:
            for start in range(0, len(keys), _LOOKUP_KEYS):
                some = keys[start : start + _LOOKUP_KEYS]
                where = f"model = ? AND text IN ({','.join('?' * len(some))})"
                rows = connection.execute(f"SELECT text, vector FROM vectors WHERE {where}", (model, *some))
                for key, blob in rows:
                    if len(blob) == 4 * dimension:
                        found.update(dict.fromkeys(positions[key], np.frombuffer(blob, dtype="<f4")))
                connection.execute(f"UPDATE vectors SET used = ? WHERE {where}", (time.time(), model, *some))
        return found

    def put(self, model: str, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Store vectors, then remove the oldest if the bound is passed."""
        now = time.time()
        rows = zip(map(_key, texts), np.ascontiguousarray(vectors, dtype="<f4"), strict=True)
        with self._open() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)",
                ((model, key, vector.tobytes(), now) for key, vector in rows),
            )
        self.prune()

    def size(self) -> int:
        """Return the bytes of all vectors stored."""
        if not self.path.is_file():
            return 0
        with self._open() as connection:
            return connection.execute("SELECT COALESCE(SUM(LENGTH(vector)), 0) FROM vectors").fetchone()[0]

    def prune(self, max_bytes: int | None = None) -> int:
        """Remove the vectors used longest ago until at most ``max_bytes`` (default: the bound) are left.

        Returns
        -------
        int
            How many vectors were removed.
        """
        excess = self.size() - (self.max_bytes if max_bytes is None else max_bytes)
        if excess <= 0:
            return 0
        with self._open() as connection:
            oldest = connection.execute("SELECT model, text, LENGTH(vector) FROM vectors ORDER BY used, model, text")
            doomed = []
            for model, text, length in oldest:
                doomed.append((model, text))
                excess -= length
                if excess <= 0:
                    break
            connection.executemany("DELETE FROM vectors WHERE model = ? AND text = ?", doomed)
        return len(doomed)


class CachedEncoder(Encoder):
    """An encoder that remembers: in memory for this process, and in an :class:`EmbeddingCache` for the next.

    Parameters
    ----------
    encoder : Encoder
        The one that computes what is not remembered.
    cache : EmbeddingCache, optional
        ``None`` keeps vectors in memory only.
    """

    def __init__(self, encoder: Encoder, cache: EmbeddingCache | None = None) -> None:
        self.encoder = encoder
        self.cache = cache
        self.name = encoder.name
        self.dimension = encoder.dimension
        self._memory: dict[str, np.ndarray] = {}

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder behind."""
        return self.encoder.fingerprint

    @property
    def length_settings(self) -> dict[str, Any]:
        """The length settings of the encoder behind."""
        return self.encoder.length_settings

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts; see :meth:`Encoder.encode`. Only what is not remembered is computed."""
        if caches_are_passed_by():
            return self.encoder.encode(texts)
        check_texts(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in self._memory]
        if missing:
            self._recall(missing)
            missing = [text for text in missing if text not in self._memory]
        if missing:
            self._memory.update(zip(missing, self.encoder.encode(missing), strict=True))
            with self._cache_or_memory() as cache:
                if cache:
                    cache.put(self.fingerprint, missing, np.stack([self._memory[text] for text in missing]))
        if not len(texts):
            return np.empty((0, self.dimension), dtype=np.float32)
        return np.stack([self._memory[text] for text in texts])

    def _recall(self, texts: Sequence[str]) -> None:
        with self._cache_or_memory() as cache:
            if cache:
                found = cache.get(self.fingerprint, texts, dimension=self.dimension)
                self._memory.update({texts[i]: vector for i, vector in found.items()})

    @contextlib.contextmanager
    def _cache_or_memory(self) -> Iterator[EmbeddingCache | None]:
        """Give the cache; where it cannot be used, say so once and go on without, since it only saves time."""
        try:
            yield self.cache
        except (sqlite3.Error, OSError) as error:
            assert self.cache is not None
            warnings.warn(
                f"embeddings are not kept for other runs: {str(self.cache.path)!r} cannot be used ({error}); name "
                "another folder by FEWSHOT_CACHE",
                DataWarning,
                stacklevel=4,
            )
            self.cache = None

    def _encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        return self.encoder._encode_batch(texts)

    def save(self, folder: str | Path) -> None:
        """Write the encoder behind."""
        self.encoder.save(folder)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
