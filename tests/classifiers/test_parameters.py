"""Sizes of models, part by part."""

import pytest
import torch
from torch import nn

from fewshot.classifiers.parameters import ParameterRow, count_parameters, parameter_table


@pytest.fixture
def model():
    """Two linear layers in a block, one of them frozen, and a head that shares the first one's weight."""
    block = nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4, affine=False), nn.Linear(4, 4))
    head = nn.Linear(4, 4, bias=False)
    head.weight = block[0].weight
    block[2].requires_grad_(False)
    return nn.ModuleDict({"block": block, "act": nn.GELU(), "head": head})


def test_parts_and_whole(model):
    """Prevents shared weights from counting twice in the whole, and buffers from passing for parameters."""
    assert parameter_table(model) == [
        ParameterRow("", 36, 16, pytest.approx(144e-6)),
        ParameterRow("block", 36, 16, pytest.approx(144e-6)),
        ParameterRow("block.0", 16, 16, pytest.approx(64e-6)),
        ParameterRow("block.2", 20, 0, pytest.approx(80e-6)),
        ParameterRow("head", 16, 16, pytest.approx(64e-6)),
    ]
    assert [row.name for row in parameter_table(model, depth=1)] == ["", "block", "head"]
    assert [row.name for row in parameter_table(model, depth=0)] == [""]


def test_half_precision_is_half_the_size(model):
    """Prevents four bytes from being said of two, and a count that depends on the precision."""
    [whole] = parameter_table(model.to(torch.bfloat16), depth=0)
    assert (whole.n_parameters, whole.megabytes) == (36, pytest.approx(72e-6))


def test_counts(model):
    """Prevents a total that is not the table's, and names that are not left out."""
    assert count_parameters(model) == parameter_table(model)[0].n_parameters == 36
    assert count_parameters(model, without="block.2") == 16
    assert parameter_table(nn.GELU()) == []
    assert count_parameters(nn.GELU()) == 0
