"""Static students of words and of pairs: where their rows start, and that training reaches them."""

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.distillation.table_students import (
    TABLE_STUDENTS,
    table_student,
    vocabulary_words,
    with_bigrams,
    with_convolution,
    word_student,
)
from fewshot.distillation.table_training import trainable_table, trained_table
from fewshot.distillation.token_table import (
    SCALE,
    TokenStatistics,
    fast_tokenizer,
    static_student,
    teacher_rows,
)
from fewshot.encoders.words import split_words
from tests.distillation.features import features_of


def test_a_word_of_one_token_starts_there(tiny_encoder, pool):
    """Prevents words whose rows point elsewhere than the teacher's table, or lie under another word's number."""
    with TokenStatistics(tiny_encoder) as statistics:
        tiny_encoder.encode(pool)
    words, tokens = word_student(tiny_encoder, pool, statistics), static_student(tiny_encoder, statistics)
    assert words.name == "static:words"
    own = set(split_words(pool))
    assert set(words.words.words) > own
    for i, word in enumerate(words.words.words, start=1):
        row, other = words.table[i], tokens.table[tokens.tokenizer.token_to_id(word)]
        assert row @ other / np.linalg.norm(row) / np.linalg.norm(other) > 0.999
    assert not words.table[0].any()
    assert not words.table[len(words.words.words) + 1 :].any()
    n_words = len(words.words.words)
    assert np.abs(words.table[1 : n_words + 1]).mean() == pytest.approx(SCALE, rel=0.01)
    np.testing.assert_array_equal(words.table, word_student(tiny_encoder, pool, statistics).table)


def test_a_word_of_several_tokens(tiny_encoder):
    """Prevents the plain sum, by which long words would outweigh short ones, and frequent pieces from deciding."""
    student, tokenizer = (
        word_student(tiny_encoder, ["cards late", "cards, late"], n_words=2),
        fast_tokenizer(tiny_encoder),
    )
    rows, weights = teacher_rows(tiny_encoder, tokenizer, None, 128)
    expected = []
    for word in student.words.words:  # each comes twice: their own weights are the same
        pieces = tokenizer.encode(word, add_special_tokens=False).ids
        expected.append(rows[pieces].sum(axis=0) / weights[pieces].sum())
    assert student.words.words == ("cards", "late")
    assert len(tokenizer.encode("cards", add_special_tokens=False).ids) > 1
    scaled = np.array(expected) * SCALE / np.abs(expected).mean()
    np.testing.assert_allclose(student.table[1:3], scaled, atol=1e-4)


def test_words_resemble_the_teacher(tiny_encoder, pool):
    """Prevents a table of words that tells nothing before its training."""
    from fewshot.evaluation.metrics import cosine_correlation

    with TokenStatistics(tiny_encoder) as statistics:
        theirs = tiny_encoder.encode(pool)
    assert cosine_correlation(theirs, word_student(tiny_encoder, pool, statistics).encode(pool)) > 0.5


def test_no_word_at_all(tiny_encoder):
    """Prevents a mean of nothing where no word gets a row."""
    student = word_student(tiny_encoder, ["!?"], n_words=0)
    assert student.words.words == ()
    assert not student.table.any()


def test_words_that_the_pool_lacks(tiny_encoder):
    """Prevents a word that the teacher knows from sharing a row with others because the pool did not say it."""
    student = word_student(tiny_encoder, ["card late"])
    known = vocabulary_words(fast_tokenizer(tiny_encoder))
    assert student.words.words[:2] == ("card", "late")
    assert set(student.words.words) == {*known, "card", "late"}
    assert "refund" in known
    assert not any(word.startswith(("#", "[")) for word in known)
    assert student.encode(["refund"]).any()


@pytest.mark.parametrize(
    ("n_words", "words"),
    [
        (2, {"card", "late"}),
        (4, {"card", "late", "a", "b"}),  # the tokenizer's first words
        (10**4, None),
    ],
)
def test_rare_words_make_room_for_the_teachers(tiny_encoder, n_words, words):
    """Prevents a large pool, with its misspelt words and names, from leaving no row to what the teacher knows."""
    pool = ["card late", "card late", "refund zzyzx b"]
    known = vocabulary_words(fast_tokenizer(tiny_encoder))
    student = word_student(tiny_encoder, pool, n_words=n_words)
    assert len(student.words.words) == len(set(student.words.words)) <= n_words
    assert set(student.words.words) == (words or {*known, "zzyzx"})


def test_words_of_byte_level_tokenizers(tiny_encoder):
    """Prevents a vocabulary of bytes from being read as letters, which loses every word with an accent."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces = ["Ġ" + level.pre_tokenize_str(word)[0][0] for word in ("café", "card")] + ["Ġ", *"cardf"]
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="Ġ"))
    tokenizer.pre_tokenizer, tokenizer.decoder = level, decoders.ByteLevel()
    assert {"café", "card"} <= set(vocabulary_words(tokenizer))


@pytest.mark.parametrize("kind", ["static", "static:words"])
def test_bigrams_start_from_zero_and_are_trained(tiny_encoder, pool, kind):
    """Prevents rows that change vectors before they were trained, or that training does not reach or lose."""
    plain = table_student(kind, tiny_encoder, pool)
    student = with_bigrams(plain, pool, 10)
    assert student.name == {"static": "static:bigrams", "static:words": "static:words+bigrams"}[kind]
    assert student.bigrams.table.shape == (10, plain.dimension)
    np.testing.assert_array_equal(student.encode(pool), plain.encode(pool))
    model = trainable_table(student, "cpu").train()
    torch.manual_seed(0)  # some tokens are left out in training
    vectors = model(dict(features_of(model, [*pool] * 8)))["sentence_embedding"]
    vectors[:, 0].sum().backward()
    assert model[0].bigram_rows.grad.any()
    with torch.no_grad():
        model[0].bigram_rows.add_(torch.arange(10.0)[:, None])
    trained = trained_table(model.eval())
    np.testing.assert_array_equal(trained.bigrams.pairs, student.bigrams.pairs)
    np.testing.assert_array_equal(trained.bigrams.table[:, 0], np.arange(10))
    np.testing.assert_allclose(model.encode(pool), trained.encode(pool), atol=1e-4)
    assert not student.bigrams.table.any()


def test_training_cuts_texts_as_prediction_does(tiny_encoder, pool):
    """Prevents hashed words, which other libraries do not know, from being left out in training."""
    student = word_student(tiny_encoder, pool, n_words=5)
    model = trainable_table(student, "cpu").eval()
    texts = ["refund unheard of", "please locked", "", "word-less"]
    ids, bounds = student.token_ids(texts)
    features = features_of(model, texts)
    assert features["input_ids"].tolist() == ids.tolist()
    assert features["offsets"].tolist() == bounds[:-1].tolist()
    assert max(ids) > 5


def test_each_kind_by_its_name(tiny_encoder, pool):
    """Prevents a name from being read as another kind, and a table of words without words."""
    for kind in TABLE_STUDENTS:
        student = table_student(kind, tiny_encoder, pool)
        assert student.name == kind
        assert (student.words is not None) == ("words" in kind)
        assert (student.bigrams is not None) == ("bigrams" in kind)
        assert (student.convolution is not None) == ("conv" in kind)
    assert table_student("static", tiny_encoder, []).name == "static"
    with pytest.raises(InputError, match="give unlabelled texts"):
        table_student("static:words", tiny_encoder, [])
    with pytest.raises(InputError, match="Did you mean 'static:words'"):
        table_student("static:word", tiny_encoder, pool)


def test_a_student_of_words_is_trained(tiny_encoder, pool):
    """Prevents rows of words and pairs that the whole training, from losses to the saved folder, does not carry."""
    from fewshot.training.losses import PairwiseCosineLoss
    from fewshot.training.samplers import ShuffledBatches
    from fewshot.training.schedule import Schedule
    from fewshot.training.targets import EmbeddingSimilarity
    from fewshot.training.trainer import train_pairwise

    student = table_student("static:words+bigrams", tiny_encoder, pool)
    model = trainable_table(student, "cpu")
    losses = train_pairwise(
        model,
        pool,
        PairwiseCosineLoss(model, EmbeddingSimilarity(tiny_encoder.encode(pool))),
        ShuffledBatches(len(pool), batch_size=32, steps=30, random_state=0),
        Schedule(30, 32, 2e-3),
        description="testing",
        device="cpu",
        random_state=0,
    )
    trained = trained_table(model)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert trained.bigrams.table.any()
    assert np.abs(trained.table - student.table).max() > 1e-3


@pytest.mark.parametrize("kind", ["static", "static:words"])
def test_filters_start_by_chance_and_add_nothing(tiny_encoder, pool, kind):
    """Prevents filters that change vectors before they were trained, that nobody can repeat, or that all are alike."""
    plain = table_student(kind, tiny_encoder, pool)
    student = with_convolution(plain, n_filters=8, random_state=1)
    assert student.name == {"static": "static:conv", "static:words": "static:words+conv"}[kind]
    np.testing.assert_allclose(student.encode(pool), plain.encode(pool), atol=1e-6)
    kernels = [with_convolution(plain, n_filters=8, random_state=seed).convolution.kernel for seed in (1, 1, 2)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0.01
    assert len(np.unique(kernels[0].round(3))) > kernels[0].size / 10


@pytest.mark.parametrize("kind", ["static:bigrams", "static:words+conv"])
@pytest.mark.parametrize("more", [with_bigrams, lambda student, pool: with_convolution(student)], ids=["pairs", "conv"])
def test_neighbours_are_looked_at_in_one_way(tiny_encoder, pool, kind, more):
    """Prevents pairs or filters that are dropped without a word."""
    with pytest.raises(InputError, match="looks at neighbours already"):
        more(table_student(kind, tiny_encoder, pool), pool)
