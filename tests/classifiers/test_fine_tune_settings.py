"""How long a fine-tuning is, when it is looked at, and numbers out of range."""

import pytest

from fewshot.classifiers.fine_tune_settings import LOOKS, FineTuneSettings, default_epochs
from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.core.errors import InputError

USUAL = FineTunedClassifier()._settings()


def settings(**changes):
    """Return the default settings with changes."""
    return FineTuneSettings(**{**vars(USUAL), **changes})


def test_epochs_are_counted_in_texts():
    """Prevents an epoch from being a step, or a batch."""
    plan = settings(epochs=6, batch_size=4, accumulation=2).plan(33)
    assert (plan.per_epoch, plan.schedule.steps) == (5, 30)
    assert plan.looks == [5, 10, 15, 20, 25, 30]
    assert plan.epochs(15) == 3.0


@pytest.mark.parametrize(("epochs", "n_looks"), [(1, 1), (8, 8), (9, 5), (20, 7), (100, 8)])
def test_looks_are_few_whole_epochs_and_end_with_the_training(epochs, n_looks):
    """Prevents a training whose end nobody judged, and one that is looked at for longer than it trains."""
    plan = settings(epochs=epochs, batch_size=8).plan(20)
    assert len(plan.looks) == n_looks <= LOOKS
    assert plan.looks[-1] == plan.schedule.steps
    assert all(step % plan.per_epoch == 0 for step in plan.looks)


@pytest.mark.parametrize("steps", [1, 5, 8, 9, 100])
def test_steps_are_looked_at_as_well(steps):
    """Prevents a step count that is no whole number of epochs from never being judged."""
    plan = settings(steps=steps).plan(20)
    assert plan.schedule.steps == plan.looks[-1] == steps
    assert len(plan.looks) <= LOOKS


@pytest.mark.parametrize("n", [2, 8, 32, 200, 500, 5000, 10**6])
def test_default_epochs_are_bounded(n):
    """Prevents one epoch on 8 texts, which learns nothing, and twenty on a million."""
    assert 2 <= default_epochs(n) <= 40
    assert default_epochs(n) >= default_epochs(2 * n)


def test_parts_of_the_texts_train_for_as_many_epochs():
    """Prevents folds, which are smaller, from being looked at after other numbers of epochs than the last training."""
    lasting = settings().lasting(900)
    assert default_epochs(450) > default_epochs(900) == lasting.epochs
    whole, part = lasting.plan(900), lasting.plan(450)
    assert [whole.epochs(step) for step in whole.looks] == [part.epochs(step) for step in part.looks]
    for given in (settings(epochs=3), settings(steps=7)):
        assert given.lasting(900) is given


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"epochs": 2, "steps": 2}, "give one of them"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"accumulation": 0}, "accumulation must be at least 1"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"warmup": 1.0}, "warmup must be a share"),
        ({"warmup": -0.1}, "warmup must be a share"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"head_learning_rate": -1.0}, "head_learning_rate must be above 0"),
        ({"layer_decay": 1.5}, "layer_decay must be above 0 and at most 1"),
    ],
)
def test_settings_out_of_range(changes, message):
    """Prevents a training on nonsense, found out after the encoder was loaded."""
    with pytest.raises(InputError, match=message):
        settings(**changes)
