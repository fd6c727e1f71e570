"""The training of token tables: what of it reaches the trained table."""

import numpy as np
import pytest
import torch

from fewshot.distillation.convolved_tokens import ConvolvedTokens
from fewshot.distillation.dropped_tokens import COUNT_TO_TRUST, DroppedTokens
from fewshot.distillation.table_training import trainable_table, trained_table

TEXTS = ["card refund card", "late", "", "parcel late again"]


def test_training_reaches_the_table(tiny_static):
    """Prevents a trained table that is the untrained one, or one that saving would round."""
    model = trainable_table(tiny_static, "cpu")
    with torch.no_grad():
        model[0].embedding.weight.copy_(model[0].start + 0.01)
    trained = trained_table(model)
    np.testing.assert_allclose(trained.table, tiny_static.table * 2 + 0.01, atol=1e-3)
    np.testing.assert_array_equal(trained.table, trained.table.astype(np.float16).astype(np.float32))
    assert isinstance(model[0], DroppedTokens)
    assert not isinstance(model[0], ConvolvedTokens)


def test_the_linear_map_is_in_the_trained_rows(tiny_static):
    """Prevents a map that training learnt and predicting forgets."""
    model = trainable_table(tiny_static, "cpu")
    with torch.no_grad():
        model[0].turn.copy_(torch.diag(torch.linspace(0.5, 2.0, 16)))
    trained = trained_table(model)
    np.testing.assert_allclose(trained.encode(TEXTS), model.eval().encode(TEXTS), atol=1e-3)
    assert np.abs(trained.encode(TEXTS) - tiny_static.encode(TEXTS)).max() > 0.01


def test_rare_tokens_stay_near_where_they_started(tiny_static):
    """Prevents a token seen once from learning its one text by heart, and those never seen from being left behind."""
    texts = ["card"] * 100 + ["late card"]
    model = trainable_table(tiny_static, "cpu", texts)
    with torch.no_grad():
        model[0].embedding.weight.fill_(1.0)
    moved = (trained_table(model).table - tiny_static.table).mean(axis=1)
    card, late, code = (int(tiny_static.token_ids([word])[0][0]) for word in ("card", "late", "code"))
    assert moved[card] == pytest.approx(101 / (101 + COUNT_TO_TRUST), abs=1e-2)
    assert moved[late] == pytest.approx(1 / (1 + COUNT_TO_TRUST), abs=1e-2)
    assert moved[code] == pytest.approx(0.0, abs=1e-3)
