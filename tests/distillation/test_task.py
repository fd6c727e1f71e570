"""What is said of a student beside its teacher."""

import types

import numpy as np
import pytest

from fewshot.data.labels import LabelSpace
from fewshot.distillation.task import DistillationTask, _correlation
from fewshot.distillation.teacher_targets import TeacherTargets
from fewshot.distillation.transfer_set import TransferSet


def make_task(texts, held_out, vectors, probabilities, weight=None):
    """Return a multi-label task of two labels whose teacher said this of the texts, and then of those held out."""
    teacher = types.SimpleNamespace(label_space_=LabelSpace(("a", "b"), multi_label=True))
    n = len(texts)
    said = TeacherTargets(vectors[:n], probabilities[:n]), TeacherTargets(vectors[n:], probabilities[n:])
    return DistillationTask(teacher, TransferSet([], None, texts, held_out), said[0], None, said[1], weight)


def encoder_of(vectors):
    """Return an encoder that gives the text ``"3"`` the fourth vector."""
    return types.SimpleNamespace(encode=lambda texts: vectors[[int(text) for text in texts]].astype(np.float32))


def test_a_student_that_says_nothing_has_no_correlation():
    """Prevents a number where there is none, and a training that ends with an error after all its work."""
    teacher = np.random.default_rng(0).normal(size=(9, 4))
    assert _correlation(teacher, np.zeros((9, 2))) is None
    assert _correlation(teacher, np.hstack([teacher, teacher])) > 0.99


def test_a_text_that_the_teacher_cannot_read_costs_no_correlation():
    """Prevents one text without any token of a table from taking the correlation of all others along."""
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    vectors[15] = 0.0
    texts = [str(row) for row in range(20)]
    task = make_task(texts[:10], texts[10:], vectors, np.full((20, 2), 0.3))
    assert task.look(encoder_of(vectors))["cosine_correlation"] == pytest.approx(1.0)


def test_dropped_texts_choose_no_threshold():
    """Prevents texts that count for nothing, as the teacher is unsure of them, from deciding where a label applies."""
    rng = np.random.default_rng(0)
    sure = rng.random((60, 2)).round() * 0.96 + 0.02
    unsure = np.full((400, 2), 0.55)  # by these a label always applies
    probabilities = np.concatenate([sure, unsure, sure[:10]])
    vectors = np.concatenate([sure, rng.normal(0.5, 0.1, (400, 2)), sure[:10]]) - 0.3
    texts = [str(row) for row in range(len(vectors))]
    weight = np.concatenate([np.ones(60), np.zeros(400)])
    with_them = make_task(texts[:460], texts[460:], vectors, probabilities, weight)
    without = make_task(
        texts[:60], texts[460:], vectors[[*range(60), *range(460, 470)]], np.concatenate([sure, sure[:10]])
    )
    heads = [task.fit_head(encoder_of(vectors)) for task in (with_them, without)]
    np.testing.assert_allclose(heads[0].coef, heads[1].coef, atol=0.05)
    np.testing.assert_allclose(heads[0].threshold, heads[1].threshold, atol=0.02)
