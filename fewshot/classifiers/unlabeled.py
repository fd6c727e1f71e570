"""The door for unlabelled texts, of methods that learn from a pool beside the labels."""

from collections.abc import Iterable, Sequence

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.seen import SeenTexts
from fewshot.encoders.base import check_texts


def check_unlabeled(unlabeled: Sequence[str] | None) -> list[str]:
    """Return the pool as a list: each text once, in the order in which they came.

    Case and white space make no difference between texts.

    Parameters
    ----------
    unlabeled : sequence of str

    Raises
    ------
    InputError
        If there is none, or it is no sequence of texts.

    Examples
    --------
    >>> check_unlabeled(["late parcel", "a refund", "Late  parcel"])
    ['late parcel', 'a refund']
    """
    if unlabeled is None or (not isinstance(unlabeled, str) and not len(unlabeled)):
        found = "none" if unlabeled is None else "an empty one"
        raise InputError(
            f"this method learns from unlabelled texts, too: give unlabeled=, a sequence of texts, to fit; got {found}"
        )
    try:
        check_texts(unlabeled)
    except InputError as error:
        raise InputError(str(error).replace("texts", "unlabeled", 1)) from None
    texts = [str(text) for text in unlabeled]
    return [texts[row] for row in np.flatnonzero(SeenTexts().add(texts))]


def without_texts(pool: Sequence[str], others: Iterable[str]) -> list[str]:
    """Return the texts of a pool that are not among others, by case and white space.

    Examples
    --------
    >>> without_texts(["late parcel", "a refund"], ["A  refund"])
    ['late parcel']
    """
    known = SeenTexts()
    known.add(list(others))
    return [text for text, seen in zip(pool, known.holds(pool), strict=True) if not seen]
