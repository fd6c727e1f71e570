"""The texts of an adaptation: each once, some held out to judge by."""

import dataclasses
import warnings
from collections.abc import Sequence

import numpy as np

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import DataWarning, InputError
from fewshot.data.pool import Pool
from fewshot.encoders.base import check_texts

LEAST, FEW = 8, 50
"""Fewer different texts are refused; fewer are warned of, and none of them is held out."""

HELD_OUT = 0.05
LEAST_HELD_OUT, MOST_HELD_OUT = 10, 500


@dataclasses.dataclass(frozen=True)
class AdaptationTexts:
    """The texts of one adaptation.

    Parameters
    ----------
    texts : sequence of str
        All different, none empty; a pool stays in its file.
    rows : ndarray of int
        Which of them to learn from.
    held_out : list of str
        Those to judge by; empty for a small pool.
    """

    texts: Sequence[str]
    rows: np.ndarray
    held_out: list[str]

    @property
    def lengths(self) -> np.ndarray:
        """Characters of each text; read from the texts anew."""
        return np.fromiter(map(len, self.texts), dtype=np.int64, count=len(self.texts))

    @property
    def content_hash(self) -> str:
        """The fingerprint of the texts in their order."""
        return self.texts.content_hash if isinstance(self.texts, Pool) else fingerprint(self.texts)

    def probes(self) -> list[str]:
        """Return texts to look at vectors by: those held out, or else the first of the others."""
        return self.held_out or [self.texts[int(row)] for row in self.rows[:MOST_HELD_OUT]]


def split_texts(texts: Sequence[str], validation: Sequence[str] | None = None) -> AdaptationTexts:
    """Leave out what is empty or comes again, and hold some out.

    Parameters
    ----------
    texts : sequence of str
        A :class:`~fewshot.data.pool.Pool` stays in its file.
    validation : sequence of str, optional
        Texts to judge by, at most 500 of them, drawn; none of them is learnt from. Default: a twentieth of ``texts``,
        at least 10 and at most 500, the same ones for every seed; none of fewer than 50.

    Returns
    -------
    AdaptationTexts

    Raises
    ------
    InputError
        If there are fewer than 8 different texts to learn from, or fewer than 2 to judge by.

    Warns
    -----
    DataWarning
        If there are fewer than 50.
    """
    texts = texts if isinstance(texts, Pool) else _different(texts)
    _check_enough(len(texts))
    _warn_if_few(len(texts))
    if validation is None:
        drawn = np.zeros(len(texts), dtype=bool)
        if len(texts) >= FEW:
            drawn[_draw(len(texts), max(LEAST_HELD_OUT, round(HELD_OUT * len(texts))))] = True
        held_out = [texts[int(row)] for row in np.flatnonzero(drawn)]
    else:
        held_out = _different(validation)
        if len(held_out) < 2:
            raise InputError(f"validation holds {len(held_out)} different texts that are not empty; give some dozens")
        held_out = [held_out[int(row)] for row in sorted(_draw(len(held_out), len(held_out)))]
        unseen = set(validation)
        drawn = np.fromiter((text in unseen for text in texts), dtype=bool, count=len(texts))
        _check_enough(int((~drawn).sum()))
    return AdaptationTexts(texts, np.flatnonzero(~drawn), held_out)


def _different(texts: Sequence[str]) -> list[str]:
    check_texts(texts)
    return [text for text in dict.fromkeys(texts) if text.strip()]


def _draw(n: int, wanted: int) -> np.ndarray:
    return np.random.default_rng(0).choice(n, min(MOST_HELD_OUT, wanted, n), replace=False)


def _check_enough(n: int) -> None:
    if n < LEAST:
        raise InputError(
            f"texts holds {n} different texts to learn from that are not empty; adaptation needs at least {LEAST}, and "
            "some thousands to be of use"
        )


def _warn_if_few(n: int) -> None:
    if n < FEW:
        warnings.warn(
            f"{n} different texts tell little of a domain, and too few to hold some out; give some thousands",
            DataWarning,
            stacklevel=4,
        )
