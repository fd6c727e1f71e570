"""What is said of a student beside its teacher."""

import numpy as np

from fewshot.distillation.task import _correlation


def test_a_student_that_says_nothing_has_no_correlation():
    """Prevents a number where there is none, and a training that ends with an error after all its work."""
    teacher = np.random.default_rng(0).normal(size=(9, 4))
    assert _correlation(teacher, np.zeros((9, 2))) is None
    assert _correlation(teacher, np.hstack([teacher, teacher])) > 0.99
