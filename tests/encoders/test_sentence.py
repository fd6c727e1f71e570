"""Sentence encoders against sentence-transformers itself."""

import copy

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.encoders.opening import fingerprint_model
from fewshot.encoders.sentence import SentenceEncoder

TEXTS = ["refund my card", "", "a much longer text about a parcel that is late, again and again", "x", "refund my card"]


def encoder_of(model, **options):
    """Wrap a copy of the model in an encoder."""
    return SentenceEncoder(copy.deepcopy(model), **{"name": "tiny", "device": "cpu", "precision": "float32", **options})


def test_vectors_are_sentence_transformers(tiny_encoder, tiny_model):
    """Prevents a second pooling, a lost normalisation, or rows in the order of length."""
    vectors = tiny_encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, tiny_model.encode(TEXTS), atol=1e-5)


def test_a_folder_gives_the_same(tiny_folder, tiny_encoder, tmp_path):
    """Prevents a saved encoder from giving other vectors, and the library's own model card from being written."""
    loaded = SentenceEncoder.load(tiny_folder, device="cpu", precision="float32")
    np.testing.assert_array_equal(loaded.encode(TEXTS), tiny_encoder.encode(TEXTS))
    loaded.save(tmp_path / "again")
    assert not (tmp_path / "again" / "README.md").exists()
    again = SentenceEncoder.load(tmp_path / "again", device="cpu", precision="float32")
    np.testing.assert_array_equal(again.encode(TEXTS), tiny_encoder.encode(TEXTS))


def test_precision(tiny_model, monkeypatch):
    """Prevents bfloat16 vectors from coming out as such, and "auto" from trusting a model that bfloat16 breaks."""
    exact, half = encoder_of(tiny_model), encoder_of(tiny_model, precision="bfloat16")
    vectors = half.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert 0 < np.abs(vectors - exact.encode(TEXTS)).max() < 0.05
    monkeypatch.setattr("fewshot.encoders.sentence.has_native_bfloat16", lambda device: False)
    assert encoder_of(tiny_model, precision="auto").precision == "float32"
    monkeypatch.setattr("fewshot.encoders.sentence.has_native_bfloat16", lambda device: True)
    assert encoder_of(tiny_model, precision="auto").precision == "bfloat16"
    monkeypatch.setattr("fewshot.encoders.sentence.LEAST_AGREEMENT", 1.1)
    assert encoder_of(tiny_model, precision="auto").precision == "float32"


@pytest.mark.parametrize(
    "options",
    [{"precision": "float16"}, {"batch_size": 0}, {"device": "tpu"}, {"device": "cuda:99"}, {"max_length": 0}],
)
def test_bad_options(tiny_model, options):
    """Prevents a mistake from being found in the depth of a forward pass."""
    with pytest.raises(InputError, match=next(iter(options))):
        encoder_of(tiny_model, **options)


def test_batches_are_halved_when_memory_runs_out(tiny_model, tiny_encoder, monkeypatch):
    """Prevents a long pool from failing because one batch of it was too large."""
    encoder = encoder_of(tiny_model, batch_size=8)
    forward, sizes = encoder._forward, []

    def short_of_memory(texts, precision=None):
        sizes.append(encoder.batch_size)
        if encoder.batch_size > 2:
            raise torch.OutOfMemoryError("no memory")
        return forward(texts, precision)

    monkeypatch.setattr(encoder, "_forward", short_of_memory)
    np.testing.assert_allclose(encoder.encode(TEXTS), tiny_encoder.encode(TEXTS), atol=1e-5)
    assert sizes == [8, 4, 2]
    encoder.encode(TEXTS)
    assert sizes == [8, 4, 2, 2]


def test_memory_that_does_not_suffice_for_one_text(tiny_model, monkeypatch):
    """Prevents an endless loop at a batch of one."""
    encoder = encoder_of(tiny_model, batch_size=2)

    def short_of_memory(texts, precision=None):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(encoder, "_forward", short_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        encoder.encode(TEXTS)


def test_max_length_cuts(tiny_model):
    """Prevents a limit that is stored and not used."""
    short = encoder_of(tiny_model, max_length=6)
    one, two = short.encode(["card card card card late late late", "card card card card box"])
    np.testing.assert_allclose(one, two, atol=1e-6)
    whole = encoder_of(tiny_model).encode(["card card card card late late late", "card card card card box"])
    assert np.abs(whole[0] - whole[1]).max() > 1e-3


def test_the_fingerprint_changes_with_the_vectors(tiny_model):
    """Prevents a cache from giving one model the vectors of another."""
    changed = copy.deepcopy(tiny_model)
    with torch.no_grad():
        list(changed.parameters())[-1][0] += 1e-4
    encoders = [
        encoder_of(tiny_model),
        encoder_of(changed),
        encoder_of(tiny_model, precision="bfloat16"),
        encoder_of(tiny_model, max_length=16),
    ]
    assert len({encoder.fingerprint for encoder in encoders}) == len(encoders)


def test_the_fingerprint_is_stable(tiny_model, tiny_encoder, tiny_folder, tmp_path):
    """Prevents a fingerprint of object ids or paths, with which no cache would ever be hit."""
    tiny_encoder.save(tmp_path / "copy")
    folders = [tiny_folder, tmp_path / "copy"]
    loaded = [SentenceEncoder.load(folder, device="cpu", precision="float32").fingerprint for folder in folders]
    used = encoder_of(tiny_model)
    used.encode(TEXTS)  # the tokenizer then holds settings of that call
    assert used.fingerprint == encoder_of(tiny_model).fingerprint
    assert {*loaded, encoder_of(tiny_model, batch_size=3, name="other").fingerprint} == {tiny_encoder.fingerprint}


def test_a_model_with_a_scalar_has_a_fingerprint(tiny_model):
    """Prevents a crash on models that hold a temperature or a counter, which are tensors without axes."""
    with_scalar = copy.deepcopy(tiny_model)
    with_scalar.register_buffer("temperature", torch.tensor(0.5))
    one = fingerprint_model(with_scalar, "float32")
    with_scalar.temperature += 1
    assert one != fingerprint_model(with_scalar, "float32")


def test_a_copy_trains_and_the_encoder_stays(tiny_model):
    """Prevents training from changing the encoder that others hold."""
    encoder = encoder_of(tiny_model)
    copied = encoder.trainable_copy()
    assert isinstance(copied, SentenceTransformer)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    np.testing.assert_allclose(encoder.encode(TEXTS), tiny_model.encode(TEXTS), atol=1e-6)


def test_a_hub_name_without_network_points_to_bundled():
    """Prevents forty lines of traceback, or another model in silence, where there is no network."""
    with pytest.raises(SourceNotFoundError, match="--encoder bundled") as raised:
        SentenceEncoder.load("sentence-transformers/no-such-model-at-all", device="cpu")
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_model(tmp_path):
    """Prevents a search on the Hub for a folder that is there and holds something else."""
    with pytest.raises(ModelFormatError, match=r"neither modules\.json nor config\.json"):
        SentenceEncoder.load(tmp_path)


@pytest.mark.slow
def test_the_real_encoder_is_sentence_transformers(bundled):
    """Prevents tests on toys from hiding that the real encoder is wrapped wrong."""
    exact = SentenceEncoder(bundled.model, name="bundled", device="cpu", precision="float32")
    np.testing.assert_allclose(exact.encode(TEXTS), bundled.model.encode(TEXTS), atol=1e-5)
    near = exact.encode(["I want my money back", "please refund me", "the weather is nice"])
    assert near[0] @ near[1] > near[0] @ near[2] + 0.2
    assert bundled.dimension == 384
