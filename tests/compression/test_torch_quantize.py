"""PyTorch's own int8: in memory, for comparison, as long as there is such."""

import sys

import numpy as np
import pytest
from torch import nn

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.compression.torch_quantize import quantize_torch
from fewshot.core.errors import InputError


@pytest.fixture(scope="module")
def probe(tiny_encoder, single):
    """A linear probe on the tiny transformer."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)


def test_it_rounds_and_leaves_the_original(probe, pool):
    """Prevents a copy that computes as before, or an original that does not."""
    before = probe.predict_proba(pool)
    pytest.importorskip("torch.ao.quantization", reason="a torch to come has none")
    made = quantize_torch(probe)
    after = made.predict_proba(pool)
    assert 0 < np.abs(after - before).max() < 0.2
    assert not any(type(module) is nn.Linear for module in made.encoder_.model.modules())
    np.testing.assert_array_equal(probe.predict_proba(pool), before)


def test_a_torch_without_it_says_what_to_do_instead(probe, monkeypatch):
    """Prevents a bare ImportError once it is gone."""
    monkeypatch.setitem(sys.modules, "torch.ao.quantization", None)
    with pytest.raises(InputError, match="export the classifier instead"):
        quantize_torch(probe)


def test_what_has_no_transformer_is_refused(tiny_static, single):
    """Prevents a failure deep inside torch."""
    table = LinearProbeClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    with pytest.raises(InputError, match="on StaticEncoder"):
        quantize_torch(table)
