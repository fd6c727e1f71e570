"""What the rungs of a ladder are judged on: labelled texts, or a part of the pool with the model's own answers.

Students learn from neither.
"""

import dataclasses
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.core.errors import DataWarning, InputError
from fewshot.data.labels import plain_label
from fewshot.data.pool import Pool, open_pool
from fewshot.data.text_sketch import TextSketch
from fewshot.data.texts import TextData
from fewshot.evaluation.checks.findings import Used
from fewshot.recipes.contenders import renamed
from fewshot.recipes.sources import Reading, require_labels
from fewshot.recipes.used_texts import used_by

HELD_OUT = 5
"""One text of so many is held out of the pool."""

LEAST_JUDGED, MOST_JUDGED = 20, 2000
LEAST_LEARNT = 8
"""Texts that a student needs."""


@dataclasses.dataclass(frozen=True)
class Judge:
    """Texts with the labels that rungs shall give.

    Parameters
    ----------
    data : TextData
    by_labels : bool
        Whether the labels are true ones, not the model's own answers.
    """

    data: TextData
    by_labels: bool

    @property
    def metric(self) -> str:
        """Name of the score: ``"accuracy"``, ``"agreement"``, or where texts have several labels ``"micro_f1"``.

        Equal sets of labels would be won by rungs that give none, where the model seldom gives one.
        """
        if self.data.multi_label:
            return "micro_f1"
        return "accuracy" if self.by_labels else "agreement"

    @property
    def told(self) -> str:
        """What the loss is, in words."""
        n = f"{len(self.data):,}"
        if self.by_labels:
            return (
                f"loss: points of {_NAMES[self.metric]} below the model's, on {n} labelled texts ({self.data.source})"
            )
        if self.data.multi_label:
            return f"loss: 100 less micro F1 against the model's own answers, on {n} texts held out of the pool"
        return f"loss: share of {n} texts held out of the pool that get another label than from the model, %"

    def loss(self, score: float, of_model: float) -> float:
        """Return a loss in percentage points."""
        return 100 * (of_model - score) if self.by_labels else 100 * (1 - score)

    def standard_error(self, loss: float, agreement: float) -> float | None:
        """Return by how much the loss may be off, in points; ``None`` for F1, of which it is not known.

        A text counts only where rung and model differ: these are at most ``1 - agreement`` of all.
        """
        if self.data.multi_label:
            return None
        variance = max(0.0, (1 - agreement) - (loss / 100) ** 2)
        return 100 * float(np.sqrt(variance / len(self.data)))


_NAMES = {"accuracy": "accuracy", "micro_f1": "micro F1", "agreement": "agreement"}


def load_labeled(source: Any, model: TextClassifier, reading: Reading, role: str) -> TextData | None:
    """Return labelled texts of a model's task, their classes called as the model calls them: a file's "3" is its 3.

    Parameters
    ----------
    source : str, Path, DataFrame, Dataset or TextData, optional
    model : TextClassifier
    reading : Reading
    role : str
        The argument's name, for messages.

    Raises
    ------
    InputError
        If it has no labels, classes that the model does not know, or another number of labels a text.
    """
    if source is None:
        return None
    space = model.label_space_
    data = require_labels(reading.load(source))
    if data.multi_label != space.multi_label:
        kinds = {True: "several labels a text", False: "one label a text"}
        raise InputError(
            f"{role}: {data.source} has {kinds[data.multi_label]}, and the model gives {kinds[space.multi_label]}"
        )
    known = {str(label): label for label in space.classes}
    there = [label for entry in data.labels for label in (entry if data.multi_label else [entry])]
    unknown = sorted({str(plain_label(label)) for label in there} - known.keys())
    if unknown:
        listed = ", ".join(map(repr, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        raise InputError(
            f"{role}: {data.source} has classes that the model does not know: {listed}; it knows "
            f"{', '.join(map(repr, sorted(known)[:8]))}. Leave those rows out, or rename them (label_map, --label-map)"
        )
    own = {label: known[str(plain_label(label))] for label in there}
    return dataclasses.replace(data, labels=[renamed(label, own) for label in data.labels])


def warn_of_known(model: str | Path, gold: TextData | None, judged: dict[str, TextData | None]) -> None:
    """Warn where texts that are judged on were learnt from, by the model or by the students."""
    used = used_by(model, str(model))
    if gold is not None:
        used.append(Used(f"{gold.source} (labeled)", "holds", TextSketch.of(gold.texts)))
    for role, data in judged.items():
        told = [line for one in used if data is not None and (line := one.told(data.texts)) is not None]
        if told:
            line = "; ".join(told).replace("test texts", f"{role} texts")
            warnings.warn(f"{line}: figures on them are flattered", DataWarning, stacklevel=3)


def take_pool(
    unlabeled: Any, reading: Reading, known: Iterable[TextData | None], max_pool: int | None, random_state: int
) -> Pool:
    """Open the pool without the texts that are judged on."""
    exclude = [text for data in known if data is not None for text in data.texts]
    pool = reading.open_pool(unlabeled, exclude=exclude, max_rows=max_pool, random_state=random_state)
    if len(pool) < LEAST_LEARNT:
        raise InputError(
            f"unlabeled: {pool.report.source} holds {len(pool)} texts to learn from; students need {LEAST_LEARNT} at "
            "least, better some thousands"
        )
    return pool


def hold_out(pool: Pool, model: TextClassifier, random_state: int) -> tuple[Pool, Judge]:
    """Hold a part of the pool out, and ask the model about it.

    Parameters
    ----------
    pool : Pool
    model : TextClassifier
    random_state : int
        Decides which texts.

    Returns
    -------
    (Pool, Judge)
        The rest, and a fifth of the texts, at most 2,000.

    Raises
    ------
    InputError
        If there are too few.
    """
    n_judged = min(MOST_JUDGED, len(pool) // HELD_OUT)
    if n_judged < LEAST_JUDGED:
        raise InputError(
            f"unlabeled: {pool.report.source} holds {len(pool)} texts; a fifth of them is held out to judge on, which "
            f"needs {HELD_OUT * LEAST_JUDGED}: give more, or labelled texts as validation (--validation)"
        )
    rows = np.sort(np.random.default_rng([random_state, 3]).choice(len(pool), n_judged, replace=False))
    texts = pool.take(rows)
    answers = [plain_label(label) for label in model.predict(texts)]
    multi_label = model.label_space_.multi_label
    data = TextData(texts, answers, multi_label, rows.tolist(), source=f"{pool.report.source} (held out)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # that texts are left out is meant
        rest = open_pool(pool, exclude=texts)
    return rest, Judge(data, by_labels=False)
