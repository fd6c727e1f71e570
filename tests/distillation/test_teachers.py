"""What a teacher gives, and teachers that have nothing to give."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError, SourceNotFoundError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.teachers import check_embeddings, compute_targets, open_teacher
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder
from fewshot.heads.table import LinearHead


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
    assert open_teacher(teacher) is teacher
    with pytest.raises(SourceNotFoundError):
        open_teacher(str(tmp_path / "nowhere"))


def test_what_cannot_teach(single, tiny_encoder):
    """Prevents an AttributeError after the pool was read: no vectors, nothing learnt, no classifier."""
    for teacher in (NaiveBayesClassifier().fit(single.texts, single.labels), tiny_encoder, None):
        with pytest.raises(InputError, match="teacher must be a fitted classifier with a sentence encoder"):
            open_teacher(teacher)
    with pytest.raises(NotFittedError):
        open_teacher(LinearProbeClassifier(encoder=tiny_encoder))


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
