"""The static student: its table and its statistics."""

import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.distillation import token_table
from fewshot.distillation.token_table import (
    TokenStatistics,
    fast_tokenizer,
    static_student,
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
