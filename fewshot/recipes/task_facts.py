"""What is known of a task before anything is trained: its labels, texts, pool and encoder, and the machine.

How it is counted is left to ``task_reading``, what follows from it to ``decision_tree``.
"""

import dataclasses
import statistics
from functools import cached_property
from typing import Any

from fewshot.data.cleaning import CleaningReport
from fewshot.data.texts import Label
from fewshot.evaluation.domain import DomainDistance, domain_note
from fewshot.recipes.machine import Machine

FAR_BY_WORDS = 0.5
"""Distance, two standard errors taken off, from which on a pool is called unlike the labels.

By words, with 100 texts a side, reviews of products and of films (CR, SST-2) have 0.67 ± 0.06, issues of two projects
(NLBSE'24) 0.98 ± 0.01; AG News and a pool of it without two of four classes 0.31 ± 0.08. Of 48 pairs of halves of eight
data sets, 32 to 300 texts a side, none was called unlike. With 32 a side hardly anything is."""


@dataclasses.dataclass(frozen=True)
class Encoding:
    """The encoder that a run would use, as far as it can be known without opening it.

    Parameters
    ----------
    name : str
    at_hand : bool
        Whether it is on this machine.
    language_note : str or None
        A warning, if it was made for another language; ``None`` also where its tokenizer is not at hand.
    beyond_256, beyond_512 : float
        Share of texts with more tokens than that.
    counted : bool
        Whether its tokenizer counted them; else they are guessed from words.
    """

    name: str
    at_hand: bool = True
    language_note: str | None = None
    beyond_256: float = 0.0
    beyond_512: float = 0.0
    counted: bool = False


@dataclasses.dataclass(frozen=True)
class TaskFacts:
    """What is known of a task.

    Parameters
    ----------
    class_counts : dict of label to int
        Labelled texts of each class, most frequent first; 0 for a class that is known by name only.
    n_labeled : int
        Texts with a label, in multi-label data also those to which none applies.
    n_without_class : int
        Those to which none applies.
    multi_label : bool
    n_pool : int
        Unlabelled texts, each once.
    codes : tuple of label
        Class names that are no words; none of those that ``label_words`` explain.
    words : dict of str to float
        Figures of words per text; see :class:`~fewshot.data.describe.Description`.
    cleaning : CleaningReport
        What was left out of the labelled file.
    encoding : Encoding
    machine : Machine
    extras : tuple of str
        Extras of this package that are installed.
    distance : DomainDistance or None
        How unlike the pool is the labelled texts, by their words; ``None`` where there are too few of either.
    n_test : int or None
        Texts of the test set; ``None`` if there is none.
    """

    class_counts: dict[Label, int]
    n_labeled: int
    n_without_class: int
    multi_label: bool
    n_pool: int
    codes: tuple[Label, ...]
    words: dict[str, float]
    cleaning: CleaningReport
    encoding: Encoding
    machine: Machine
    extras: tuple[str, ...] = ()
    distance: DomainDistance | None = None
    n_test: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return all facts, those that follow from others too, as values for JSON; rows left out are only counted."""
        values = dataclasses.asdict(self)
        values["class_counts"] = {str(name): count for name, count in self.class_counts.items()}
        values["distance"] = None if self.distance is None else self.distance._asdict()
        del values["cleaning"]["rejected"]
        derived = ("n_classes", "fewest", "median", "names_are_words", "pool_note")
        return values | {name: getattr(self, name) for name in derived}

    @property
    def n_classes(self) -> int:
        """Classes, those without a text included."""
        return len(self.class_counts)

    @property
    def fewest(self) -> int:
        """Texts of the rarest class."""
        return min(self.class_counts.values(), default=0)

    @cached_property
    def median(self) -> float:
        """Texts of the median class."""
        return statistics.median(self.class_counts.values()) if self.class_counts else 0

    @property
    def names_are_words(self) -> bool:
        """Whether class names are known, and most of them are words."""
        return self.n_classes > 2 * len(self.codes)

    @property
    def pool_note(self) -> str | None:
        """A warning if the pool is surely unlike the labelled texts, by their words."""
        return None if self.distance is None else domain_note(*self.distance, far=FAR_BY_WORDS)
