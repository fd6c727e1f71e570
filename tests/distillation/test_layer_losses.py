"""Which layers are compared, and how: maps, measures and settings."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.distillation.layer_losses import LAYER_LOSSES, LayerLoss, LayerMeasure, uniform_layers


@settings(deadline=None)
@given(st.integers(1, 24), st.integers(1, 24))
def test_uniform_layers(n_student, n_teacher):
    """Prevents a map that leaves out the last layer, runs backwards, or names a layer that is not there."""
    pairs = uniform_layers(n_student, n_teacher)
    ours, theirs = zip(*pairs, strict=True)
    assert ours == tuple(range(1, n_student + 1))
    assert theirs[-1] == n_teacher
    assert list(theirs) == sorted(theirs)
    assert min(theirs) >= 1
    if n_student == n_teacher:
        assert ours == theirs


def norms(student, teacher):
    """A distance of one's own."""
    return (student.norm(dim=1) - teacher.norm(dim=1)).abs()


class Scaled:
    """A distance with a state."""

    def __call__(self, student, teacher, mask):
        """Return nothing of interest."""
        return student.sum(dim=(1, 2)) * 0


def test_measures():
    """Prevents a token-wise loss from passing for a pooled one, and checkpoints known by an address in memory."""
    assert {name: (m.token_wise, m.projected) for name, m in LAYER_LOSSES.items()} == {
        "hidden_mse": (True, True),
        "hidden_cosine": (True, True),
        "pooled": (False, True),
        "token_similarity": (True, False),
    }
    assert LayerLoss("pooled").measure is LAYER_LOSSES["pooled"]
    own = LayerLoss(LayerMeasure(norms, token_wise=False))
    assert own.name == "norms"
    assert own.measure.distance(torch.ones(2, 4), torch.zeros(2, 9)).tolist() == [2.0, 2.0]
    assert repr(own) == repr(LayerLoss(LayerMeasure(norms, token_wise=False)))
    assert repr(own) != repr(LayerLoss(LayerMeasure(norms)))
    for measure in (LayerMeasure(norms), LayerMeasure(Scaled()), *LAYER_LOSSES.values()):
        assert " at 0x" not in repr(measure)
    assert LayerMeasure(Scaled()).name == "Scaled"
    with pytest.raises(InputError, match="distance of a LayerMeasure must be a function of tensors, got 'mse'"):
        LayerMeasure("mse")


def test_what_is_asked_of_each_model():
    """Prevents hidden states from being asked of a model that has none, and a module from being asked of the other."""
    loss = LayerLoss("pooled", layers=((2, "encoder.5"), ("head", "encoder.7"), ("head", "encoder.5")))
    assert loss.asks_for(0) == (True, ("head", "head"))
    assert loss.asks_for(1) == (False, ("encoder.5", "encoder.7", "encoder.5"))
    assert LayerLoss("pooled").asks_for(0) == LayerLoss("pooled").asks_for(1) == (True, ())
    assert loss.pairs(2, 0) == ((2, "encoder.5"), ("head", "encoder.7"), ("head", "encoder.5"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hidden",), "kind of a layer loss must be one of"),
        (("hidden_mes",), "Did you mean 'hidden_mse'"),
        (("pooled", "every"), "layers must be 'uniform' or pairs"),
        (("pooled", ()), "layers must be 'uniform' or pairs"),
        (("pooled", ((1,),)), "layers must be 'uniform' or pairs"),
        (("pooled", ((1, -1),)), "layers must be 'uniform' or pairs"),
        (("pooled", ("ab", "cd")), "layers must be 'uniform' or pairs"),
        (("pooled", (("", 1),)), "layers must be 'uniform' or pairs"),
        (("pooled", ((True, 1),)), "layers must be 'uniform' or pairs"),
        ((["pooled"],), "kind of a layer loss must be one of"),
        (("pooled", 3), "layers must be 'uniform' or pairs"),
        (("pooled", "uniform", 0.0), "weight of a layer loss must be a number above 0"),
        (("pooled", "uniform", 1.0, "max"), "pooling of a layer loss must be one of mean, cls"),
        (("pooled", "uniform", 1.0, "cls", -1.0), "learning_rate of a layer loss"),
    ],
)
def test_wrong_settings(arguments, message):
    """Prevents a loss between layers that nobody meant."""
    with pytest.raises(InputError, match=message):
        LayerLoss(*arguments)
