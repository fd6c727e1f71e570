"""The texts of a stream that a pool keeps: not empty, not excluded, no copies; and the count of the others."""

from collections.abc import Iterator

import numpy as np

from fewshot.data.cleaning import strip_text
from fewshot.data.pool_report import PoolReport
from fewshot.data.seen import SeenTexts
from fewshot.data.streaming import TextStream


class Sieve:
    """Iterating gives the chunks of a stream, without what is left out. Do so once.

    Parameters
    ----------
    stream : TextStream
    excluded : SeenTexts
        Texts of which no copy shall pass.

    Examples
    --------
    >>> from fewshot.data.streaming import stream_source
    >>> excluded = SeenTexts()
    >>> _ = excluded.add(["test"])
    >>> sieve = Sieve(stream_source([" a", "A", "Test", "b"]), excluded)
    >>> list(sieve), sieve.report().summary()
    ([['a', 'b']], '2 of 4 rows of list kept; left out: 1 excluded, 1 duplicate.')
    """

    def __init__(self, stream: TextStream, excluded: SeenTexts) -> None:
        self._stream, self._excluded, self._seen = stream, excluded, SeenTexts()
        self._counts = {"empty": 0, "excluded": 0, "duplicates": 0}

    def __iter__(self) -> Iterator[list[str]]:
        for chunk in self._stream:
            texts = [text for text in map(strip_text, chunk) if text]
            self._counts["empty"] += len(chunk) - len(texts)
            if len(self._excluded):
                texts = self._pick(texts, ~self._excluded.holds(texts), "excluded")
            yield self._pick(texts, self._seen.add(texts), "duplicates")

    def _pick(self, texts: list[str], good: np.ndarray, reason: str) -> list[str]:
        self._counts[reason] += len(texts) - int(np.count_nonzero(good))
        return [texts[i] for i in np.flatnonzero(good)]

    def report(self, max_rows: int | None = None) -> PoolReport:
        """Return the counts of what was read so far, given that at most ``max_rows`` of what passed are kept."""
        n_good = len(self._seen)
        kept = n_good if max_rows is None else min(n_good, max_rows)
        return PoolReport(
            source=self._stream.source,
            n_rows=self._stream.n_rows,
            broken=self._stream.n_broken,
            **self._counts,
            not_drawn=n_good - kept,
            kept=kept,
            broken_examples=tuple(self._stream.broken),
        )
