"""One seed decides everything, and nothing outside is changed."""

import random

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.training.seeding import check_random_state, seeded


def draws():
    """Draw from each global generator."""
    return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002


def test_the_seed_reaches_all_three():
    """Prevents one library's draws from differing between two runs of one seed."""
    with seeded(5) as generator:
        one = (*draws(), generator.random())
    with seeded(5) as generator:
        assert (*draws(), generator.random()) == one
    with seeded(6):
        assert all(a != b for a, b in zip(draws(), one, strict=False))


@pytest.mark.parametrize("failing", [False, True])
def test_the_callers_states_come_back(failing):
    """Prevents training from resetting the caller's own random numbers, also when it fails."""
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    expected = draws()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    try:
        with seeded(99):
            draws()
            if failing:
                raise RuntimeError
    except RuntimeError:
        pass
    assert draws() == expected


@pytest.mark.parametrize("random_state", [-1, 2**32, 1.5, "0", None, True])
def test_what_is_no_seed(random_state):
    """Prevents a seed that one library takes and another refuses halfway."""
    with pytest.raises(InputError, match="random_state must be an integer from 0 to 4294967295"):
        check_random_state(random_state)


@pytest.mark.parametrize("random_state", [0, 2**32 - 1, np.int64(7)])
def test_what_is_a_seed(random_state):
    """Prevents NumPy's integers, as a loop over an array gives them, from being refused."""
    check_random_state(random_state)
    with seeded(random_state):
        pass
