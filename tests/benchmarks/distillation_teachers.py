"""The fitted teachers of the benchmark and what they say of test texts, computed once and kept on disk."""

import dataclasses
import time
from typing import Any

import numpy as np

from fewshot import SetFitClassifier, load_classifier
from fewshot.core.artifacts import write_json
from fewshot.distillation.target_store import TargetStore
from fewshot.distillation.teacher_targets import TeacherTargets
from fewshot.evaluation.metrics import cosine_correlation
from tests.benchmarks.distillation_calls import store_in
from tests.benchmarks.distillation_plan import Case, Drawn, Options, draw


@dataclasses.dataclass(frozen=True)
class Lesson:
    """All that a student of one case is made from and judged by.

    Parameters
    ----------
    case : Case
    drawn : Drawn
    teacher : TextClassifier
    store : TargetStore
        Of what the teacher says of pools.
    on_test : TeacherTargets
        What it says of the test texts.
    """

    case: Case
    drawn: Drawn
    teacher: Any
    store: TargetStore
    on_test: TeacherTargets

    @property
    def teacher_accuracy(self) -> float:
        """The teacher's share of right test labels."""
        return accuracy_of(self.teacher.labels_from(self.on_test.probabilities), self.drawn.test.labels)

    def figures(self, predicted: Any, embeddings: np.ndarray) -> dict[str, Any]:
        """Return what a student's test labels and vectors are worth, beside the teacher's accuracy."""
        try:
            correlation = cosine_correlation(self.on_test.embeddings, embeddings)
        except ValueError:  # a student whose vectors are all alike has no correlation to report
            correlation = None
        accuracy = accuracy_of(predicted, self.drawn.test.labels)
        return {"accuracy": accuracy, "correlation": correlation, "teacher": self.teacher_accuracy}

    def score(self, student: Any) -> dict[str, Any]:
        """Return the same of a classifier of this package."""
        vectors = student.encoder_.encode(self.drawn.test.texts)
        probabilities = student.probabilities_from(student.head_input(vectors))
        return self.figures(student.labels_from(probabilities), vectors)


def open_lesson(case: Case, options: Options) -> Lesson:
    """Return a case's texts, its teacher and the teacher's answers on test texts."""
    drawn, store = draw(case, options), store_in(options.folder / "targets")
    teacher = fitted_teacher(case, drawn, options)
    return Lesson(case, drawn, teacher, store, store.targets(teacher, drawn.test.texts))


def fitted_teacher(case: Case, drawn: Drawn, options: Options) -> Any:
    """Return the teacher of a set and seed, fitted with its defaults the first time."""
    folder = options.folder / "teachers" / f"{case.name}-{case.seed}"
    if not (folder / "fewshot.json").is_file():
        few = {"steps": 2, "folds": 0} if options.quick else {}
        start = time.perf_counter()
        teacher = SetFitClassifier("bundled", random_state=case.seed, **few)
        teacher.fit(drawn.labeled.texts, drawn.labeled.labels).save(folder)
        write_json(folder.with_name(f"{folder.name}.json"), {"seconds": time.perf_counter() - start})
    return load_classifier(folder)


def accuracy_of(predicted: Any, labels: Any) -> float:
    """Return the share of right labels."""
    return float(np.mean([a == b for a, b in zip(predicted, labels, strict=True)]))
