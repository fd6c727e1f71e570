"""What classes mean, from a file or the command line, where every class name is a string: named as the labels are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import read_json
from fewshot.data.texts import Label


def read_words(given: str | Path | Mapping[Any, Any]) -> Any:
    """Return what a JSON file describes, or what is described already; nothing of it is checked."""
    return read_json(given) if isinstance(given, (str, Path)) else given


def named_like(name: Any, classes: Sequence[Label]) -> Any:
    """Return the name of a class as the labels have it: an integer where they are integers.

    Parameters
    ----------
    name : str or int
    classes : sequence of str or int
        Those of the labels.

    Examples
    --------
    >>> named_like("2", [1, 2]), named_like("7", [1, 2]), named_like("2", ["1", "2"]), named_like("other", [1, 2])
    (2, 7, '2', 'other')
    """
    known = {str(one): one for one in classes}
    if str(name) in known:
        return known[str(name)]
    integers = bool(known) and all(isinstance(one, int) for one in classes)
    digits = name.removeprefix("-") if isinstance(name, str) else ""
    return int(name) if integers and digits.isascii() and digits.isdigit() else name


def words_like(described: Any, classes: Sequence[Label]) -> Any:
    """Return descriptions by the names that the labels have; what is no mapping is left to those who check it.

    Examples
    --------
    >>> words_like({"1": "money", "2": ["phones", "laptops"]}, [1, 2])
    {1: 'money', 2: ['phones', 'laptops']}
    """
    if not isinstance(described, Mapping):
        return described
    return {named_like(name, classes): words for name, words in described.items()}
