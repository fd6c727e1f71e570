"""Token tables against the SentenceTransformer that opens their folder."""

import copy
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.bigrams import BigramTable
from fewshot.encoders.convolution import Convolution
from fewshot.encoders.static import StaticEncoder, is_static_folder
from fewshot.encoders.words import WordTokenizer

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


def test_texts_are_cut_into_spans(monkeypatch, tiny_static):
    """Prevents a thousand long texts from being held as tokens at once, and a text that is left out or comes twice."""
    from fewshot.encoders import static

    texts = [TEXTS[i % len(TEXTS)] for i in range(50)]
    whole = tiny_static.encode(texts)
    monkeypatch.setattr(static, "CHUNK_CHARACTERS", 100)
    monkeypatch.setattr(static, "CHUNK_TEXTS", 7)
    cut = list(static.spans(texts))
    assert [i for start, stop in cut for i in range(start, stop)] == list(range(50))
    assert all(stop - start == 1 or sum(map(len, texts[start:stop])) <= 100 for start, stop in cut)
    assert max(stop - start for start, stop in cut) <= 7
    np.testing.assert_array_equal(tiny_static.encode(texts), whole)
    assert tiny_static.encode([]).shape == (0, 16)


def test_a_vector_does_not_depend_on_its_company(tiny_static):
    """Prevents predictions that change with the order or the number of texts, down to the last bit."""
    together = tiny_static.encode(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(tiny_static.encode([text])[0], vector)
    np.testing.assert_array_equal(tiny_static.encode(TEXTS[::-1]), together[::-1])


def test_bigrams_are_added_before_the_length_is_set(tiny_static):
    """Prevents rows of pairs that are weighed by the length of the text, and pairs that change other texts."""
    tokenizer = tiny_static.tokenizer
    pair = [tokenizer.token_to_id("refund"), tokenizer.token_to_id("card")]
    row = np.full((1, 16), 0.25)
    bigrams = BigramTable(np.array([pair]), row, n_tokens=tiny_static.n_tokens)
    encoder = StaticEncoder(tiny_static.table, tokenizer, bigrams=bigrams)
    total = tiny_static.table[pair].sum(axis=0) + row[0]
    np.testing.assert_allclose(encoder.encode(["refund card"])[0], total / np.linalg.norm(total), rtol=1e-5)
    np.testing.assert_array_equal(encoder.encode(["card refund"]), tiny_static.encode(["card refund"]))
    assert encoder.fingerprint != tiny_static.fingerprint
    silent = BigramTable(np.array([pair]), 0 * row, n_tokens=tiny_static.n_tokens)
    same = StaticEncoder(tiny_static.table, tokenizer, bigrams=silent)
    np.testing.assert_array_equal(same.encode(TEXTS), tiny_static.encode(TEXTS))


def test_bigrams_of_another_table(tiny_static):
    """Prevents sums of rows of different lengths, and pairs that another tokenizer numbered."""
    for n_tokens, dimension in ((tiny_static.n_tokens, 3), (tiny_static.n_tokens + 1, 16)):
        bigrams = BigramTable(np.array([[1, 2]]), np.ones((1, dimension)), n_tokens=n_tokens)
        with pytest.raises(ModelFormatError, match="the bigrams have"):
            StaticEncoder(tiny_static.table, tiny_static.tokenizer, bigrams=bigrams)


@pytest.fixture
def convolved(tiny_static):
    """The table with filters over neighbours."""
    rng = np.random.default_rng(0)
    filters = Convolution(rng.normal(size=(3, 16, 4)), rng.normal(size=4), rng.normal(size=(4, 16)))
    return StaticEncoder(tiny_static.table, tiny_static.tokenizer, convolution=filters)


def test_filters_join_the_sum(tiny_static, convolved):
    """Prevents filters that are carried and not used, and that outweigh long sums less than short ones."""
    texts = ["refund my card", "card my refund", "", "late " * 50]
    found = convolved.convolution.vectors(convolved.table, *convolved.token_ids(texts))
    both = tiny_static.encode(texts) + found
    expected = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)
    vectors = convolved.encode(texts)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.1
    assert not vectors[2].any()
    np.testing.assert_allclose([convolved.encode([text])[0] for text in texts], vectors, atol=1e-5)


def test_filters_stay_with_other_rows(tiny_static, convolved):
    """Prevents a rounded or a trained table that lost its filters, and a cache that takes one table for the other."""
    assert convolved.fingerprint != tiny_static.fingerprint
    assert convolved.with_rows(convolved.table, table_dtype="int8").convolution is convolved.convolution
    assert convolved.n_parameters == tiny_static.n_parameters + 3 * 16 * 4 + 4 + 4 * 16
    bigrams = BigramTable(np.array([[1, 2]]), np.ones((1, 16)), n_tokens=tiny_static.n_tokens)
    paired = StaticEncoder(tiny_static.table, tiny_static.tokenizer, bigrams=bigrams)
    np.testing.assert_array_equal(paired.with_rows(paired.table).bigrams.table, bigrams.table)
    assert paired.n_parameters == tiny_static.n_parameters + 16
    half = Convolution(convolved.convolution.kernel / 2, convolved.convolution.bias, convolved.convolution.output)
    other = convolved.with_rows(convolved.table, convolution=half)
    assert other.convolution is half
    assert other.fingerprint != convolved.fingerprint


def test_filters_of_another_table(tiny_static, convolved):
    """Prevents filters that read rows of another length, and pairs that training would lose beside them."""
    filters = Convolution(np.ones((3, 8, 4)), np.ones(4), np.ones((4, 8)))
    with pytest.raises(ModelFormatError, match="reads rows of 8 columns; the table has 16"):
        StaticEncoder(tiny_static.table, tiny_static.tokenizer, convolution=filters)
    bigrams = BigramTable(np.array([[1, 2]]), np.ones((1, 16)), n_tokens=tiny_static.n_tokens)
    with pytest.raises(ModelFormatError, match="not both"):
        StaticEncoder(tiny_static.table, tiny_static.tokenizer, bigrams=bigrams, convolution=convolved.convolution)


def test_whole_words():
    """Prevents words without a row from being left out, and equal fingerprints of tables with other buckets."""
    rows = np.eye(6)
    encoder = StaticEncoder(rows, WordTokenizer(["good", "bad"], n_buckets=3), name="static:words")
    vectors = encoder.encode(["Good!", "bad good", "unheard-of", "?"])
    np.testing.assert_allclose(vectors[:2], [rows[1], (rows[1] + rows[2]) / np.sqrt(2)], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors[2]), 1, atol=1e-6)
    assert not vectors[2][:3].any()
    assert not vectors[3].any()
    other = StaticEncoder(rows, WordTokenizer(["good", "bad"], n_buckets=2))
    assert other.fingerprint != encoder.fingerprint


def test_copies_encode_alike(tiny_static):
    """Prevents an encoder that scikit-learn's clone or joblib cannot copy."""
    for other in (copy.deepcopy(tiny_static), pickle.loads(pickle.dumps(tiny_static))):
        np.testing.assert_array_equal(other.encode(TEXTS), tiny_static.encode(TEXTS))


def test_threads_share_an_encoder(tiny_static):
    """Prevents words of one request from reaching another where a service encodes in several threads."""
    encoder = StaticEncoder(tiny_static.table, tiny_static.tokenizer)
    requests = [[f"card {i} refund{j}" for j in range(20)] for i in range(40)]
    expected = [tiny_static.encode(request) for request in requests]
    with ThreadPoolExecutor(4) as threads:
        for given, wanted in zip(threads.map(encoder.encode, requests), expected, strict=True):
            np.testing.assert_array_equal(given, wanted)


WITHOUT_TORCH = """
import sys
from fewshot import load_classifier
classifier = load_classifier(sys.argv[1])
print(*classifier.predict(["refund my card", "parcel late"]))
loaded = {"torch", "transformers", "sentence_transformers", "datasets"} & set(sys.modules)
assert not loaded, loaded
"""


@pytest.mark.parametrize("kind", ["subwords", "words"])
def test_a_static_classifier_needs_no_torch(tiny_static, single, tmp_path, kind):
    """Prevents seconds of start-up, and gigabytes in a container, for a model that is a table."""
    from fewshot import LinearProbeClassifier

    encoder = tiny_static
    if kind == "words":
        words = WordTokenizer(sorted({word for text in single.texts for word in text.split()}), n_buckets=2)
        encoder = StaticEncoder(np.random.default_rng(0).normal(size=(words.n_tokens, 16)), words)
    classifier = LinearProbeClassifier(encoder=encoder).fit(single.texts, single.labels)
    classifier.save(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "model")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(classifier.predict(["refund my card", "parcel late"]))
