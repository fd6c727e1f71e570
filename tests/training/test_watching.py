"""The watch of any model: a training that was over when it was killed is over when it goes on."""

import torch
from torch import nn

from fewshot.training.watching import BestWatch


class LowestWatch(BestWatch):
    """Watches a number that shall be low."""

    def rank(self, row):
        return (-row["loss"],)

    def in_words(self, figures):
        return f"{figures['loss']}"


def watched(losses, folder, steps, **options):
    """Return a watch after looks at ``steps`` and what it answered; one look more than ``losses`` has fails."""
    seen = iter(losses)
    watch = LowestWatch(lambda model: {"loss": next(seen)}, patience=2, folder=folder, **options)
    watch.begin(steps[0] - 1)
    model = nn.Linear(1, 1)
    answers = []
    for step in steps:
        with torch.no_grad():
            model.weight.fill_(step)
        answers.append(watch(step, model))
    return watch, answers


def test_where_it_stopped(tmp_path):
    """Prevents losses of steps that a training without a break would not have taken."""
    whole, answers = watched([3.0, 1.0, 2.0, 1.5], tmp_path, [10, 20, 30, 40])
    assert answers == [False, False, False, True]
    assert whole.stopped_at == 40
    unstopped, _ = watched([3.0, 1.0, 2.0], None, [10, 20, 30])
    assert unstopped.stopped_at is None


def test_over_is_over(tmp_path):
    """Prevents a training that was killed after its last look, with a checkpoint of that step, from looking on."""
    watched([3.0, 1.0, 2.0, 1.5], tmp_path, [10, 20, 30, 40])
    resumed, answers = watched([], tmp_path, [50], resume=True)
    assert answers == [True]
    assert [row["step"] for row in resumed.rows] == [10, 20, 30, 40]
    assert resumed.stopped_at == 40
    model = nn.Linear(1, 1)
    assert resumed.restore(model) == 20
    assert model.weight.item() == 20
