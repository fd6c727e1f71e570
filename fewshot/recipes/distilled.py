"""A teacher and its student as one estimator, so that a comparison can name it like any other method."""

from collections.abc import Sequence
from typing import Any, Self

from sklearn.base import clone

from fewshot.classifiers.base import Labeled
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.recipes.stand_in import StandIn


class DistilledClassifier(StandIn):
    """Fits a teacher on the labels, then distils it on the pool and the labels; predicts with the student.

    Parameters
    ----------
    teacher : TextClassifier
        Unfitted; a copy of it is fitted.
    student : str
        See :func:`fewshot.build_student`.
    pool : sequence of str
        Unlabelled texts.
    random_state : int, default=0

    Attributes
    ----------
    student_ : TextClassifier
    """

    made_as = "student_"

    def __init__(self, teacher: Any, student: str, pool: Sequence[str], *, random_state: int = 0) -> None:
        self.teacher = teacher
        self.student = student
        self.pool = pool
        self.random_state = random_state

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter of the teacher is out of its range."""
        self.teacher.check_params()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the teacher's settings."""
        return self.teacher.get_params(deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set some of the teacher's settings; the student has none of its own here."""
        self.teacher.set_params(**params)
        return self

    def fit(self, texts: Sequence[str], labels: Sequence[Any], *, validation: Labeled | None = None) -> Self:
        """Fit the teacher, whose settings ``validation`` texts may choose, then the student."""
        teacher = clone(self.teacher).fit(texts, labels, validation=validation)
        trainer = DistillationTrainer(teacher, self.student, random_state=self.random_state)
        self.student_ = trainer.fit(self.pool, texts, labels).student_
        return self
