"""Teachers of logits: any classifier with probabilities."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import FewshotError, InputError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.logit_teachers import open_logit_teacher, space_of, teacher_logits
from tests.distillation.logit_cases import make_classifier, make_tokenizer


@pytest.mark.parametrize("task", ["single", "multi"])
def test_logits_give_the_probabilities_back(task, request):
    """Prevents a softmax over labels that stand each for themselves, and infinite logits of certain answers."""
    toy = request.getfixturevalue(task)
    teacher = NaiveBayesClassifier().fit(toy.texts, toy.labels)
    logits = teacher_logits(teacher, toy.test_texts)
    back = expit(logits) if toy.multi_label else softmax(logits, axis=1)
    np.testing.assert_allclose(back, teacher.predict_proba(toy.test_texts), atol=1e-5)
    assert np.abs(logits).max() < 14


def test_a_pipeline_of_scikit_learn(single):
    """Prevents a teacher from having to be one of ours."""
    teacher = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(single.texts, single.labels)
    assert open_logit_teacher(teacher) is teacher
    assert space_of(teacher) == LabelSpace(("billing", "delivery", "login"), multi_label=False)
    np.testing.assert_allclose(
        softmax(teacher_logits(teacher, single.test_texts), axis=1), teacher.predict_proba(single.test_texts), rtol=1e-5
    )


def test_teachers_on_disk(tiny_tokenizer, single, tmp_path):
    """Prevents a folder of transformers, or of ours, from needing other words than the object."""
    teacher = make_classifier(make_tokenizer(tiny_tokenizer), ("a", "b", "c"))
    teacher.save(tmp_path / "ours")
    teacher.model_.save_pretrained(tmp_path / "theirs")
    teacher.tokenizer_.save_pretrained(tmp_path / "theirs")
    opened = open_logit_teacher(str(tmp_path / "theirs"))
    np.testing.assert_array_equal(teacher_logits(opened, single.texts), teacher.logits(single.texts))
    NaiveBayesClassifier().fit(single.texts, single.labels).save(tmp_path / "bayes")
    assert type(open_logit_teacher(tmp_path / "bayes")) is NaiveBayesClassifier
    with pytest.raises(FewshotError):
        open_logit_teacher(tmp_path / "nowhere")


class Says:
    """Gives the same probabilities to every text."""

    classes_ = np.array(["a", "b"])

    def __init__(self, row, columns=2):
        self.row = row

    def predict_proba(self, texts):
        return np.tile(self.row, (len(texts), 1))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.4, 0.6], "gives every text the same scores"),
        ([np.nan, 1.0], "NaN or infinite"),
        ([0.2, 0.3, 0.5], r"shape \(3, 3\) for 3 texts and 2 classes"),
    ],
)
def test_nothing_to_teach(row, message):
    """Prevents a student that follows a constant or broken teacher quietly into nonsense."""
    with pytest.raises(TeacherError, match=message):
        teacher_logits(Says(row), ["x", "y", "z"])


def test_no_teacher(single):
    """Prevents an attribute error in the midst of a distillation."""
    with pytest.raises(InputError, match="teacher must be a fitted classifier of texts with predict_proba"):
        open_logit_teacher(object())
    with pytest.raises(NotFittedError):
        open_logit_teacher(NaiveBayesClassifier())
