"""Whether class names are words that a text could be about, or codes that say nothing to whoever reads them."""

import re
from collections.abc import Iterable

from fewshot.data.texts import Label

_PART = re.compile(r"[^\W\d_]+")
_GENERIC = {"category", "class", "cluster", "group", "label", "level", "tag", "topic", "type"}
_LONGEST_CODE = 4
"""Upper-case names up to this length are taken for abbreviations: LOC, ENTY."""


def code_names(classes: Iterable[Label]) -> list[Label]:
    """Return the class names in which there is no word: numbers, abbreviations, ``label_3``.

    Parameters
    ----------
    classes : iterable of (str or int)

    Returns
    -------
    list
        In the order given. A guess from spelling: a word in capitals of four letters or fewer is taken for a code, and
        ``pos`` for a word.

    Examples
    --------
    >>> code_names(["LOC", 7, "label_2", "B12", "xqz"]), code_names(["card_lost", "sci.space", "Sport", "体育", "spam"])
    (['LOC', 7, 'label_2', 'B12', 'xqz'], [])
    """
    return [name for name in classes if not any(map(_is_word, _PART.findall(str(name))))]


def _is_word(part: str) -> bool:
    if not part.isascii():  # in other scripts one sign may be a word
        return True
    if part.lower() in _GENERIC or len(part) < 3:
        return False
    is_abbreviation = part.isupper() and len(part) <= _LONGEST_CODE
    return not is_abbreviation and any(letter in "aeiouy" for letter in part.lower())
