"""The static student: its table, its statistics, and its training."""

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from fewshot.core.errors import InputError
from fewshot.distillation import token_table
from fewshot.distillation.token_table import (
    DroppedTokens,
    TokenStatistics,
    fast_tokenizer,
    static_student,
    trainable_table,
    trained_table,
)

TEXTS = ["card refund card", "late", "", "parcel late again"]


def test_tokens_are_counted_as_the_teacher_sees_them(tiny_encoder):
    """Prevents padding from being counted, special tokens from being lost, and a hook that stays on the model."""
    pooling = tiny_encoder.model[1]
    with TokenStatistics(tiny_encoder) as statistics:
        assert len(pooling._forward_hooks) == 1
        tiny_encoder.encode(TEXTS)
    assert not pooling._forward_hooks
    tokenizer = fast_tokenizer(tiny_encoder)
    expected = np.zeros(tokenizer.get_vocab_size())
    for text in TEXTS:
        np.add.at(expected, tokenizer.encode(text).ids, 1)
    np.testing.assert_array_equal(statistics.counts.numpy(), expected)
    assert expected[tokenizer.token_to_id("card")] == 2
    assert expected[tokenizer.token_to_id("[CLS]")] == len(TEXTS)
    tiny_encoder.encode(["code"])
    np.testing.assert_array_equal(statistics.counts.numpy(), expected)


def test_sums_of_a_text_give_its_vector(tiny_encoder):
    """Prevents vectors of another layer, or of another length, from entering: their mean is the text's unit vector."""
    with TokenStatistics(tiny_encoder) as statistics:
        vector = tiny_encoder.encode(["parcel late again"])[0]
    mean = statistics.sums.sum(dim=0) / statistics.counts.sum()
    np.testing.assert_allclose(mean.numpy(), vector, atol=1e-5)


def test_the_hook_goes_when_encoding_fails(tiny_encoder):
    """Prevents a hook that counts, and slows, for the rest of the process."""
    with pytest.raises(InputError), TokenStatistics(tiny_encoder):
        tiny_encoder.encode([None])
    assert not tiny_encoder.model[1]._forward_hooks


@pytest.mark.parametrize("with_pool", [False, True])
def test_the_table_has_a_row_a_token(tiny_encoder, pool, with_pool):
    """Prevents a table that the tokenizer can point beyond, NaN rows, and a table that differs from run to run."""

    def make():
        if not with_pool:
            return static_student(tiny_encoder, dimension=8)
        with TokenStatistics(tiny_encoder) as statistics:
            tiny_encoder.encode(pool)
        return static_student(tiny_encoder, statistics, dimension=8)

    student = make()
    assert student.table.shape == (fast_tokenizer(tiny_encoder).get_vocab_size(), 8)
    assert np.isfinite(student.table).all()
    assert np.abs(student.table).mean() == pytest.approx(token_table.SCALE, rel=0.01)
    np.testing.assert_array_equal(student.table, make().table)
    assert static_student(tiny_encoder, dimension=1000).dimension == tiny_encoder.dimension


def test_a_pool_is_used(tiny_encoder, pool):
    """Prevents statistics that are gathered and not used, or a table that tells nothing before its training."""
    from fewshot.evaluation.metrics import cosine_correlation

    with TokenStatistics(tiny_encoder) as statistics:
        theirs = tiny_encoder.encode(pool)
    seen, unseen = static_student(tiny_encoder, statistics), static_student(tiny_encoder)
    assert np.abs(seen.table - unseen.table).max() > 1e-3
    for student in (seen, unseen):
        assert cosine_correlation(theirs, student.encode(pool)) > 0.5


def test_an_unused_pool_is_no_pool(tiny_encoder):
    """Prevents division by zero sightings."""
    with TokenStatistics(tiny_encoder) as statistics:
        pass
    np.testing.assert_array_equal(static_student(tiny_encoder, statistics).table, static_student(tiny_encoder).table)


def features_of(model, texts):
    """Tokenize as training does."""
    return model.preprocess(texts) if hasattr(model, "preprocess") else model.tokenize(texts)


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
    monkeypatch.setattr(token_table, "TOKEN_DROPOUT", 1.1)
    for texts, expected in ((TEXTS, whole), (["", ""], torch.zeros(2, 16))):
        vectors = model(dict(features_of(model, texts)))["sentence_embedding"]
        torch.testing.assert_close(vectors, expected)
        (vectors.sum() + vectors.square().sum()).backward()
        assert torch.isfinite(next(model.parameters()).grad.to_dense()).all()


def test_training_reaches_the_table(tiny_static):
    """Prevents a trained table that is the untrained one, or one that saving would round."""
    model = trainable_table(tiny_static, "cpu")
    with torch.no_grad():
        model[0].embedding.weight.copy_(model[0].start + 0.01)
    trained = trained_table(tiny_static, model)
    np.testing.assert_allclose(trained.table, tiny_static.table * 2 + 0.01, atol=1e-3)
    np.testing.assert_array_equal(trained.table, trained.table.astype(np.float16).astype(np.float32))
    assert isinstance(model[0], DroppedTokens)


def test_the_linear_map_is_in_the_trained_rows(tiny_static):
    """Prevents a map that training learnt and predicting forgets."""
    model = trainable_table(tiny_static, "cpu")
    with torch.no_grad():
        model[0].turn.copy_(torch.diag(torch.linspace(0.5, 2.0, 16)))
    trained = trained_table(tiny_static, model)
    np.testing.assert_allclose(trained.encode(TEXTS), model.eval().encode(TEXTS), atol=1e-3)
    assert np.abs(trained.encode(TEXTS) - tiny_static.encode(TEXTS)).max() > 0.01


def test_rare_tokens_stay_near_where_they_started(tiny_static):
    """Prevents a token seen once from learning its one text by heart, and those never seen from being left behind."""
    texts = ["card"] * 100 + ["late card"]
    model = trainable_table(tiny_static, "cpu", texts)
    with torch.no_grad():
        model[0].embedding.weight.fill_(1.0)
    moved = (trained_table(tiny_static, model).table - tiny_static.table).mean(axis=1)
    card, late, code = (int(tiny_static.token_ids([word])[0][0]) for word in ("card", "late", "code"))
    assert moved[card] == pytest.approx(101 / (101 + token_table.COUNT_TO_TRUST), abs=1e-2)
    assert moved[late] == pytest.approx(1 / (1 + token_table.COUNT_TO_TRUST), abs=1e-2)
    assert moved[code] == pytest.approx(0.0, abs=1e-3)
