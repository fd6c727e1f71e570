"""What a student is judged by: whoever the teacher is, its own decisions, each text once."""

import numpy as np
import pytest

from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.text_file import TextFile, write_text_file
from fewshot.distillation.teacher_targets import TeacherTargets
from fewshot.recipes import student_judge
from fewshot.recipes.student_judge import LEAST_LABELS, StudentJudge
from tests.recipes.distill_script import POOL, Knower, Pourer


class Tagger:
    """A multi-label teacher whose labels apply from 0.3 on."""

    label_space_ = LabelSpace(("even", "short"), True)
    classes_ = np.array(label_space_.classes)
    fingerprint = "tagger"
    _threshold = 0.3

    def targets(self, texts):
        return TeacherTargets(None, np.array([[0.4 * (len(t) % 2 == 0), 0.4 * (len(t) < 20)] for t in texts]))


class Turned:
    """A student whose columns come in the reverse order."""

    def __init__(self, student):
        self.student = student
        self.classes_ = student.classes_[::-1]

    def predict_proba(self, texts):
        return self.student.predict_proba(texts)[:, ::-1]


def judge(teacher, pool=POOL, gold=None, validation=None):
    """Make a judge."""
    return StudentJudge.of(teacher, pool, gold, validation, 0)


@pytest.fixture(scope="module")
def bayes(single):
    """A teacher without vectors."""
    return NaiveBayesClassifier().fit(single.texts, single.labels)


@pytest.mark.parametrize("kind", ["classifier", "folder", "several", "foreign"])
def test_whatever_trainers_take_as_a_teacher_can_judge(kind, bayes, pool, tmp_path):
    """Prevents a search that refuses a teacher, or reads its classes in another order, where a training would not."""
    bayes.save(tmp_path / "bayes")
    teacher = {"classifier": bayes, "folder": tmp_path / "bayes", "several": [(bayes, 2.0), (bayes, 1.0)]}
    made = judge(teacher.get(kind, Turned(bayes)), pool)
    assert [made.space.classes[number] for number in made.y] == bayes.predict(made.texts).tolist()


def test_the_teachers_own_threshold_decides_what_its_labels_are():
    """Prevents students from being held against labels that the teacher does not give."""
    made = judge(Tagger(), ["a" * n for n in range(1, 200)])
    assert made.metric == "micro_f1"
    assert (made.y == [[len(t) % 2 == 0, len(t) < 20] for t in made.texts]).all()


def test_a_students_own_threshold_decides_what_its_labels_are():
    """Prevents scores at a threshold that was tuned on the judged texts and that no saved student has."""
    made = judge(Tagger(), ["a" * n for n in range(1, 200)])

    class Timid:
        """Is right in its probabilities, and says nothing."""

        classes_ = Tagger.classes_
        student_ = property(lambda self: self)

        def fit(self, pool):
            return self

        def predict_proba(self, texts):
            return Tagger().targets(texts).probabilities

        def labels_from(self, probabilities):
            return [()] * len(probabilities)

    [verdict] = made.verdicts(Timid)
    assert verdict.score == 0.0


def test_students_of_another_class_order_are_read_by_name():
    """Prevents columns from being compared by place."""
    made = judge(Knower())

    class Reversed(Pourer):
        def fit(self, pool, *gold):
            self.student_ = Turned(super().fit(pool, *gold).student_)
            return self

    [plain] = made.verdicts(lambda: Pourer(level=0.5))
    [reversed_] = made.verdicts(lambda: Reversed(level=0.5))
    assert plain == reversed_
    assert 0.4 < plain.score < 0.9


def test_probabilities_that_are_not_finite_are_a_failure():
    """Prevents NaN from winning: argmax of NaN is the first class."""

    class Diverged(Pourer):
        def fit(self, pool, *gold):
            super().fit(pool, *gold)
            self.student_.predict_proba = lambda texts: np.full((len(texts), 3), np.nan)
            return self

    with pytest.raises(ValueError, match="not finite"):
        list(judge(Knower()).verdicts(Diverged))


def test_each_text_is_learnt_or_judged_once():
    """Prevents duplicates from standing on both sides."""
    made = judge(Knower(), [*POOL, *reversed(POOL), "  "])
    assert len(made.texts) == len(POOL) // 5
    assert sorted([*made.texts, *made.pool]) == sorted(POOL)
    again = judge(Knower(), [*POOL, *reversed(POOL)])
    assert (made.texts, made.pool) == (again.texts, again.pool)


def test_validation_texts_that_are_learnt_do_not_count():
    """Prevents true labels that a trial was given from judging it, and a double entry from counting twice."""
    texts = [f"true {i} red" for i in range(LEAST_LABELS + 5)]
    gold, validation = (texts[:5], ["red"] * 5), ([*texts, texts[-1]], ["red"] * (len(texts) + 1))
    made = judge(Knower(), gold=gold, validation=validation)
    assert made.texts == texts[5:]
    assert made.by_labels
    made = judge(Knower(), gold=(texts[:6], ["red"] * 6), validation=validation)
    assert not made.by_labels
    assert not set(texts) & {*made.texts, *made.pool}


def test_a_pool_in_a_file_is_sampled(tmp_path, monkeypatch):
    """Prevents ten million texts from being read into memory, and a teacher asked about all of them, for a search."""
    monkeypatch.setattr(student_judge, "MOST_TEXTS", 120)
    path = tmp_path / "pool.arrow"
    write_text_file(path, [POOL])
    made = judge(Knower(), TextFile(path))
    assert len({*made.texts, *made.pool}) == 120
    assert len(made.texts) == 24
    assert {*made.texts, *made.pool} < set(POOL)
    assert made.notes[-1] == "trials saw 120 of 180 texts"


def test_a_small_pool_is_enough_where_true_labels_judge():
    """Prevents a refusal for lack of texts that are not needed."""
    texts = [f"true {i} red" for i in range(LEAST_LABELS)]
    assert judge(Knower(), POOL[:20], validation=(texts, ["red"] * len(texts))).pool == POOL[:20]
    with pytest.raises(InputError, match="needs 100"):
        judge(Knower(), POOL[:20])
