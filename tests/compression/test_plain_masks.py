"""Plain masks hide the same places as those of transformers, and leave masks of other kinds alone."""

import contextlib

import pytest
import torch
from transformers import masking_utils

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.compression import graphs
from fewshot.compression.onnx_export import export_classifier
from fewshot.compression.plain_masks import plain_masks

KNOWN = masking_utils.ALL_MASK_ATTENTION_FUNCTIONS
KINDS = ("eager", "sdpa")
PADDING = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1]], dtype=torch.bool)


def mask(kind, **changes):
    """Return the mask for two texts padded on the right and one on the left."""
    given = {"batch_size": 3, "q_length": 5, "kv_length": 5, "attention_mask": PADDING}
    given |= {"mask_function": masking_utils.bidirectional_mask_function, "dtype": torch.float16}
    return KNOWN[kind](**given | changes)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_hidden_as_ever(kind):
    """Prevents tokens that look at padding, or a mask of another type."""
    usual = mask(kind)
    with plain_masks():
        plain = mask(kind)
    assert plain.shape == (3, 1, 1, 5)
    assert plain.dtype == usual.dtype
    assert torch.equal(plain.expand_as(usual), usual)


OTHERS = {
    "causal": {"mask_function": masking_utils.causal_mask_function},
    "window": {"mask_function": masking_utils.sliding_window_bidirectional_mask_function(1)},
    "no padding": {"attention_mask": None, "allow_is_causal_skip": False},
    "places before the mask": {"attention_mask": PADDING[:, :4]},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", OTHERS)
def test_other_masks_are_made_as_ever(kind, other):
    """Prevents tokens that look further than their model lets them."""
    usual = mask(kind, **OTHERS[other])
    with plain_masks():
        assert torch.equal(mask(kind, **OTHERS[other]), usual)


def test_masks_are_as_before_after_the_block():
    """Prevents training and prediction from being changed by an export, be it one that fails."""
    before = {kind: KNOWN[kind] for kind in KINDS}
    with contextlib.suppress(ZeroDivisionError), plain_masks():
        assert all(KNOWN[kind] is not make for kind, make in before.items())
        _ = 1 / 0
    assert {kind: KNOWN[kind] for kind in KINDS} == before


def test_masks_that_are_registered_later_are_taken():
    """Prevents an export from covering up, for good, what others register for all."""
    with plain_masks():
        pass
    usual = KNOWN["sdpa"]
    try:
        masking_utils.AttentionMaskInterface.register("sdpa", masking_utils.eager_mask)
        assert KNOWN["sdpa"] is masking_utils.eager_mask
    finally:
        masking_utils.AttentionMaskInterface.register("sdpa", usual)


def test_exports_have_plain_masks(tiny_encoder, single, tmp_path, monkeypatch):
    """Prevents graphs that work out for each pair of places what the padding says."""
    onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
    probe = LinearProbeClassifier(tiny_encoder).fit(single.texts, single.labels)

    def operators(name):
        export_classifier(probe, tmp_path / name)
        return [node.op_type for node in onnx.load(str(tmp_path / name / "model.onnx")).graph.node]

    assert "Range" not in operators("plain")
    monkeypatch.setattr(graphs, "plain_masks", contextlib.nullcontext)
    assert "Range" in operators("usual")
