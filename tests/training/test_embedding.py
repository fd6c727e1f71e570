"""Groups of like length against one forward pass."""

import copy

import pytest
import torch

from fewshot.training import embedding
from fewshot.training.embedding import embed

TEXTS = ["refund", "late parcel again please", "password", "", "a b c d e f g h i j", "the card", "x y", "code"]
MANY = [f"{text} {i} {text}" for i, text in enumerate(TEXTS * 3)]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    """Cut these short texts into several groups, as long ones are."""
    monkeypatch.setattr(embedding, "CPU_TOKENS", 64)


def test_groups_of_like_length_are_one_forward_pass(tiny_model):
    """Prevents rows that come back in another order, lose a token, or see another text's padding."""
    model = copy.deepcopy(tiny_model).eval()
    features = model.preprocess(MANY) if hasattr(model, "preprocess") else model.tokenize(MANY)
    assert len(embedding._spans(sorted(features["attention_mask"].sum(dim=1).tolist()))) > 2

    def gradients(vectors):
        model.zero_grad()
        (vectors * torch.arange(vectors.numel()).view_as(vectors).cos()).sum().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    whole = model(dict(features))["sentence_embedding"]
    grouped = embed(model, dict(features))
    torch.testing.assert_close(grouped, whole, atol=1e-5, rtol=0)
    for one, other in zip(gradients(grouped), gradients(whole), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_other_padding_is_passed_on_whole(tiny_model):
    """Prevents left-padded texts from losing their end."""
    features = tiny_model.preprocess(MANY) if hasattr(tiny_model, "preprocess") else tiny_model.tokenize(MANY)
    tensors = {k: v for k, v in features.items() if isinstance(v, torch.Tensor)}
    flipped = {**features, **{k: v.flip(1) for k, v in tensors.items() if v.ndim == 2}}
    with torch.no_grad():
        expected = tiny_model(dict(flipped))["sentence_embedding"]
        torch.testing.assert_close(embed(tiny_model, dict(flipped)), expected, atol=1e-5, rtol=0)


def test_gradients_add_up_in_float32(tiny_model):
    """Prevents groups from sharing bfloat16 copies of the weights, whose gradients would add up in bfloat16."""
    model = copy.deepcopy(tiny_model).eval()
    features = model.preprocess(MANY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        grouped = embed(model, dict(features)).float()
    (grouped * torch.arange(grouped.numel()).view_as(grouped).cos()).sum().backward()
    gradient = model[0].auto_model.encoder.layer[0].output.dense.weight.grad
    assert not torch.equal(gradient, gradient.bfloat16().float())
