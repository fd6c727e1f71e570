"""Token tables in training: which tokens are seen."""

import numpy as np
import torch
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from fewshot.distillation import dropped_tokens
from fewshot.distillation.table_training import trainable_table
from tests.distillation.features import features_of

TEXTS = ["card refund card", "late", "", "parcel late again"]


def test_outside_training_it_is_a_static_embedding(tiny_static):
    """Prevents tokens from being dropped in prediction; a sum differs from a mean in length alone."""
    model = trainable_table(tiny_static, "cpu").eval()
    texts = [text for text in TEXTS if text]
    plain = StaticEmbedding(tiny_static.tokenizer, embedding_weights=tiny_static.table.copy())
    features = features_of(model, texts)
    ours, theirs = (module(dict(features))["sentence_embedding"] for module in (model[0], plain))
    torch.testing.assert_close(*(torch.nn.functional.normalize(vectors) for vectors in (ours, theirs)))
    np.testing.assert_allclose(model.encode(texts), tiny_static.encode(texts), atol=1e-5)


def test_in_training_tokens_are_dropped_and_never_all(tiny_static, monkeypatch):
    """Prevents NaN, or a vector of zeros, where the draw drops every token of a text, and at empty texts."""
    model = trainable_table(tiny_static, "cpu").train()
    whole = model.eval()(dict(features_of(model, TEXTS)))["sentence_embedding"]
    model.train()
    torch.manual_seed(0)
    some = model[0](dict(features_of(model, ["card late refund parcel code box"] * 50)))["sentence_embedding"]
    assert len({tuple(row.tolist()) for row in some}) > 10
    monkeypatch.setattr(dropped_tokens, "TOKEN_DROPOUT", 1.1)
    for texts, expected in ((TEXTS, whole), (["", ""], torch.zeros(2, 16))):
        vectors = model(dict(features_of(model, texts)))["sentence_embedding"]
        torch.testing.assert_close(vectors, expected)
        (vectors.sum() + vectors.square().sum()).backward()
        assert torch.isfinite(next(model.parameters()).grad.to_dense()).all()
