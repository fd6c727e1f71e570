"""Texts made ready while a device computes; here the device is the CPU, which changes nothing but the speed."""

import copy

import numpy as np
import pytest
import torch

from fewshot.encoders import sentence, streamed
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.streamed import TextStream, batches_of, half_weights

WORDS = ["refund", "late", "password", "card", "box"]
TEXTS = ["", *(" ".join(WORDS[(i + k) % 5] for k in range(1 + i * 7 % 23)) + f" {i}" for i in range(60))]


@pytest.fixture
def apart(monkeypatch):
    """Let the CPU pass for a device of its own."""
    for module in (sentence, streamed):
        monkeypatch.setattr(module, "computes_apart", lambda device: True)
    monkeypatch.setattr(streamed, "_FIRST_GROUP", 8)
    monkeypatch.setattr(streamed, "_LARGEST_GROUP", 16)
    monkeypatch.setattr(sentence, "STREAMED_TEXTS", 40)


def encoder_of(model, **options):
    """Wrap a copy of the model in an encoder."""
    return SentenceEncoder(copy.deepcopy(model), **{"name": "tiny", "device": "cpu", "precision": "float32", **options})


@pytest.mark.parametrize("options", [{}, {"batch_size": 5}, {"long_texts": "chunk", "max_length": 9}])
def test_vectors_are_those_of_the_plain_way(tiny_model, apart, monkeypatch, options):
    """Prevents rows in the order of the batches, a lost group, and another treatment of long texts."""
    streaming = encoder_of(tiny_model, **options)
    assert streaming.chunk_texts == 40
    streaming.batch_tokens = 64
    vectors = streaming.encode(TEXTS)
    for module in (sentence, streamed):
        monkeypatch.setattr(module, "computes_apart", lambda device: False)
    plain = encoder_of(tiny_model, **options)
    assert plain._made_stream is None
    np.testing.assert_allclose(vectors, plain.encode(TEXTS), atol=1e-5)


def test_a_cpu_reads_texts_of_like_tokens_together(tiny_model):
    """Prevents batches by characters, whose padding takes a fifth of the time, and vectors unlike the library's own."""
    rare, known = ["z" * (3 + i) for i in range(8)], ["password " * (i + 1) for i in range(8)]
    texts = [text for pair in zip(rare, known, strict=True) for text in pair]
    encoder, read = encoder_of(tiny_model, batch_size=4), []
    encoder.model[0].register_forward_pre_hook(lambda _, args: read.append(tuple(args[0]["input_ids"].shape)))
    vectors = encoder.encode(texts)
    lengths = sorted((len(tiny_model.tokenizer(text)["input_ids"]) for text in texts), reverse=True)
    assert read == [(4, lengths[start]) for start in range(0, 16, 4)]
    expected = tiny_model.encode(texts, batch_size=4, show_progress_bar=False)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    encoder.model.train()
    np.testing.assert_array_equal(encoder.encode(texts), vectors)


def test_without_a_bare_tokenizer(tiny_model, tiny_encoder, apart, monkeypatch):
    """Prevents a prompt from being lost, and models with a preparation of their own from being refused."""
    monkeypatch.setattr(streamed, "_TEXTS_WITHOUT_TOKENS", 7)
    streaming = encoder_of(tiny_model)
    streaming.model.prompts, streaming.model.default_prompt_name = {"query": "the "}, "query"
    assert streaming._stream.tokens is None
    expected = tiny_encoder.encode(["the " + text for text in TEXTS])
    np.testing.assert_allclose(streaming.encode(TEXTS), expected, atol=1e-5)


def test_batches_hold_the_tokens_that_they_may():
    """Prevents batches of hundreds of long texts, of a few short ones, and a text that no batch takes."""
    lengths = [3, 64, 10, 10, 200, 9, 2]
    batches = list(batches_of(lengths, None, 64))
    assert sorted(place for batch in batches for place in batch) == list(range(7))
    assert all(len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= 64 for batch in batches)
    assert [len(batch) for batch in batches] == [1, 1, 5]
    assert [len(batch) for batch in batches_of(lengths, 3, 64)] == [3, 3, 1]


def test_batches_are_halved_when_memory_runs_out(tiny_model, tiny_encoder, apart, monkeypatch):
    """Prevents a long pool from failing because a batch of it had too many tokens, and an endless loop."""
    streaming, sizes = encoder_of(tiny_model), []
    vectors = TextStream.vectors

    def short_of_memory(self, texts, forward, *, batch_size, batch_tokens):
        sizes.append(batch_tokens)
        if batch_tokens > least:
            raise torch.OutOfMemoryError("no memory")
        return vectors(self, texts, forward, batch_size=batch_size, batch_tokens=batch_tokens)

    expected = tiny_encoder.encode(TEXTS[:9])
    monkeypatch.setattr(TextStream, "vectors", short_of_memory)
    streaming.batch_tokens, least = 1024, 256
    np.testing.assert_allclose(streaming.encode(TEXTS[:9]), expected, atol=1e-5)
    assert sizes == [1024, 512, 256]
    least = 0
    with pytest.raises(torch.OutOfMemoryError):
        streaming.encode(TEXTS[:9])
    assert streaming.batch_tokens == sentence.LEAST_TOKENS


def test_copies_batch_by_tokens_as_well(tiny_model, apart):
    """Prevents a trained copy, or one with other lengths, from falling back to a fixed number of texts."""
    streaming = encoder_of(tiny_model)
    assert streaming.batch_size is streaming.like(tiny_model).batch_size is None
    assert encoder_of(tiny_model, batch_size=4).like(tiny_model).batch_size == 4


def test_bfloat16_throughout(tiny_model, tiny_encoder, apart, monkeypatch):
    """Prevents bfloat16 vectors, weights that stay so, and bfloat16 throughout for a model that it breaks."""
    streaming = encoder_of(tiny_model, precision="bfloat16")
    before = {name: tensor.clone() for name, tensor in streaming.model.state_dict().items()}
    given = []
    streaming.model[1].register_forward_pre_hook(lambda _, args: given.append(args[0]["token_embeddings"]))
    half = streaming.encode(TEXTS)
    assert {tensor.dtype for tensor in given} == {torch.float32}
    assert half.dtype == np.float32
    assert 0 < np.abs(half - tiny_encoder.encode(TEXTS)).max() < 0.05
    np.testing.assert_allclose(np.linalg.norm(half, axis=1), 1, atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in streaming.model.state_dict().items())
    monkeypatch.setattr(sentence, "LEAST_AGREEMENT", 1.1)
    mixed = encoder_of(tiny_model, precision="bfloat16").encode(TEXTS)
    assert 0 < np.abs(mixed - half).max() < 0.05


def test_auto_takes_what_is_near_enough(tiny_model, apart, monkeypatch):
    """Prevents float32 for a model that autocast does no harm, and bfloat16 for one that it does."""
    monkeypatch.setattr(sentence, "has_native_bfloat16", lambda device: True)
    near = encoder_of(tiny_model, precision="auto")
    assert (near.precision, near._is_near_in_half) == ("bfloat16", True)
    monkeypatch.setattr(sentence, "half_forward", lambda model, weights, features: {"sentence_embedding": -1 * near_to})
    near_to = torch.ones(len(sentence._PROBES), 32)
    mixed = encoder_of(tiny_model, precision="auto")
    assert (mixed.precision, mixed._is_near_in_half) == ("bfloat16", False)
    monkeypatch.setattr(sentence, "LEAST_AGREEMENT", 1.1)
    assert encoder_of(tiny_model, precision="auto").precision == "float32"


def test_a_new_length_is_used(tiny_model, apart):
    """Prevents tokens beyond a limit that was set after the first texts."""
    streaming = encoder_of(tiny_model)
    long, short = "card " * 20, "card " * 4
    assert np.abs(np.subtract(*streaming.encode([long, short]))).max() > 1e-3
    streaming.model.max_seq_length = 6
    np.testing.assert_allclose(*streaming.encode([long, short]), atol=1e-6)


def test_weights_that_were_trained_meanwhile(tiny_model, apart):
    """Prevents vectors of weights that are no longer the model's."""
    streaming = encoder_of(tiny_model, precision="bfloat16")
    before = streaming.encode(TEXTS[:5])
    with torch.no_grad():
        streaming.model[0].auto_model.embeddings.word_embeddings.weight.neg_()
    assert np.abs(streaming.encode(TEXTS[:5]) - before).max() > 0.05
    assert half_weights(streaming.model)["model.embeddings.word_embeddings.weight"].dtype == torch.bfloat16
