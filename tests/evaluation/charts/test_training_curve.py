"""The picture of a training."""

import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.training_curve import plot_training_curve

LOSSES = [1.0 / (step + 1) for step in range(50)]
CURVE = [{"step": step, "agreement": step / 60, "cosine_correlation": 0.5} for step in (10, 20, 50)]


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    """Prevents a student's folder that changes with the day, and a picture that does not change with its numbers."""
    first = plot_training_curve(LOSSES, CURVE, tmp_path / "curve.png", before={"agreement": 0.1}, kept_step=20)
    assert (tmp_path / "curve.png").read_bytes() == first
    assert plot_training_curve(LOSSES, CURVE, before={"agreement": 0.1}, kept_step=20) == first
    for changed in ({"before": {"agreement": 0.1}}, {"kept_step": 20}, {"title": "another"}):
        assert plot_training_curve(LOSSES, CURVE, **changed) != first


@pytest.mark.parametrize("curve", [[], [{"step": 1, "agreement": None}], CURVE[:1]])
@pytest.mark.parametrize("losses", [LOSSES, LOSSES[:1], [0.0, 0.0], [-1.0, 2.0]])
def test_little_is_drawn_too(losses, curve):
    """Prevents a short training, a loss of 0 or unknown figures from ending a run whose student is saved."""
    assert plot_training_curve(losses, curve)[1:4] == b"PNG"


def test_nothing_to_draw():
    """Prevents an empty picture."""
    with pytest.raises(InputError, match="no step to plot"):
        plot_training_curve([], [])
