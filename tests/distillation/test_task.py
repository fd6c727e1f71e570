"""What is said of a student beside its teacher."""

import numpy as np
import pytest

from fewshot.distillation.task import _correlation
from fewshot.evaluation.metrics import cosine_correlation


def test_a_text_without_known_words_is_like_no_other():
    """Prevents a table of words from losing its whole correlation to one text of which it knows no word."""
    random = np.random.default_rng(0)
    teacher, student = random.normal(size=(30, 8)), random.normal(size=(30, 5)).astype(np.float32)
    assert _correlation(teacher, student) == cosine_correlation(teacher, student)
    student[[3, 7]] = 0
    wide = np.hstack([student, np.zeros((30, 2), dtype=np.float32)])
    wide[3, 5] = wide[7, 6] = 1
    assert _correlation(teacher, student) == pytest.approx(cosine_correlation(teacher, wide), abs=1e-6)


def test_a_student_that_says_nothing_has_no_correlation():
    """Prevents a number where there is none."""
    assert _correlation(np.random.default_rng(0).normal(size=(9, 4)), np.zeros((9, 2))) is None
