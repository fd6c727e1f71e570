"""What a row of the table of methods says, and what a method may draw on."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fewshot.data.labels import LabelSpace
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a method may draw on besides the labelled texts.

    Parameters
    ----------
    encoder : Encoder
    pool : sequence of str
        Unlabelled texts; empty where there are none.
    device : str or None
    random_state : int
    space : LabelSpace, optional
        The classes of the task, for methods that are told their names; default: those of the labelled texts.
    augment : str or None
        What copies of the labelled texts to learn from, see :mod:`fewshot.classifiers.augmented`; only for methods that
        can.
    adapted : callable, optional
        ``adapted()`` gives the encoder adapted to the pool, made at the first call; only for methods that use it.
    label_words : mapping, optional
        What classes mean, by name: a text or several; only for methods that read descriptions.
    """

    encoder: Encoder | None
    pool: Sequence[str]
    device: str | None
    random_state: int
    space: LabelSpace | None = None
    augment: str | None = None
    adapted: Callable[[], Encoder] | None = None
    label_words: Mapping[Any, Any] | None = None

    @property
    def names(self) -> dict[str, Any]:
        """The class names, as arguments of a zero-shot classifier."""
        return {"classes": self.space.classes, "multi_label": self.space.multi_label} if self.space else {}

    def remembering(self) -> "Surroundings":
        """Return the same with an encoder that encodes no text twice, for many trainings on the same texts."""
        if self.encoder is None or isinstance(self.encoder, CachedEncoder):
            return self
        return dataclasses.replace(self, encoder=CachedEncoder(self.encoder))


@dataclasses.dataclass(frozen=True)
class Method:
    """One row of the table.

    Parameters
    ----------
    name : str
        As on the command line; a name that ends in ``":"`` takes an argument, one in ``"[:]"`` may take one.
    summary : str
        One line for help and reports.
    make : callable
        ``make(argument, surroundings)`` gives an unfitted classifier.
    uses_encoder, uses_pool : bool
    may_lack_pool : bool
        Whether a method that uses unlabelled texts can do without them.
    adapts : bool
        Whether it uses the encoder adapted to the pool.
    needs_labels : bool
        Whether it learns from labelled texts; the others run on a slice of none, too.
    cost : int
        Rank of how long it trains; cheap methods are run first.
    augments : bool
        Whether it can learn from copies of the labelled texts; then ``NAME+augment`` is a method, too.
    reads_words : bool
        Whether it reads descriptions of the classes.
    lacks : callable
        ``lacks(argument)`` gives the reason, if any, for which ``all-applicable`` is to leave it out.
    """

    name: str
    summary: str
    make: Callable[[str, Surroundings], Any]
    uses_encoder: bool = True
    uses_pool: bool = False
    may_lack_pool: bool = False
    adapts: bool = False
    needs_labels: bool = True
    augments: bool = False
    reads_words: bool = False
    cost: int = 1
    lacks: Callable[[str], str | None] = lambda argument: None

    @property
    def needs_pool(self) -> bool:
        """Whether it cannot do without unlabelled texts."""
        return self.uses_pool and not self.may_lack_pool

    def takes(self, name: str) -> str | None:
        """Return the argument in ``name``, empty where there is none, or ``None`` if another method is meant.

        Examples
        --------
        >>> method = Method("knn[:]", "", print)
        >>> method.takes("knn"), method.takes("knn:a:b"), method.takes("knn:"), method.takes("knnn")
        ('', 'a:b', None, None)
        """
        stem, may_take = self.name.removesuffix("[:]").removesuffix(":"), self.name.endswith((":", "[:]"))
        if name == stem and not self.name.endswith(":"):
            return ""
        argument = name.removeprefix(f"{stem}:")
        return argument if may_take and argument and argument != name else None
