"""What a teacher gives, and teachers that have nothing to give."""

import copy

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.distillation.teachers import (
    SequenceTeacher,
    TeacherTargets,
    check_embeddings,
    check_targets,
    compute_targets,
    open_teacher,
)
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder
from fewshot.heads.table import LinearHead
from tests.distillation.sequence_folders import write_classifier


class Says(Encoder):
    """Gives what it was told to give."""

    name, dimension, fingerprint = "says", 2, "says"

    def __init__(self, vector_of):
        self.vector_of = vector_of

    def _encode_batch(self, texts):
        return np.array([self.vector_of(text) for text in texts])

    def save(self, folder):
        raise NotImplementedError


def teacher_of(vector_of, head=None):
    """Make a teacher of two classes from a function of a text."""
    head = head or LinearHead(np.eye(2), np.zeros(2), multi_label=False, C=1.0)
    return LinearProbeClassifier.from_parts(Says(vector_of), head, LabelSpace.of(["a", "b"]))


def test_targets_are_the_teachers(tiny_encoder, single, pool):
    """Prevents a second, different way from text to probability than ``predict_proba``."""
    for teacher in (LinearProbeClassifier(encoder=tiny_encoder), KNNClassifier(encoder=CachedEncoder(tiny_encoder))):
        teacher.fit(single.texts, single.labels)
        targets = compute_targets(teacher, pool)
        np.testing.assert_allclose(targets.probabilities, teacher.predict_proba(pool), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(targets.embeddings, axis=1), 1.0, atol=1e-5)
        assert targets.embeddings.dtype == np.float32


def test_a_folder_is_opened(tiny_static, single, tmp_path):
    """Prevents a teacher on disk from having to be opened by hand."""
    teacher = LinearProbeClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    teacher.save(tmp_path / "teacher")
    np.testing.assert_array_equal(
        open_teacher(tmp_path / "teacher").predict_proba(single.texts), teacher.predict_proba(single.texts)
    )
    opened = open_teacher(teacher)
    assert opened.classifier is teacher
    assert open_teacher(opened) is opened
    assert copy.copy(opened).classifier is teacher
    assert opened.encoder_ is teacher.encoder_
    with pytest.raises(SourceNotFoundError):
        open_teacher(str(tmp_path / "nowhere"))


def test_what_cannot_teach(tiny_encoder):
    """Prevents an AttributeError after the pool was read: nothing learnt, no classifier."""
    for teacher in (tiny_encoder, None, 3, object()):
        with pytest.raises(InputError, match="teacher must be a fitted classifier with a sentence encoder"):
            open_teacher(teacher)
    with pytest.raises(NotFittedError):
        open_teacher(LinearProbeClassifier(encoder=tiny_encoder))


@pytest.mark.parametrize("data", ["single", "multi"])
def test_a_classifier_without_an_encoder_teaches_probabilities(data, pool, request):
    """Prevents Naive Bayes from being refused as a teacher, and a student of its vectors, which it has not."""
    toy = request.getfixturevalue(data)
    classifier = NaiveBayesClassifier().fit(toy.texts, toy.labels)
    targets = compute_targets(classifier, pool)
    assert targets.embeddings is None
    np.testing.assert_array_equal(targets.probabilities, classifier.predict_proba(pool))
    assert open_teacher(classifier).label_space_ == classifier.label_space_
    with pytest.raises(InputError, match="NaiveBayesClassifier has none; name one by encoder="):
        DistillationTrainer(classifier, "static").fit(pool)


def test_a_transformers_folder_is_opened(tmp_path, tiny_tokenizer, pool):
    """Prevents a classifier of transformers from being taken for a folder of ours, or the other way round."""
    folder = write_classifier(tmp_path / "colors", tiny_tokenizer, ["red", "green"])
    for name in (folder, str(folder)):
        teacher = open_teacher(name)
        assert isinstance(teacher, SequenceTeacher)
        assert compute_targets(teacher, pool[:4]).probabilities.shape == (4, 2)
    (folder / "fewshot.json").write_text("{}")
    with pytest.raises(ModelFormatError, match="names no format"):
        open_teacher(folder)


def test_a_setfit_folder_is_opened(tmp_path, tiny_encoder, single, pool):
    """Prevents teachers that the package setfit trained from being left out."""
    classifier = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    classifier.to_setfit().save_pretrained(str(tmp_path / "setfit"))
    targets = compute_targets(tmp_path / "setfit", pool[:9])
    np.testing.assert_allclose(targets.probabilities, classifier.predict_proba(pool[:9]), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(targets.embeddings, axis=1), 1.0, atol=1e-5)


def test_fingerprints_follow_the_targets(tmp_path, tiny_encoder, tiny_static, single):
    """Prevents stored targets from being read for a teacher trained again, or computed again for a saved one."""
    texts, labels = single.texts, single.labels
    teachers = [
        NaiveBayesClassifier().fit(texts, labels),
        NaiveBayesClassifier().fit(texts[1:], labels[1:]),
        LinearProbeClassifier(encoder=tiny_static).fit(texts, labels),
        LinearProbeClassifier(encoder=tiny_static).fit(texts[1:], labels[1:]),
        LinearProbeClassifier(encoder=tiny_encoder).fit(texts, labels),
        KNNClassifier(encoder=tiny_encoder).fit(texts, labels),
    ]
    fingerprints = [open_teacher(teacher).fingerprint for teacher in teachers]
    assert len(set(fingerprints)) == len(teachers)
    for number in (0, 2):
        teachers[number].save(tmp_path / str(number))
        assert open_teacher(tmp_path / str(number)).fingerprint == fingerprints[number]
    cached = LinearProbeClassifier(encoder=CachedEncoder(tiny_static)).fit(texts, labels)
    assert open_teacher(cached).fingerprint == fingerprints[2]


def test_a_constant_teacher_without_vectors():
    """Prevents a student of a Naive Bayes that knows none of the pool's words."""
    classifier = NaiveBayesClassifier().fit(["good film", "bad film"], ["pos", "neg"])
    with pytest.raises(TeacherError, match="does it know the words"):
        compute_targets(classifier, ["Mars", "Jupiter"])
    check_targets(TeacherTargets(None, np.array([[0.5, 0.5]])))


def test_a_teacher_of_nan():
    """Prevents a student from following NaN; the message counts the texts."""
    with pytest.raises(TeacherError, match="NaN or infinite values for 1 of 3 texts"):
        compute_targets(teacher_of(lambda text: [np.nan if text == "b" else 1.0, len(text)]), ["a", "b", "ccc"])
    head = LinearHead(np.full((2, 2), np.nan), np.zeros(2), multi_label=False, C=1.0)
    with pytest.raises(TeacherError, match="probabilities hold NaN"):
        compute_targets(teacher_of(lambda text: [1.0, len(text)], head), ["a", "bb", "ccc"])


@pytest.mark.parametrize("vector", [[1.0, 2.0], [0.0, 0.0], [1e-20, 0.0]])
def test_a_constant_teacher(vector):
    """Prevents a student that learns to say the same of every text."""
    with pytest.raises(TeacherError, match="gives every text the same vector"):
        compute_targets(teacher_of(lambda text: vector), [f"text {i}" for i in range(600)])


def test_vectors_that_differ_pass():
    """Prevents a teacher from being refused for vectors that are near each other, or opposite."""
    check_embeddings(np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2]]))
    check_embeddings(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    check_embeddings(np.array([[1.0, 0.0], [0.0, 1.0]]))
