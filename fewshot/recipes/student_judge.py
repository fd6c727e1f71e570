"""How good a distilled student is: on texts that no trial learns from, by its teacher's labels or by true ones.

The trainers hold texts out, too, but choose the head's regularization, and when to stop, on them. A search that took
its score from there would choose settings on what settings were chosen on; so it holds out a part of its own, first.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import Labeled, TextClassifier
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import check_lengths
from fewshot.distillation.logit_teachers import open_logit_teacher, space_of
from fewshot.distillation.several_teachers import TeacherMixture
from fewshot.distillation.teacher_targets import threshold_of
from fewshot.distillation.teachers import open_teacher
from fewshot.encoders.base import check_texts
from fewshot.recipes.trial_judge import Verdict, aligned, verdict_on

LEAST_LABELS = 250
"""Fewer true labels do not judge students, as the differences between these are a few points: where two students differ
in being right on a tenth of the texts, 250 texts leave a standard error of 2 points, 25 one of 6."""

LEAST_JUDGED = 20
MOST_JUDGED = 2000
"""A fifth of the pool is held out, and no more texts than this: by the same count, 0.7 points."""

MOST_TEXTS = 100_000
"""Trials learn from a sample of a larger pool; the trainers' own numbers of steps do not grow beyond it."""


@dataclasses.dataclass(frozen=True)
class StudentJudge:
    """The texts of a search over distillations, and the labels that its students shall give.

    Parameters
    ----------
    teacher : Teacher
    pool : list of str
        What each trial learns from; none of it is judged.
    gold : (texts, labels), optional
        Gold labels that each trial learns beside.
    texts : list of str
        What is judged.
    space : LabelSpace
        The teacher's classes.
    y : ndarray of shape (n,) or (n, n_classes)
        The labels of ``texts``.
    by_labels : bool
        Whether these are true ones, not the teacher's.
    notes : list of str
        What to tell about the choice.
    """

    teacher: Any
    pool: list[str]
    gold: Labeled | None
    texts: list[str]
    space: LabelSpace
    y: np.ndarray
    by_labels: bool
    notes: list[str]

    @classmethod
    def of(
        cls,
        teacher: Any,
        unlabeled_texts: Sequence[str],
        gold: Labeled | None,
        validation: Labeled | None,
        random_state: int,
    ) -> "StudentJudge":
        """Hold texts out, and ask the teacher about them, once.

        Parameters
        ----------
        teacher : whatever a trainer takes as its teacher
        unlabeled_texts : sequence of str
            Duplicates, empty texts and those that are gold or for validation are left out.
        gold : (texts, labels), optional
        validation : (texts, labels), optional
            True labels; they judge if there are at least :data:`LEAST_LABELS`. Gold texts among them are left out.
        random_state : int
            Decides which texts are held out.

        Raises
        ------
        InputError
            If there are too few texts to hold any out, or a label is not one of the teacher's classes.
        """
        opened = _open(teacher)
        space = getattr(opened, "label_space_", None) or space_of(opened)
        learned = set(_checked(gold, space))
        checked = _checked(validation, space)
        true = {text: label for text, label in checked.items() if text not in learned}
        pool = _pool(unlabeled_texts, learned | set(checked), random_state)
        sampled = [f"trials saw {MOST_TEXTS:,} of {len(unlabeled_texts):,} texts"] * (len(unlabeled_texts) > MOST_TEXTS)
        common = {"teacher": opened, "gold": gold, "space": space}
        if len(true) >= LEAST_LABELS:
            notes = [f"trials were judged by {len(true)} validation labels", *sampled]
            y = space.encode(list(true.values()))
            return cls(pool=pool, texts=list(true), y=y, by_labels=True, notes=notes, **common)
        pool, held_out = _hold_out(pool, random_state)
        y = _answers(opened, held_out, space)
        note = f"trials were judged by how often they agree with the teacher, on {len(held_out)} texts of the pool"
        if validation is not None:
            note += f": {len(true)} validation labels are too few to tell settings apart ({LEAST_LABELS} are needed)"
        return cls(pool=pool, texts=held_out, y=y, by_labels=False, notes=[note, *sampled], **common)

    @property
    def folds(self) -> int:
        """One training is one verdict."""
        return 1

    @property
    def metric(self) -> str:
        """Name of the score.

        In multi-label tasks it is micro-F1, also against the teacher: equal sets of labels would be won by students
        that give none.
        """
        if self.space.multi_label:
            return "micro_f1"
        return "accuracy" if self.by_labels else "agreement"

    @property
    def facts(self) -> list[str]:
        """What a search is known by: its texts and true labels, and the teacher."""
        known = getattr(self.teacher, "fingerprint", None) or fingerprint([repr(self.y.tolist())])
        true = [repr(self.y.tolist())] if self.by_labels else []
        gold = [repr(list(self.gold[0])), repr(list(self.gold[1]))] if self.gold else []
        return [known, *true, *gold, *self.texts, *self.pool]

    def verdicts(self, make: Callable[[], Any]) -> Iterator[Verdict]:
        """Train once, and judge the student.

        Parameters
        ----------
        make : callable
            Gives a fresh, unfitted trainer.

        Raises
        ------
        ValueError
            If probabilities are not finite: the training diverged.
        """
        student = make().fit(self.pool, *(self.gold or ())).student_
        given = student.predict_proba(self.texts)
        probabilities = aligned(given, student.classes_, self.space)
        chosen = self.space.encode(student.labels_from(given)) if self.space.multi_label else None
        yield verdict_on(self.y, probabilities, chosen)


def _open(teacher: Any) -> Any:
    if isinstance(teacher, (list, tuple)):
        return TeacherMixture(teacher)
    if isinstance(teacher, (str, Path, TextClassifier)) or hasattr(teacher, "targets"):
        return open_teacher(teacher)
    return open_logit_teacher(teacher)


def _answers(teacher: Any, texts: list[str], space: LabelSpace) -> np.ndarray:
    """Return the labels that a teacher gives, as numbers."""
    asked = teacher.targets(texts).probabilities if hasattr(teacher, "targets") else teacher.predict_proba(texts)
    probabilities = np.asarray(asked)
    if space.multi_label:
        return (probabilities >= threshold_of(teacher)).astype(int)
    return probabilities.argmax(axis=1)


def _checked(labeled: Labeled | None, space: LabelSpace) -> dict[str, Any]:
    """Return the label of each text; of two the later counts."""
    if labeled is None:
        return {}
    texts, labels = labeled
    check_texts(texts)
    check_lengths(texts, labels)
    space.encode(labels)
    return dict(zip(texts, labels, strict=True))


def _pool(unlabeled_texts: Sequence[str], known: set[str], random_state: int) -> list[str]:
    if isinstance(unlabeled_texts, str):
        check_texts(unlabeled_texts)
    some = unlabeled_texts
    if len(some) > MOST_TEXTS:
        rows = np.random.default_rng([random_state, 1]).choice(len(some), MOST_TEXTS, replace=False)
        some = [unlabeled_texts[row] for row in np.sort(rows).tolist()]
    check_texts(some)
    return [text for text in dict.fromkeys(some) if text.strip() and text not in known]


def _hold_out(pool: list[str], random_state: int) -> tuple[list[str], list[str]]:
    n_judged = min(MOST_JUDGED, len(pool) // 5)
    if n_judged < LEAST_JUDGED:
        raise InputError(
            f"unlabeled_texts holds {len(pool)} different texts to learn from; a search holds a fifth of them out to "
            f"judge on and needs {5 * LEAST_JUDGED}, better some thousands; give more, or {LEAST_LABELS} validation "
            "labels"
        )
    judged = np.zeros(len(pool), dtype=bool)
    judged[np.random.default_rng([random_state, 2]).choice(len(pool), n_judged, replace=False)] = True
    rows = list(zip(pool, judged.tolist(), strict=True))
    return [text for text, held in rows if not held], [text for text, held in rows if held]
