"""Long texts are read window after window; short ones as ever."""

import copy

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import processors

from fewshot.core.errors import InputError
from fewshot.encoders import chunked
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.encoders.chunked import make_cutter
from fewshot.encoders.resolve import load_encoder
from fewshot.encoders.sentence import SentenceEncoder

SHORT = ["refund my card", "", "x", "the parcel is late, again", "你好 çà", "hello my account"]
LONG = [
    "refund my card " * 30 + "the parcel is late " * 30,
    "password reset code çà & là 你好 " * 12,
    " ".join(["hello", "box", "courier"] * 30),
]


def encoder_of(model, **options):
    """Wrap a copy of the model in an encoder that reads long texts in windows."""
    settings = {"name": "tiny", "device": "cpu", "precision": "float32", "long_texts": "chunk", **options}
    return SentenceEncoder(copy.deepcopy(model), **settings)


def by_hand(model, text, *, max_length, max_chunks=8):
    """Return the vector of a text, window by window, one at a time, with nothing but the model and NumPy."""
    ids = model.tokenizer.backend_tokenizer
    ids.no_truncation()
    tokens = ids.encode(text, add_special_tokens=False).ids
    room = max_length - 2
    cls, sep = ids.token_to_id("[CLS]"), ids.token_to_id("[SEP]")
    total, norms, weights = 0.0, [], []
    for start in range(0, min(len(tokens), room * max_chunks), room):
        window = torch.tensor([[cls, *tokens[start : start + room], sep]])
        with torch.inference_mode():
            features = {"input_ids": window, "attention_mask": torch.ones_like(window)}
            vector = model(features)["sentence_embedding"][0].double().numpy()
        norms.append(np.linalg.norm(vector))
        weights.append(window.shape[1] - 2)
        total = total + weights[-1] * vector / norms[-1]
    return total / np.linalg.norm(total) * np.average(norms, weights=weights)


def test_short_texts_are_read_as_ever(tiny_model):
    """Prevents other vectors, by as much as a bit, for texts that fit because long ones stand beside them."""
    texts = [*SHORT, *LONG, *(f"{text} why" for text in SHORT)]
    fits = [i for i, text in enumerate(texts) if text not in LONG]
    whole, cut = encoder_of(tiny_model).encode(texts), encoder_of(tiny_model, long_texts="truncate").encode(texts)
    np.testing.assert_array_equal(whole[fits], cut[fits])
    np.testing.assert_array_equal(encoder_of(tiny_model).encode(SHORT), encoder_of(tiny_model).encode(SHORT))
    assert np.abs(whole - cut).max(axis=1)[len(SHORT) : len(SHORT) + len(LONG)].min() > 1e-2


@pytest.mark.parametrize("max_length", [12, 64])
@pytest.mark.parametrize("max_chunks", [2, 8])
def test_long_texts_are_the_mean_of_their_windows(tiny_model, max_length, max_chunks):
    """Prevents wrong weights, windows that go to another text, and padding that counts."""
    vectors = encoder_of(tiny_model, max_length=max_length, max_chunks=max_chunks, batch_size=3).encode(LONG)
    for text, vector in zip(LONG, vectors, strict=True):
        expected = by_hand(copy.deepcopy(tiny_model), text, max_length=max_length, max_chunks=max_chunks)
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_model_that_does_not_normalise_keeps_its_lengths(tiny_model):
    """Prevents long texts with vectors of length 1 among others of length 5."""
    bare = SentenceTransformer(modules=[copy.deepcopy(tiny_model[0]), copy.deepcopy(tiny_model[1])], device="cpu")
    for text, vector in zip(LONG, encoder_of(bare, max_length=16).encode(LONG), strict=True):
        np.testing.assert_allclose(vector, by_hand(bare, text, max_length=16), atol=1e-4)


def test_one_window_is_truncation(tiny_model):
    """Prevents a first window that is not what the model reads when it truncates."""
    one = encoder_of(tiny_model, max_chunks=1).encode([*SHORT, *LONG])
    np.testing.assert_array_equal(one, encoder_of(tiny_model, long_texts="truncate").encode([*SHORT, *LONG]))


def test_order_and_batches_do_not_matter(tiny_model):
    """Prevents a text's vector from depending on its neighbours."""
    texts = [*LONG, *SHORT]
    vectors = encoder_of(tiny_model, max_length=16).encode(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = encoder_of(tiny_model, max_length=16, batch_size=2).encode([texts[i] for i in order])
    np.testing.assert_allclose(shuffled, vectors[order], atol=1e-5)
    alone = np.concatenate([encoder_of(tiny_model, max_length=16).encode([text]) for text in texts])
    np.testing.assert_allclose(alone, vectors, atol=1e-5)


def test_only_the_windows_that_are_read_matter(tiny_model):
    """Prevents a text's far end, which is not read, from changing its vector; and nearer parts from being ignored."""
    base = "refund my card " * 30
    encoder = encoder_of(tiny_model, max_length=16, max_chunks=2)
    one, two, three = encoder.encode([base + "box", base + "late parcel", "hello " + base])
    np.testing.assert_allclose(one, two, atol=1e-6)
    assert np.abs(one - three).max() > 1e-3


@pytest.mark.parametrize("long_texts", ["chunk", "truncate"])
def test_two_megabytes(tiny_model, monkeypatch, long_texts):
    """Prevents a pasted log file from being tokenized as a whole, and from getting another vector because it is not."""
    encoder = encoder_of(tiny_model, long_texts=long_texts)
    text = "refund my card " * 140_000
    forward, seen = encoder._forward, []
    monkeypatch.setattr(encoder, "_forward", lambda texts: seen.extend(map(len, texts)) or forward(texts))
    vectors = encoder.encode([text, text[:30_000], "card"])
    assert max(seen) < 20_000
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    if long_texts == "truncate":
        np.testing.assert_allclose(vectors[0], tiny_model.encode(text[:30_000]), atol=1e-5)


@pytest.mark.parametrize("template", ["$A [SEP]", "[CLS] [SEP] $A [SEP]"])
def test_other_special_tokens(tiny_folder, template):
    """Prevents special tokens of BERT in models that have others."""
    pooling = Pooling(32, pooling_mode="lasttoken")
    model = SentenceTransformer(modules=[Transformer(str(tiny_folder)), pooling], device="cpu")
    backend = model.tokenizer.backend_tokenizer
    special = [(name, backend.token_to_id(name)) for name in ("[CLS]", "[SEP]") if name in template]
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    room = 12 - backend.num_special_tokens_to_add(False)
    truncating = encoder_of(model, max_length=12, long_texts="truncate")
    words = ["hello", "box", "courier"] * 30  # a token each
    parts = [" ".join(words[start : start + room]) for start in (0, room)]
    first, second = (vector / np.linalg.norm(vector) for vector in truncating.encode(parts))
    [found] = encoder_of(model, max_length=12, max_chunks=2).encode([" ".join(words)])
    expected = (first + second) / np.linalg.norm(first + second)
    np.testing.assert_allclose(found / np.linalg.norm(found), expected, atol=1e-5)


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_windows_are_padded_as_texts_are(tiny_model, padding_side):
    """Prevents padding on another side, or with another token, than the model was trained with."""
    model = copy.deepcopy(tiny_model)
    model.tokenizer.padding_side = padding_side
    texts = ["card", "the parcel is late", "x y"]
    cut = make_cutter(model, 1).cut(texts)
    found, expected = chunked._features(model, [windows[0] for windows in cut]), model.preprocess(texts)
    assert set(found) == set(expected) - {"modality"}
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_prompt_stands_before_the_first_window(tiny_model):
    """Prevents words from being lost where the prompt takes their place."""
    prompted = copy.deepcopy(tiny_model)
    prompted.prompts, prompted.default_prompt_name = {"q": "please why "}, "q"
    expected = encoder_of(tiny_model, max_length=12).encode([f"please why {text}" for text in LONG])
    np.testing.assert_allclose(encoder_of(prompted, max_length=12).encode(LONG), expected, atol=1e-5)


def test_bfloat16(tiny_model):
    """Prevents windows from being computed in another precision than the rest."""
    exact = encoder_of(tiny_model, max_length=16).encode(LONG)
    half = encoder_of(tiny_model, max_length=16, precision="bfloat16").encode(LONG)
    assert half.dtype == np.float32
    assert 0 < np.abs(half - exact).max() < 0.05


def test_batches_of_windows_are_halved_when_memory_runs_out(tiny_model, monkeypatch):
    """Prevents a failure at long texts only, whose windows take the most memory."""
    encoder = encoder_of(tiny_model, max_length=16, batch_size=8)
    expected = encoder.encode(LONG)
    forward = encoder.model.forward

    def short_of_memory(features, **options):
        if len(features["input_ids"]) > 2:
            raise torch.OutOfMemoryError("no memory")
        return forward(features, **options)

    monkeypatch.setattr(encoder.model, "forward", short_of_memory)
    np.testing.assert_allclose(encoder.encode(LONG), expected, atol=1e-5)
    assert encoder.batch_size == 2


def test_the_cache_keeps_them_apart(tiny_model, tmp_path):
    """Prevents vectors of truncated texts from being given to an encoder that reads on, and the other way round."""
    settings = [{"long_texts": "truncate"}, {}, {"max_chunks": 3}, {"max_length": 16}]
    encoders = [CachedEncoder(encoder_of(tiny_model, **options), EmbeddingCache(tmp_path)) for options in settings]
    vectors = [encoder.encode(LONG)[0] for encoder in encoders]
    assert len({encoder.fingerprint for encoder in encoders}) == len({vector.tobytes() for vector in vectors}) == 4
    assert encoder_of(tiny_model, long_texts="truncate", max_chunks=3).fingerprint == encoders[0].fingerprint


def test_settings_open_the_same_encoder_again(tiny_model, tiny_static, tiny_folder, tmp_path):
    """Prevents a saved classifier whose encoder truncates where the fitted one read on."""
    encoder = encoder_of(tiny_model, max_length=16, max_chunks=3)
    assert encoder.length_settings == {"max_length": 16, "long_texts": "chunk", "max_chunks": 3}
    assert CachedEncoder(encoder).length_settings == encoder.length_settings
    assert tiny_static.length_settings == {}
    encoder.save(tmp_path / "encoder")
    again = load_encoder(tmp_path / "encoder", device="cpu", precision="float32", **encoder.length_settings)
    np.testing.assert_array_equal(again.encode(LONG), encoder.encode(LONG))
    assert again.fingerprint == encoder.fingerprint
    assert load_encoder(tiny_folder, device="cpu").length_settings["long_texts"] == "truncate"
    tiny_static.save(tmp_path / "table")
    table = load_encoder(tmp_path / "table", long_texts="chunk")
    np.testing.assert_array_equal(table.encode(LONG), tiny_static.encode(LONG))


def test_an_encoder_like_another(tiny_model):
    """Prevents a trained copy from reading texts in another way than the encoder that it came from."""
    encoder = encoder_of(tiny_model, max_length=16, max_chunks=3, batch_size=5)
    like = encoder.like(encoder.trainable_copy())
    assert (like.name, like.precision, like.batch_size) == ("tiny", "float32", 5)
    assert like.length_settings == encoder.length_settings
    np.testing.assert_array_equal(like.encode(LONG), encoder.encode(LONG))


def test_crops_for_training(tiny_model):
    """Prevents training that sees the start of long texts only."""
    encoder = encoder_of(tiny_model, max_length=12, max_chunks=4)
    text = " ".join(map(str, range(100)))
    crops = {encoder.crop_texts([text], np.random.default_rng(seed))[0] for seed in range(40)}
    assert len(crops) == 4
    assert all(crop in text for crop in crops)
    assert encoder.crop_texts(SHORT[:3], np.random.default_rng(0)) == SHORT[:3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"long_texts": "split"}, "long_texts must be one of truncate, chunk, got 'split'"),
        ({"max_chunks": 0}, "max_chunks must be at least 1, got 0"),
        ({"max_length": 2}, "max_length must be at least 3 for this model, got 2"),
        ({"max_length": 65}, "max_length must be at most 64 for this model, got 65"),
    ],
)
def test_bad_settings(tiny_model, options, message):
    """Prevents an index error in the depth of the model at the first text that is long enough."""
    with pytest.raises(InputError, match=message):
        encoder_of(tiny_model, **options)


def test_models_that_cannot(tiny_model, tiny_static, tmp_path):
    """Prevents windows from being taken in silence from the wrong end; a model without a limit needs none."""
    left = copy.deepcopy(tiny_model)
    left.tokenizer.truncation_side = "left"
    with pytest.raises(InputError, match="needs a fast tokenizer that cuts on the right; 'tiny' has none"):
        encoder_of(left)
    tiny_static.save(tmp_path)
    table = encoder_of(SentenceTransformer(str(tmp_path), device="cpu"))
    np.testing.assert_allclose(table.encode(LONG), tiny_static.encode(LONG), atol=1e-3)
    assert table.length_settings["max_length"] is None
    assert table.crop_texts(LONG, np.random.default_rng(0)) == LONG


@pytest.mark.slow
def test_the_real_encoder_sees_the_end(bundled):
    """Prevents tests on toys from hiding that the real encoder gains nothing by reading on."""
    start, end = "The weather was nice on the island. " * 60, "My parcel is late, where is the courier? " * 60
    cut, whole = (
        SentenceEncoder(bundled.model, name="bundled", device="cpu", long_texts=x) for x in ("truncate", "chunk")
    )
    topic = cut.encode(["Where is my parcel?"])[0]
    assert (whole.encode([start + end]) @ topic)[0] > (cut.encode([start + end]) @ topic)[0] + 0.1
