"""What the benchmark is handed: something with a name that predicts. Where it came from is not asked here."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fewshot.data.texts import Label


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a model says of texts.

    Parameters
    ----------
    labels : sequence
        One entry a text: a label, in multi-label tasks a tuple of labels.
    probabilities : ndarray of shape (n_texts, n_classes), optional
        Columns in the order of :attr:`Contender.classes`; ``None`` of a model that gives none.
    """

    labels: Sequence[Any]
    probabilities: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Contender:
    """A model in a benchmark.

    Parameters
    ----------
    name : str
    predict : callable
        From a list of texts to one label, or tuple of labels, each: this is timed.
    answer : callable
        From a list of texts to :class:`Answers`: this is scored.
    classes : tuple of (str or int), optional
        What the columns of probabilities stand for.
    """

    name: str
    predict: Callable[[list[str]], Any]
    answer: Callable[[list[str]], Answers]
    classes: tuple[Label, ...] = ()


@dataclasses.dataclass(frozen=True)
class Failure:
    """A model that raised an error.

    Parameters
    ----------
    name : str
        Of the model.
    error : str
        Its kind and message.
    """

    name: str
    error: str

    @classmethod
    def of(cls, name: str, error: Exception) -> "Failure":
        """Return the failure of the model ``name`` that raised ``error``."""
        return cls(name, " ".join(f"{type(error).__name__}: {error}".split()))
