"""Folders of token tables: what more than a plain table lies there, and what is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.encoders import static_folder
from fewshot.encoders.bigrams import BigramTable
from fewshot.encoders.convolution import Convolution
from fewshot.encoders.resolve import load_encoder
from fewshot.encoders.static import StaticEncoder
from fewshot.encoders.static_folder import ARRAYS, SETTINGS
from fewshot.encoders.words import WordTokenizer

TEXTS = ["refund my card", "parcel late, again and again", "card refund", "", "locked"]
PLAIN = {"config_sentence_transformers.json", "model.safetensors", "modules.json", "tokenizer.json"}


def random_rows(n, seed=0):
    """Return ``n`` rows of 16 numbers."""
    return np.random.default_rng(seed).normal(scale=0.1, size=(n, 16))


def make(tiny_static, kind, table_dtype="float16"):
    """Return an encoder of subwords or words, with bigrams, with filters or with neither."""
    words = WordTokenizer(["refund", "card", "late", "my"], n_buckets=3)
    tokenizer = words if "words" in kind else tiny_static.tokenizer
    n_tokens = words.n_tokens if "words" in kind else tiny_static.n_tokens
    first = StaticEncoder(random_rows(n_tokens), tokenizer)
    bigrams = None
    if "bigrams" in kind:
        ids, _ = first.token_ids(["refund card refund my card"])
        pairs = np.unique(np.stack([ids[:-1], ids[1:]], axis=1), axis=0)
        bigrams = BigramTable(pairs, random_rows(len(pairs), seed=1), n_tokens=n_tokens)
    options = {"bigrams": bigrams, "convolution": filters() if "conv" in kind else None, "table_dtype": table_dtype}
    return StaticEncoder(random_rows(n_tokens), tokenizer, name=kind, **options)


def filters():
    """Return a convolution of random numbers."""
    rng = np.random.default_rng(2)
    return Convolution(rng.normal(size=(3, 16, 4)), rng.normal(size=4), rng.normal(size=(4, 16)))


KINDS = ["plain", "bigrams", "words", "words+bigrams", "conv", "words+conv"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("table_dtype", ["float16", "int8"])
def test_saved_and_loaded_is_the_same(tiny_static, tmp_path, kind, table_dtype):
    """Prevents rows that are lost or rounded on the way, for every kind of table."""
    encoder = make(tiny_static, kind, table_dtype)
    encoder.save(tmp_path)
    loaded = load_encoder(tmp_path)
    assert isinstance(loaded, StaticEncoder)
    np.testing.assert_array_equal(loaded.encode(TEXTS), encoder.encode(TEXTS))
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.table_dtype == table_dtype
    loaded.save(tmp_path / "again")
    for file in ("model.safetensors", "tokenizer.json", SETTINGS, ARRAYS):
        assert (tmp_path / file).is_file() == (tmp_path / "again" / file).is_file()
        if (tmp_path / file).is_file():
            assert (tmp_path / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_a_plain_folder_has_no_file_of_ours(tiny_static, tmp_path):
    """Prevents a new file in old folders, and rows of an earlier table that stay when another is saved over it."""
    for encoder in (make(tiny_static, "words+bigrams", "int8"), tiny_static):
        encoder.save(tmp_path)
        np.testing.assert_array_equal(StaticEncoder.load(tmp_path).encode(TEXTS), encoder.encode(TEXTS))
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} == PLAIN


def test_int8_on_request(tiny_static, tmp_path):
    """Prevents a table whose vectors point elsewhere, one as large as before, and an encoder that changed."""
    encoder = make(tiny_static, "bigrams")
    before = encoder.encode(TEXTS)
    encoder.save(tmp_path, table_dtype="int8")
    loaded = StaticEncoder.load(tmp_path)
    assert loaded.table_dtype == "int8"
    cosines = (loaded.encode(TEXTS) * before).sum(axis=1)
    assert (cosines[before.any(axis=1)] > 0.999).all()
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)
    assert load_file(tmp_path / ARRAYS)["rows"].dtype == np.int8
    (tmp_path / "model.safetensors").unlink()  # for other libraries alone
    np.testing.assert_array_equal(StaticEncoder.load(tmp_path).encode(TEXTS), loaded.encode(TEXTS))
    loaded.save(tmp_path / "float16", table_dtype="float16")
    assert StaticEncoder.load(tmp_path / "float16").table_dtype == "float16"
    with pytest.raises(InputError, match="table_dtype must be one of"):
        encoder.save(tmp_path / "int4", table_dtype="int4")
    assert not (tmp_path / "int4").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_sentence_transformers_opens_the_plain_table(tiny_static, tmp_path, kind):
    """Prevents a folder that only this package opens; of all that it leaves out the docstring warns."""
    encoder = make(tiny_static, kind, "int8")
    encoder.save(tmp_path)
    texts = ["refund", "Card", "late my"]  # no pair with a row, no unknown word
    theirs = SentenceTransformer(str(tmp_path), device="cpu").encode(texts)
    if encoder.convolution is not None:
        encoder = StaticEncoder(encoder.table, encoder.words or encoder.tokenizer, table_dtype="int8")
    np.testing.assert_allclose(np.asarray(theirs, dtype=np.float32), encoder.encode(texts), atol=2e-3)


@pytest.fixture
def folder(tiny_static, tmp_path):
    """A folder with everything in it, in int8."""
    make(tiny_static, "words+bigrams", "int8").save(tmp_path)
    return tmp_path


def refused(folder):
    """Return the message with which a folder is refused."""
    with pytest.raises(ModelFormatError) as caught:
        StaticEncoder.load(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, "update"),
        ({"format": 2}, "must name format, bigrams, convolution"),
        ({"format": None}, "must name format"),
        ({"format": True}, "must name format"),
        ({"table_dtype": "int4"}, "is damaged"),
        ({"table_dtype": ["int8"]}, "is damaged"),
        ({"bigrams": 1}, "is damaged"),
        ({"format": 2, "convolution": True}, "is damaged"),
        ({"format": 2, "convolution": 0}, "is damaged"),
        ({"n_buckets": "3"}, "is damaged"),
        ({"n_buckets": -5}, "n_buckets must be from 1"),
        ({"n_buckets": 10**12}, "n_buckets must be from 1"),
        ({"n_buckets": 4}, "needs a row for each"),
    ],
)
def test_settings_that_do_not_fit(folder, change, message):
    """Prevents a damaged, hostile or later folder from being read as something else."""
    told = json.loads((folder / SETTINGS).read_text())
    (folder / SETTINGS).write_text(json.dumps(told | change))
    assert message in refused(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 1}', " " * 100_000])
def test_damaged_settings(folder, content):
    """Prevents an exception of json, and a huge file from being parsed."""
    (folder / SETTINGS).write_text(content)
    refused(folder)


def without(name):
    """Return a change that removes an array."""
    return lambda arrays: arrays.pop(name)


def put(name, change):
    """Return a change of one array."""
    return lambda arrays: arrays.update({name: change(arrays[name])})


@pytest.mark.parametrize(
    "change",
    [
        without("rows"),
        without("scales"),
        without("pairs"),
        without("bigram_rows"),
        without("bigram_scales"),
        put("rows", lambda rows: rows[:-1]),
        put("rows", lambda rows: rows.astype(np.int16)),
        put("rows", lambda rows: rows.ravel()),
        put("scales", lambda scales: scales[:-1]),
        put("scales", lambda scales: scales.astype(np.float64)),
        put("scales", lambda scales: scales * np.float32(np.nan)),
        put("scales", lambda scales: scales[:, None]),
        put("pairs", lambda pairs: pairs + 1000),
        put("pairs", lambda pairs: pairs.astype(np.float32)),
        put("pairs", lambda pairs: np.zeros_like(pairs)),
        put("bigram_rows", lambda rows: rows[:, :-1]),
    ],
)
def test_arrays_that_do_not_fit(folder, change):
    """Prevents an index error at the first text, NaN vectors, and rows of other tokens."""
    arrays = load_file(folder / ARRAYS)
    change(arrays)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / ARRAYS)
    refused(folder)


@pytest.mark.parametrize(
    "change",
    [
        without("convolution_kernel"),
        without("convolution_output"),
        put("convolution_kernel", lambda kernel: kernel[:-1]),
        put("convolution_kernel", lambda kernel: kernel[:, :-1]),
        put("convolution_kernel", lambda kernel: kernel.astype(np.int8)),
        put("convolution_bias", lambda bias: bias[:-1]),
        put("convolution_bias", lambda bias: bias * np.float16(np.nan)),
        put("convolution_output", lambda output: output.T),
    ],
)
def test_filters_that_do_not_fit(tiny_static, tmp_path, change):
    """The same, of a convolution."""
    make(tiny_static, "conv").save(tmp_path)
    arrays = load_file(tmp_path / ARRAYS)
    change(arrays)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, tmp_path / ARRAYS)
    assert "convolution" in refused(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_what_earlier_versions_can_read(tiny_static, tmp_path, kind):
    """Prevents a version that knows no filters from opening a table of them as if it had none, or refusing others."""
    make(tiny_static, kind).save(tmp_path)
    assert (tmp_path / SETTINGS).exists() == (kind != "plain")
    if kind == "plain":
        return
    told = json.loads((tmp_path / SETTINGS).read_text())
    assert told["format"] == (2 if "conv" in kind else 1)
    assert ("convolution" in told) == ("conv" in kind)


@pytest.mark.parametrize("file", [ARRAYS, "tokenizer.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_damaged_files(folder, file, damage):
    """Prevents half a table where a download broke off."""
    content = (folder / file).read_bytes()
    (folder / file).unlink()
    if damage != "gone":
        (folder / file).write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    assert "cannot be opened" in refused(folder)


@pytest.mark.parametrize(
    "table",
    [
        np.ones((200, 4), dtype=np.int32),
        np.ones(200),
        np.full((200, 4), np.nan),
        np.ones((200, 0)),
        np.ones((1, 20_000)),
    ],
)
def test_tables_of_a_wrong_kind(tiny_static, tmp_path, table):
    """Prevents a table that is no matrix of finite numbers from being summed."""
    tiny_static.save(tmp_path)
    save_file({"embedding.weight": table}, tmp_path / "model.safetensors")
    refused(tmp_path)


def test_words_that_are_numbered_otherwise(folder):
    """Prevents the rows of one word from being read for another."""
    described = json.loads((folder / "tokenizer.json").read_text())
    described["model"]["vocab"]["card"] = 7
    (folder / "tokenizer.json").write_text(json.dumps(described))
    assert "does not number" in refused(folder)


def test_a_tokenizer_of_any_size(folder, monkeypatch):
    """Prevents a file of many gigabytes from being read before it is looked at."""
    monkeypatch.setattr(static_folder, "MAX_JSON_BYTES", 10)
    assert "at most 10 are read" in refused(folder)
