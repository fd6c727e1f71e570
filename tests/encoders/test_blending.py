"""Blends of a frozen and a trained encoder."""

import pytest
import torch

from fewshot.encoders.blending import blend


@pytest.fixture
def moved(tiny_encoder):
    """A copy of the model with other weights everywhere."""
    model, generator = tiny_encoder.trainable_copy(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def test_a_blend_lies_between_its_ends(tiny_encoder, moved, single):
    """Prevents weights that are blended the wrong way round, or the ends from being changed by it."""
    before = {name: tensor.clone() for name, tensor in tiny_encoder.model.state_dict().items()}
    ends = {name: tensor.clone() for name, tensor in moved.state_dict().items()}
    assert blend(tiny_encoder, moved, 0.0) is tiny_encoder
    assert blend(tiny_encoder, moved, 1.0).model is moved
    for share in (0.5, 0.25):
        mixed = blend(tiny_encoder, moved, share).model.state_dict()
        for name, tensor in mixed.items():
            if tensor.is_floating_point():
                torch.testing.assert_close(tensor, (1 - share) * before[name] + share * ends[name])
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_encoder.model.state_dict().items())
    assert all(torch.equal(tensor, ends[name]) for name, tensor in moved.state_dict().items())
