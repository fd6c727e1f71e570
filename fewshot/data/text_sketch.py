"""Which texts a set held, in a few kilobytes and without the texts: to ask later whether others were among them.

Kept are the smallest of the texts' 64-bit hashes (a bottom-k sketch, Broder 1997). Of a set with no more texts than
that all are known. Of a larger one those of other texts are known whose hashes are as small: chance decides which, so
that their share is that of all.

References
----------
Broder 1997, "On the resemblance and containment of documents", Compression and Complexity of Sequences.
"""

import base64
import binascii
import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np

from fewshot.core.errors import ModelFormatError
from fewshot.data.seen import text_hashes

MOST_HASHES = 1024
AT_ONCE = 10_000


class Overlap(NamedTuple):
    """How many of some texts a set held.

    Parameters
    ----------
    found : ndarray of shape (n_texts,), bool
        Which of them it surely held.
    n : int
        How many of them it held in all, estimated where the set was large.
    is_exact : bool
    """

    found: np.ndarray
    n: int
    is_exact: bool


@dataclasses.dataclass(frozen=True, eq=False)
class TextSketch:
    """What is remembered of a set of texts.

    Parameters
    ----------
    n : int
        Different texts; those that differ by case and white space alone are one. Of 1,024 and more, all texts.
    hashes : ndarray of uint64, ascending
        All of theirs, or of more than 1,024 the smallest.

    Examples
    --------
    >>> sketch = TextSketch.of(["a text", "another"])
    >>> sketch.overlap(["A  text", "a third"])
    Overlap(found=array([ True, False]), n=1, is_exact=True)
    """

    n: int
    hashes: np.ndarray

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Remember texts; any number of them passes through in little memory."""
        left, hashes, n = iter(texts), np.zeros(0, dtype=np.uint64), 0
        while some := list(itertools.islice(left, AT_ONCE)):
            n += len(some)
            hashes = np.union1d(hashes, text_hashes(some))[:MOST_HASHES]
        return cls(n if len(hashes) == MOST_HASHES else len(hashes), hashes)

    def __or__(self, other: "TextSketch") -> "TextSketch":
        """Return the sketch of both sets; where not all hashes are known, ``n`` counts what both may hold twice."""
        hashes = np.union1d(self.hashes, other.hashes)[:MOST_HASHES]
        whole = self.is_whole and other.is_whole
        return TextSketch(len(np.union1d(self.hashes, other.hashes)) if whole else self.n + other.n, hashes)

    @property
    def is_whole(self) -> bool:
        """Whether the hashes of all texts are there."""
        return self.n <= len(self.hashes)

    def overlap(self, texts: Iterable[str]) -> Overlap:
        """Return which of some texts were there, and how many."""
        asked = text_hashes(texts)
        found = np.isin(asked, self.hashes)
        if self.is_whole:
            return Overlap(found, int(found.sum()), True)
        decided = int((asked <= self.hashes[-1]).sum())
        return Overlap(found, round(len(asked) * found.sum() / decided) if decided else 0, False)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, hashes in base64."""
        packed = self.hashes.astype("<u8").tobytes()
        return {"n": self.n, "hashes": base64.b64encode(packed).decode("ascii")}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what :meth:`to_json` made.

        Raises
        ------
        ModelFormatError
            If it is anything else.
        """
        try:
            packed = base64.b64decode(value["hashes"], validate=True)
            hashes, n = np.frombuffer(packed, dtype="<u8"), int(value["n"])
        except (TypeError, KeyError, ValueError, binascii.Error) as error:
            raise ModelFormatError(f"a sketch of texts needs n and hashes: {error}") from None
        ascending = bool((hashes[1:] > hashes[:-1]).all())
        if n < len(hashes) or (n > len(hashes) and len(hashes) != MOST_HASHES) or not ascending:
            raise ModelFormatError(f"a sketch of {n} texts has {len(hashes)} hashes, or these are not in order")
        return cls(n, hashes)
