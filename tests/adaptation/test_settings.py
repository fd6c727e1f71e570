"""What is chosen where nothing was said, and what cannot be asked for."""

import pytest

from fewshot.adaptation.settings import OBJECTIVES, check_objective, make_schedule
from fewshot.core.errors import InputError


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_small_pool_is_not_passed_over_and_over(name):
    """Prevents hundreds of passes over some dozen texts, and thousands of steps on a large pool."""
    default = OBJECTIVES[name]
    small, large = make_schedule(name, default.batch_size), make_schedule(name, 10**6)
    assert small.steps == default.epochs
    assert (large.steps, large.batch_size, large.learning_rate) == (
        default.most_steps,
        default.batch_size,
        default.learning_rate,
    )


def test_what_is_given_wins():
    """Prevents a flag without effect."""
    made = make_schedule("simcse", 1000, steps=7, batch_size=10, learning_rate=1e-3)
    assert (made.steps, made.batch_size, made.learning_rate) == (7, 10, 1e-3)
    assert make_schedule("tsdae", 1000, epochs=4, batch_size=10).steps == 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 3, "epochs": 2}, "steps or epochs, not both"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"steps": -1}, "steps must be 0 or more"),
        ({"batch_size": 1}, "batch_size must be at least 2"),
        ({"batch_size": 0}, "batch_size must be at least 2"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
    ],
)
def test_numbers_out_of_range(options, message):
    """Prevents a mistake from being found in the depths of a training."""
    with pytest.raises(InputError, match=message):
        make_schedule("simcse", 100, **options)


def test_an_unknown_objective():
    """Prevents a typing error from choosing something else in silence."""
    with pytest.raises(InputError, match="Did you mean 'simcse'"):
        check_objective("simsce")
