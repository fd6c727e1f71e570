"""Token tables against the SentenceTransformer that opens their folder."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.static import StaticEncoder, is_static_folder

TEXTS = ["refund my card", "", "parcel late, again and again", "x", "refund my card", "late " * 10_000]


def test_vectors_are_sums_of_rows(tiny_static):
    """Prevents special tokens, or a cut at some length, from entering the sum."""
    vectors = tiny_static.encode(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        total = tiny_static.table[tiny_static.tokenizer.encode(text, add_special_tokens=False).ids].sum(axis=0)
        np.testing.assert_allclose(vector, total / max(np.linalg.norm(total), 1e-12), atol=1e-5)
    assert not vectors[1].any()


def test_sentence_transformers_gives_the_same(tiny_static, tmp_path):
    """Prevents a folder that only this package reads, or reads otherwise.

    An empty text is left out: sentence-transformers computes in the table's float16, where its ``Normalize`` makes NaN
    of a vector of zeros.
    """
    tiny_static.save(tmp_path / "table")
    texts = [text for text in TEXTS if text]
    theirs = SentenceTransformer(str(tmp_path / "table"), device="cpu").encode(texts)
    np.testing.assert_allclose(np.asarray(theirs, dtype=np.float32), tiny_static.encode(texts), atol=1e-3)


def test_saved_and_loaded_is_the_same(tiny_static, tmp_path):
    """Prevents the rounding to float16 on disk from changing vectors: it is done before the first text."""
    tiny_static.save(tmp_path / "table")
    loaded = StaticEncoder.load(tmp_path / "table")
    np.testing.assert_array_equal(loaded.encode(TEXTS), tiny_static.encode(TEXTS))
    assert loaded.fingerprint == tiny_static.fingerprint
    assert loaded.name == str(tmp_path / "table")
    assert StaticEncoder.load(tmp_path / "table", name="mine").name == "mine"


def test_the_fingerprint_changes_with_table_and_tokenizer(tiny_static):
    """Prevents a cache from giving one table the vectors of another."""
    other = StaticEncoder(tiny_static.table * 1.01, tiny_static.tokenizer)
    assert other.fingerprint != tiny_static.fingerprint
    from tokenizers import Tokenizer, normalizers

    cased = Tokenizer.from_str(tiny_static.tokenizer.to_str())
    cased.normalizer = normalizers.NFC()
    assert StaticEncoder(tiny_static.table, cased).fingerprint != tiny_static.fingerprint


def test_the_callers_tokenizer_is_left_alone(tiny_static, tiny_tokenizer):
    """Prevents padding and truncation from being switched off in a tokenizer that others use."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tiny_tokenizer.to_str())
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding()
    encoder = StaticEncoder(tiny_static.table, tokenizer)
    assert tokenizer.truncation is not None
    assert tokenizer.padding is not None
    np.testing.assert_array_equal(encoder.encode(TEXTS), tiny_static.encode(TEXTS))


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_text_has_a_vector(tiny_static, texts):
    """Prevents a crash or NaN at signs that the vocabulary lacks."""
    vectors = tiny_static.encode(texts)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))


def test_a_table_with_missing_rows(tiny_static):
    """Prevents an index error at the first text that uses the last token."""
    for table in (tiny_static.table[:-1], tiny_static.table[0]):
        with pytest.raises(ModelFormatError, match="it needs a row for each of the tokenizer's"):
            StaticEncoder(table, tiny_static.tokenizer)


def test_a_folder_of_another_kind(tiny_static, tiny_folder, tmp_path):
    """Prevents a transformer from being read as a table of tokens."""
    tiny_static.save(tmp_path / "table")
    assert is_static_folder(tmp_path / "table")
    assert not is_static_folder(tiny_folder)
    assert not is_static_folder(tmp_path)
    for content in ("{", "[5]", "[{}]", "3"):
        (tmp_path / "modules.json").write_text(content)
        assert not is_static_folder(tmp_path)
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        StaticEncoder.load(tmp_path)


def test_the_folder_holds_no_path_and_no_pickle(tiny_static, tmp_path):
    """Prevents files that SentenceTransformer does not need, or that run code."""
    tiny_static.save(tmp_path)
    files = sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file())
    assert files == ["config_sentence_transformers.json", "model.safetensors", "modules.json", "tokenizer.json"]
    assert [module["path"] for module in json.loads((tmp_path / "modules.json").read_text())] == ["", "1_Normalize"]
