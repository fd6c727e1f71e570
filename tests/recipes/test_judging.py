"""Answers as they are shown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fewshot.recipes.judging import four_digits


@given(st.lists(st.floats(0, 1)), st.integers(0, 20_000))
def test_four_digits_are_those_of_round(values, half):
    """Prevents a last digit that differs from that of a run with another version, near halves above all."""
    near = half / 20_000
    values = [*values, near, float(np.nextafter(near, 1)), float(np.nextafter(near, 0)), float(np.float32(near))]
    assert four_digits(np.array(values)).tolist() == [round(value, 4) for value in values]
