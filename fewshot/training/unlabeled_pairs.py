"""Unlabelled texts, each beside changed copies of it: what a model is to answer alike."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from fewshot.data.seen import text_key


@dataclasses.dataclass(frozen=True)
class UnlabeledPairs:
    """Pairs of an unlabelled text and a copy of it.

    Parameters
    ----------
    texts : list of str
        Of each pair the text as it is; the pairs of one text follow each other.
    copies : list of str
        Of each pair the copy.

    Examples
    --------
    >>> pairs = UnlabeledPairs(["a b", "a b", "c d"], ["b a", "a", "d c"])
    >>> pairs.n_copies, len(pairs), pairs.without(["B  a"]).copies
    ([2, 1], 3, ['a', 'd c'])
    """

    texts: list[str]
    copies: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.texts, self.copies, strict=True)

    @property
    def originals(self) -> list[str]:
        """The texts as they are, each once."""
        return [text for text, _ in itertools.groupby(self.texts)]

    @property
    def n_copies(self) -> list[int]:
        """How many copies there are of each text."""
        return [len(list(same)) for _, same in itertools.groupby(self.texts)]

    def without(self, texts: Iterable[str]) -> "UnlabeledPairs":
        """Return the pairs with nothing of some texts, neither one itself nor a copy that came out as one.

        Case and white space make no difference.
        """
        left_out = set(map(text_key, texts))
        kept = [pair for pair in self if left_out.isdisjoint(map(text_key, pair))]
        return UnlabeledPairs([text for text, _ in kept], [copy for _, copy in kept])
