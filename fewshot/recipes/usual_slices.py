"""Which sizes of training slices some labels allow: what a comparison takes where none are named."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

USUAL = (4, 8, 16)
"""Sizes where labels suffice for them: three are the fewest that say what more labels would bring."""


class Room(NamedTuple):
    """How large a slice can be.

    Parameters
    ----------
    most : int
        Labels of the largest; 0 where none can be drawn.
    what : str
        What is counted, and why there are no more, in words.
    """

    most: int
    what: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """The usual sizes where there is room for them, else a quarter, half and all of what there is.

        Examples
        --------
        >>> Room(100, "labels a class").sizes, Room(6, "labels a class").sizes
        ((4, 8, 16), (1, 3, 6))
        """
        return USUAL if self.most >= USUAL[-1] else parts_of(self.most)


def room_in(parts: Sequence[Sequence[Any]], *, total: bool | None = None) -> Room:
    """Return how large a slice of each of several sets of labels can be.

    Parameters
    ----------
    parts : sequence of sequence
        Labels that slices are drawn from, one set or several.
    total : bool, optional
        Whether sizes count all labels. Default: in multi-label tasks.

    Examples
    --------
    >>> room_in([["a", "b", "b"] * 6])
    Room(most=6, what="labels a class, for 'a' has no more")
    """
    multi_label = isinstance(parts[0][0], tuple)
    if multi_label if total is None else total:
        return Room(min(map(len, parts)), "labelled texts in all")
    counts = [Counter(part) for part in parts]
    names = {name for count in counts for name in count}
    most, rarest = min((count[name], str(name)) for count in counts for name in names)
    return Room(most, f"labels a class, for {rarest!r} has no more")


def parts_of(most: int) -> tuple[int, ...]:
    """Return a quarter, half and all.

    Examples
    --------
    >>> parts_of(16), parts_of(3), parts_of(1)
    ((4, 8, 16), (1, 3), (1,))
    """
    return tuple(sorted({most // 4, most // 2, most} - {0}))
