"""How long a student is trained."""

import pytest

from fewshot.distillation.student_training import StudentTraining, default_schedule


@pytest.mark.parametrize(
    ("n_texts", "steps"), [(8, 51), (200, 80), (1000, 200), (5000, 300), (50_000, 1953), (10**6, 2000)]
)
def test_a_table_is_trained_for_longer_on_more_texts(n_texts, steps):
    """Prevents a small pool from being learnt by heart, and a large one from being seen in part."""
    assert default_schedule(n_texts, table=True).steps == steps


def test_smaller_batches_take_more_steps():
    """Prevents a student that sees fewer texts because its batches fit a smaller card."""
    usual = StudentTraining().schedule(1000, table=False)
    assert StudentTraining(batch_size=usual.batch_size // 2).schedule(1000, table=False).steps == 2 * usual.steps
    halves = StudentTraining(batch_size=usual.batch_size // 2, accumulation=2)
    assert halves.schedule(1000, table=False).steps == usual.steps
    assert StudentTraining(batch_size=100_000).schedule(1000, table=False).steps == 1  # none would train nothing
    assert StudentTraining(steps=7).schedule(1000, table=True).steps == 7
