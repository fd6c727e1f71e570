"""What a check of a comparison is given, and what it answers. The checks themselves stand in ``checks``."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fewshot.data.text_sketch import TextSketch
from fewshot.data.texts import TextData
from fewshot.evaluation.statistics.summary import with_names

PASSED, WARNING, UNKNOWN = "passed", "warning", "not checked"

LONGEST_TEXT = 160


class CannotTellError(Exception):
    """Raised by a check that lacks what it would look at; the message says what."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Parameters
    ----------
    number : int
        Of the check; it never changes, so that it can be referred to.
    title : str
        What was asked.
    verdict : {"passed", "warning", "not checked"}
    text : str
        What was found and what to do; why it was not checked; empty where all is well.
    evidence : sequence of dict
        A table of what was found, one kind of row a check.
    """

    number: int
    title: str
    verdict: str
    text: str = ""
    evidence: Sequence[Mapping[str, Any]] = ()

    def as_row(self) -> dict[str, Any]:
        """Return all but the evidence."""
        return {"check": self.number, "question": self.title, "verdict": self.verdict, "finding": self.text}


@dataclasses.dataclass(frozen=True)
class Used:
    """Texts that were used before a comparison.

    Parameters
    ----------
    name : str
        Who used them: a file, the folder of a model.
    use : str
        What for, as a verb: ``"learnt from"``.
    sketch : TextSketch
        Tells which they were.

    Examples
    --------
    >>> Used("runs/teacher", "learnt from", TextSketch.of(["a", "b"])).told(["b", "c"])
    'runs/teacher learnt from 1 of the 2 test texts'
    """

    name: str
    use: str
    sketch: TextSketch

    def told(self, texts: Sequence[str]) -> str | None:
        """Say how many of the texts reported on are among them; ``None`` if none is."""
        overlap = self.sketch.overlap(texts)
        if not overlap.found.any():
            return None
        about = "" if overlap.is_exact else "about "
        return f"{self.name} {self.use} {about}{overlap.n:,} of the {len(texts):,} test texts"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What the checks look at.

    Parameters
    ----------
    labeled : TextData
        The labelled texts that slices were drawn from.
    test : TextData
        The texts that methods were scored on.
    draws : mapping of int or str to mapping of int to ndarray
        Rows of ``labeled`` by seed (and by fold: ``"0, fold 3"``), then by size of slice.
    rows : sequence of mapping
        Result rows of ``run_comparison``.
    answers : sequence of (mapping, sequence)
        Finished result rows of the largest slice, each with what its method said of every test text.
    left_out : mapping of str to int, optional
        Texts that were left out of the labelled texts and of the pool, by those names, because the test set has them.
    vectors : mapping of str to ndarray, optional
        Embeddings: ``"labeled"``, one row each of ``drawn``; ``"test"``, one row a text; ``"pool"``, some of it, or
        ``"pool NAME"`` of each of several.
    random_state : int, default 0
        Decides what is sampled.
    cross_validated : bool, default False
        Whether the test texts are the labelled ones, each held out in its turn.
    used : sequence of Used, optional
        What is known of the texts that settings were chosen on, or that models learnt from, before the comparison.
    """

    labeled: TextData
    test: TextData
    draws: Mapping[Any, Mapping[int, np.ndarray]]
    rows: Sequence[Mapping[str, Any]]
    answers: Sequence[tuple[Mapping[str, Any], Sequence[Any]]] = ()
    left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)
    vectors: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    random_state: int = 0
    cross_validated: bool = False
    used: Sequence[Used] = ()

    @property
    def drawn(self) -> np.ndarray:
        """Rows of ``labeled`` that some slice has, in order."""
        parts = [rows for slices in self.draws.values() for rows in slices.values()]
        return np.unique(np.concatenate(parts)).astype(np.int64) if parts else np.arange(0)

    def finished(self) -> list[Mapping[str, Any]]:
        """Return the result rows of cells that went well."""
        return [row for row in self.rows if row["status"] == "ok"]

    def named_answers(self) -> list[tuple[dict[str, Any], Sequence[Any]]]:
        """Return ``answers``, each row with its :func:`~fewshot.evaluation.statistics.summary.entrant_names`."""
        rows = with_names(row for row, _ in self.answers)
        return list(zip(rows, (said for _, said in self.answers), strict=True))


Found = tuple[str, list[dict[str, Any]]]
"""A sentence on what was found and what to do, and the evidence."""


class Check(NamedTuple):
    """A question, and the function that answers it: ``None`` if all is well; it may raise :class:`CannotTellError`."""

    number: int
    title: str
    look: Callable[[Evidence], Found | None]


def classes_of(labels: Iterable[Any]) -> set[Any]:
    """Return the classes that some labels name, or some sets of labels.

    Examples
    --------
    >>> sorted(classes_of([("a", "b"), (), ("a",)]))
    ['a', 'b']
    """
    return {name for label in labels for name in (label if isinstance(label, tuple) else (label,))}


def told(label: Any) -> str:
    """Return a label, or the labels of a text in the order of the alphabet, in words.

    Examples
    --------
    >>> told("a"), told(("c", "b")), told(())
    ('a', 'b, c', 'none')
    """
    return ", ".join(sorted(map(str, label))) or "none" if isinstance(label, tuple) else str(label)


def cut(text: str) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


def named(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, and how many more there are.

    Examples
    --------
    >>> named(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
