"""Answers for labelled texts by classifiers that did not see them: repeated, stratified cross-validation.

What is made of the answers is left to ``estimate``.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from fewshot.core.errors import InputError
from fewshot.core.progress import track
from fewshot.data.folds import deal_alike
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.evaluation.runner.contest import Contestant


@dataclasses.dataclass(frozen=True)
class LabeledTexts:
    """Labelled texts with their labels as zeros and ones.

    Parameters
    ----------
    texts : list of str
    labels : list
        As they were given.
    space : LabelSpace
    """

    texts: list[str]
    labels: list[Any]
    space: LabelSpace

    @classmethod
    def of(cls, texts: Sequence[str], labels: Sequence[Any]) -> Self:
        """Read the classes from the labels."""
        return cls(list(texts), list(labels), LabelSpace.of(labels, warn=False))

    def indicators(self, labels: Sequence[Any]) -> np.ndarray:
        """Return which labels each entry holds, ``(n, n_classes + 1)``; the last column is any label that is no class.

        Examples
        --------
        >>> LabeledTexts.of(["x", "y"], ["a", "b"]).indicators(["b", "unheard of"]).astype(int)
        array([[0, 1, 0],
               [0, 0, 1]])
        """
        position = {label: column for column, label in enumerate(self.space.classes)}
        found = np.zeros((len(labels), len(position) + 1), dtype=bool)
        for row, entry in enumerate(map(plain_label, labels)):
            if isinstance(entry, tuple) != self.space.multi_label:
                wanted = "a sequence of labels" if self.space.multi_label else "one label"
                raise InputError(f"make() must give classifiers that predict {wanted} for each text, got {entry!r}")
            for label in entry if isinstance(entry, tuple) else (entry,):
                found[row, position.get(label, len(position))] = True
        return found


@dataclasses.dataclass(frozen=True)
class HeldOutAnswers:
    """What was answered for each text that could be held out.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Positions of the texts.
    answers : ndarray of bool, shape (repeats, n, n_classes + 1)
        As :meth:`LabeledTexts.indicators` gives them.
    learnt_share : float
        Mean share of all labels that the trainings learnt from, between 0 and 1.
    """

    rows: np.ndarray
    answers: np.ndarray
    learnt_share: float

    @property
    def repeats(self) -> int:
        """How often each text was answered for."""
        return len(self.answers)


def held_out_answers(
    make: Callable[[], Contestant], data: LabeledTexts, *, folds: int, repeats: int, random_state: int
) -> HeldOutAnswers:
    """Train once without each fold, and answer for the fold; all that as often as ``repeats`` says.

    Parameters
    ----------
    make : callable
        Gives a fresh, unfitted classifier.
    data : LabeledTexts
    folds, repeats : int
    random_state : int
        Decides the folds.

    Returns
    -------
    HeldOutAnswers
        A text that is alone in its class is in every training and is not answered for.

    Examples
    --------
    >>> class Constant:
    ...     def fit(self, texts, labels): self.answer = labels[0]
    ...     def predict(self, texts): return [self.answer] * len(texts)
    >>> data = LabeledTexts.of(list("stuv"), ["a", "a", "b", "b"])
    >>> held_out = held_out_answers(Constant, data, folds=2, repeats=3, random_state=0)
    >>> held_out.answers.shape, held_out.learnt_share
    ((3, 4, 3), 0.5)
    """
    y = data.space.encode(data.labels)
    seeds = np.random.default_rng(random_state).integers(2**31, size=repeats)
    dealt = [deal_alike(y, folds, int(seed)) for seed in seeds]
    rows = np.flatnonzero(dealt[0] >= 0)
    answers = np.zeros((repeats, len(y), len(data.space.classes) + 1), dtype=bool)
    learnt = 0
    trainings = [(repeat, fold) for repeat, of in enumerate(dealt) for fold in np.unique(of[rows])]
    with track("estimating the score", total=len(trainings)) as advance:
        for repeat, fold in trainings:
            judged = np.flatnonzero(dealt[repeat] == fold)
            others = np.flatnonzero(dealt[repeat] != fold)
            answers[repeat, judged] = data.indicators(_answers(make(), data, others, judged))
            learnt += len(others) * len(judged)
            advance(1)
    return HeldOutAnswers(rows, answers[:, rows], learnt / (repeats * len(rows) * len(y)))


def _answers(classifier: Contestant, data: LabeledTexts, train: np.ndarray, judged: np.ndarray) -> list[Any]:
    classifier.fit([data.texts[row] for row in train], [data.labels[row] for row in train])
    given = list(classifier.predict([data.texts[row] for row in judged]))
    if len(given) != len(judged):
        raise InputError(
            f"make() must give classifiers that predict one entry a text, got {len(given)} for {len(judged)} texts"
        )
    return given
