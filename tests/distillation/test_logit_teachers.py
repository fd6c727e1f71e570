"""Teachers of logits: any classifier with probabilities."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import FewshotError, InputError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.distillation import logit_teachers
from fewshot.distillation.logit_teachers import (
    body_size,
    check_varied,
    open_logit_teacher,
    space_of,
    teacher_logits,
    tokenizer_of,
)
from fewshot.distillation.sequence_teachers import NLITeacher
from fewshot.distillation.several_teachers import TeacherMixture
from fewshot.distillation.teacher_targets import threshold_of
from fewshot.distillation.teachers import open_teacher
from tests.distillation.logit_cases import make_bert, make_classifier, make_tokenizer


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


def test_teachers_that_are_no_classifiers(tiny_tokenizer, single, multi, tmp_path):
    """Prevents a mixture or a model of inference from having one label a text, a threshold of its own, or no say."""
    bayes = NaiveBayesClassifier().fit(single.texts, single.labels)
    mixed = open_logit_teacher([(bayes, 2), (bayes, 1)])
    assert type(mixed) is TeacherMixture
    assert space_of(mixed) == bayes.label_space_
    np.testing.assert_allclose(
        softmax(teacher_logits(mixed, single.texts), axis=1), bayes.predict_proba(single.texts), rtol=1e-5
    )
    assert open_logit_teacher(open_teacher(bayes)) is bayes
    several = NaiveBayesClassifier().fit(multi.texts, multi.labels)
    assert space_of(open_logit_teacher([(several, 1)])).multi_label
    model = make_bert(make_tokenizer(tiny_tokenizer), 2)
    model.config.id2label, model.config.label2id = {0: "entailment", 1: "other"}, {"entailment": 0, "other": 1}
    model.save_pretrained(tmp_path / "nli")
    make_tokenizer(tiny_tokenizer).save_pretrained(tmp_path / "nli")
    teacher = NLITeacher(tmp_path / "nli", ["refund", "login"], device="cpu")
    assert open_logit_teacher(teacher) is teacher
    np.testing.assert_allclose(
        softmax(teacher_logits(teacher, single.texts), axis=1), teacher.predict_proba(single.texts), rtol=1e-4
    )
    assert threshold_of(teacher) == 0.5
    assert tokenizer_of(teacher).get_vocab() == make_tokenizer(tiny_tokenizer).get_vocab()
    assert body_size(teacher) is None
    with pytest.raises(InputError, match="knows no classes; name them: NLITeacher"):
        open_logit_teacher(tmp_path / "nli")


def test_sizes_and_tokenizers(tiny_encoder, tiny_static, tiny_tokenizer, single):
    """Prevents a head, or the pooler that some models lack, from making a student "larger" than its twin."""
    tokenizer = make_tokenizer(tiny_tokenizer)
    twin = make_classifier(tokenizer, ("a", "b", "c"), layers=4)
    probe = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    assert body_size(twin) == body_size(probe) == body_size(open_teacher(probe))
    assert body_size(make_classifier(tokenizer, ("a", "b", "c"), layers=3)) < body_size(twin)
    table = LinearProbeClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    assert body_size(table) == 16 * tiny_tokenizer.get_vocab_size()
    bayes = NaiveBayesClassifier().fit(single.texts, single.labels)
    assert body_size(bayes) is tokenizer_of(bayes) is None
    assert tokenizer_of(twin) is tokenizer
    assert tokenizer_of(probe).get_vocab() == tokenizer.get_vocab()


class Says:
    """Gives the same probabilities to every text."""

    def __init__(self, row, *, multi_label=False):
        self.row = row
        self.classes_ = np.array(["a", "b"])
        if multi_label:
            self.label_space_ = LabelSpace(("a", "b"), True)

    def predict_proba(self, texts):
        return np.tile(self.row, (len(texts), 1))


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([np.nan, 1.0], "NaN or infinite"),
        ([0.2, 0.3, 0.5], r"shape \(3, 3\) for 3 texts and 2 classes"),
        ([-3.0, 4.0], "not from 0 to 1; are these logits"),
    ],
)
def test_nothing_to_teach(row, message, multi_label):
    """Prevents a student that follows a broken teacher quietly into nonsense."""
    with pytest.raises(TeacherError, match=message):
        teacher_logits(Says(row, multi_label=multi_label), ["x", "y", "z"])


def test_labels_that_stand_each_for_themselves():
    """Prevents a softmax over independent labels of a teacher that does not say that they are."""
    with pytest.raises(TeacherError, match="do not sum to 1 for each text; where labels are independent, its label_sp"):
        teacher_logits(Says([0.9, 0.8]), ["x"])
    found = expit(teacher_logits(Says([0.9, 0.8], multi_label=True), ["x"]))
    np.testing.assert_allclose(found, [[0.9, 0.8]], rtol=1e-6)


def test_constant_scores():
    """Prevents a student of a teacher that says the same of everything."""
    with pytest.raises(TeacherError, match="gives every text the same scores"):
        check_varied(teacher_logits(Says([0.4, 0.6]), ["x", "y", "z"]))
    check_varied(np.array([[0.0, 1.0], [0.0, 2.0]]))
    check_varied(np.empty((0, 2)))


def test_a_large_pool_goes_in_parts(monkeypatch):
    """Prevents a pool of millions from being asked about at once, and rows of two parts from being swapped."""
    monkeypatch.setattr(logit_teachers, "_TEXTS_AT_ONCE", 3)
    asked = []

    class Counts(Says):
        def predict_proba(self, texts):
            asked.append(len(texts))
            p = np.array([float(text) for text in texts])
            return np.stack([p, 1 - p], axis=1)

    found = softmax(teacher_logits(Counts(None), [str(number / 10) for number in range(1, 9)]), axis=1)
    np.testing.assert_allclose(found[:, 0], np.arange(1, 9) / 10, rtol=1e-5)
    assert asked == [3, 3, 2]


def test_no_teacher(single):
    """Prevents an attribute error in the midst of a distillation."""
    with pytest.raises(InputError, match="teacher must be a fitted classifier of texts with predict_proba"):
        open_logit_teacher(object())
    with pytest.raises(NotFittedError):
        open_logit_teacher(NaiveBayesClassifier())
