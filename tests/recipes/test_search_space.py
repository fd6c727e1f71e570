"""What may be searched: ranges around a learner's own values, names for arguments, and settings that depend."""

import pytest

from fewshot.core.errors import InputError
from fewshot.recipes.search_space import SETFIT, Dimension, SearchSpace

optuna = pytest.importorskip("optuna")

STEPS = Dimension("steps", None, low=0.25, high=2.0, around=True)
MIXED = {"a": 1.0, "b": 0.5}
LOSS = Dimension("loss", "a", ("a", "b", "a+b"), means=(("a+b", MIXED),))
HEAT = Dimension("heat", 1.0, low=0.5, high=2.0, when=("loss", ("b", "a+b")))
SHARE = Dimension("share", 0.5, low=0.0, high=0.9, log=False)


def test_a_range_lies_around_the_learners_own_value():
    """Prevents 2,000 steps as a proposal where 50 are usual, and half a step."""
    assert (STEPS.starting_from(100).low, STEPS.starting_from(100).high) == (25, 200)
    assert STEPS.starting_from(1).low == 1
    rate = Dimension("rate", None, low=0.1, high=4.0, around=True).starting_from(1e-4)
    assert (rate.default, rate.low, rate.high) == (1e-4, pytest.approx(1e-5), pytest.approx(4e-4))


def test_whole_numbers_stay_whole():
    """Prevents 73.2 steps."""
    trial = optuna.trial.FixedTrial({"steps": 73})
    assert isinstance(STEPS.starting_from(100).suggest(trial), int)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    values = [STEPS.starting_from(100).suggest(study.ask()) for _ in range(20)]
    assert all(isinstance(value, int) and 25 <= value <= 200 for value in values)


def test_a_linear_range_may_begin_at_0():
    """Prevents a share of exactly 0 from being out of reach, and the logarithm of 0."""
    assert SHARE.starting_from(0.0).default == 0.0
    with pytest.raises(InputError, match="both above 0"):
        Dimension("rate", 0.5, low=0.0, high=1.0)


@pytest.mark.parametrize("options", [{"low": 2.0, "high": 3.0}, {"low": 0.5, "high": 0.8}])
def test_a_range_around_a_value_holds_that_value(options):
    """Prevents a first trial outside of the space."""
    with pytest.raises(InputError, match="the default of steps"):
        Dimension("steps", None, around=True, **options)


def test_a_choice_can_stand_for_an_argument_that_is_no_name():
    """Prevents a mixture of losses from being out of a search's reach."""
    space = SearchSpace((LOSS, HEAT))
    assert space.arguments({"loss": "a+b", "heat": 0.7}) == {"loss": MIXED, "heat": 0.7}
    assert space.arguments({"loss": "a"}) == {"loss": "a"}
    assert space.starting_from({"loss": dict(MIXED)}).defaults() == {"loss": "a+b", "heat": 1.0}


def test_a_setting_can_matter_beside_several_values():
    """Prevents a temperature that is searched for one of the two losses that have it."""
    assert [HEAT.matters({"loss": name}) for name in ("a", "b", "a+b")] == [False, True, True]
    assert SearchSpace((LOSS, HEAT, SHARE)).without(loss="a").dimensions == (SHARE,)


def test_an_unknown_plain_value_joins_the_choices():
    """Prevents a first trial that is recorded with another value than its own."""
    moved = LOSS.starting_from("c")
    assert (moved.default, moved.choices) == ("c", ("c", "a", "b", "a+b"))


@pytest.mark.parametrize(("name", "value"), [("loss", {"c": 1.0}), ("share", True), ("share", -1.0), ("steps", 0)])
def test_what_no_trial_could_have_is_left_as_it_is(name, value):
    """Prevents a user's own object from being replaced by a search, or a crash on it."""
    space = SearchSpace((LOSS, HEAT, SHARE, STEPS)).starting_from({"steps": 10, "loss": "b"} | {name: value})
    gone = {name, "heat"} if name == "loss" else {name}
    assert {dimension.name for dimension in space.dimensions} == {"loss", "heat", "share", "steps"} - gone


def test_templates_of_ones_own_are_not_searched():
    """Prevents the search from dropping the sentences that a user wrote."""
    names = [dimension.name for dimension in SETFIT.starting_from({"templates": ["about {}"]}).dimensions]
    assert "templates" not in names


def test_further_settings_come_first_and_start_with_the_first_value():
    """Prevents the largest student from being the default because it is asked about last."""
    space = SETFIT.varying(student=("small", "large", "small"))
    assert space.dimensions[0] == Dimension("student", "small", ("small", "large"))
