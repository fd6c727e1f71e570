"""Looking at a student in training: memory over a kill, patience, and the weights that are kept."""

import pytest
import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.watching import StudentWatch
from fewshot.training.watching import BEST, CURVE


def weights_of(step):
    """Return a model whose only number is ``step``."""
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(float(step))
    return model


def watched(agreements, folder=None, *, patience=2, resume=False, first=1, correlations=None):
    """Return a watch after looks at steps ``first``, ``first + 1`` and so on, and what it answered."""
    seen = iter(zip(correlations or [0.5] * len(agreements), agreements, strict=True))

    def look(model):
        correlation, agreement = next(seen)
        return {"cosine_correlation": correlation, "agreement": agreement}

    watch = StudentWatch(look, patience=patience, folder=folder, resume=resume)
    watch.begin(first - 1)
    return watch, [watch(step, weights_of(step)) for step in range(first, first + len(agreements))]


def restored(watch):
    """Return the step whose weights the watch puts back, by its own word and by the weights."""
    model = weights_of(-1)
    return watch.restore(model), int(model.weight.item())


@pytest.mark.parametrize("on_disk", [False, True])
def test_patience(tmp_path, on_disk):
    """Prevents a stop too early or too late, and other weights than those of the best look."""
    watch, stops = watched([0.5, 0.7, 0.6, 0.7], tmp_path if on_disk else None)
    assert stops == [False, False, False, True]
    assert restored(watch) == (2, 2)
    assert [row["agreement"] for row in watch.rows] == [0.5, 0.7, 0.6, 0.7]


def test_of_equal_looks_the_nearer_cosines_win():
    """Prevents a tie in agreement, which few texts make often, from being broken by the order alone."""
    watch, stops = watched([0.7, 0.7, 0.7], correlations=[0.5, 0.8, 0.8])
    assert stops == [False, False, False]
    assert restored(watch) == (2, 2)


def test_without_patience_nothing_stops_and_nothing_is_put_back(tmp_path):
    """Prevents files as large as the model where nobody asked to go back."""
    watch, stops = watched([0.9, 0.1, 0.1, 0.1], tmp_path, patience=None)
    assert not any(stops)
    assert restored(watch) == (None, -1)
    assert [path.name for path in tmp_path.iterdir()] == [CURVE]


def test_agreement_that_is_never_known():
    """Prevents a stop, or a comparison with nothing, where too few texts are held out."""
    watch, stops = watched([None, None, None, None])
    assert not any(stops)
    assert restored(watch) == (None, -1)


def test_a_resumed_watch_is_as_one_without_a_break(tmp_path):
    """Prevents a kill from lengthening the patience, or from losing the best weights."""
    figures = [0.5, 0.7, 0.6, 0.65]
    whole, stops = watched(figures, tmp_path / "whole")
    watched(figures[:3], tmp_path / "killed")  # after its third look; the checkpoint is of the second
    resumed, rest = watched(figures[2:], tmp_path / "killed", resume=True, first=3)
    assert resumed.rows == whole.rows
    assert rest == stops[2:]
    assert restored(resumed) == restored(whole) == (2, 2)


def test_a_training_that_was_at_its_end(tmp_path):
    """Prevents the last weights from coming back where a kill came after the last step."""
    watched([0.9, 0.1], tmp_path)
    again = StudentWatch(lambda model: {}, patience=2, folder=tmp_path, resume=True)
    again.begin(2)
    assert restored(again) == (1, 1)
    assert len(again.rows) == 2


def test_a_fresh_start_forgets(tmp_path):
    """Prevents the looks at another student from deciding about this one."""
    watched([0.9, 0.9], tmp_path)
    fresh, _ = watched([0.2], tmp_path)
    assert [row["agreement"] for row in fresh.rows] == [0.2]
    StudentWatch(lambda model: {}, folder=tmp_path)
    assert not (tmp_path / CURVE).exists()
    assert not (tmp_path / BEST).exists()


def test_looks_without_a_checkpoint_are_forgotten(tmp_path):
    """Prevents the best weights of a run with other settings, killed before its first checkpoint, from being kept."""
    watched([0.9, 0.9], tmp_path)
    resumed, _ = watched([0.2, 0.3], tmp_path, resume=True)
    assert [row["agreement"] for row in resumed.rows] == [0.2, 0.3]
    assert restored(resumed) == (2, 2)


def test_a_damaged_memory_is_none(tmp_path):
    """Prevents a torn file from ending the training."""
    (tmp_path / CURVE).write_text("{")
    watch, _ = watched([0.4], tmp_path, resume=True, first=5)
    assert [row["step"] for row in watch.rows] == [5]


def test_a_patience_of_nothing():
    """Prevents a training that stops at its first look."""
    with pytest.raises(InputError, match="patience must be at least 1 look"):
        StudentWatch(lambda model: {}, patience=0)
