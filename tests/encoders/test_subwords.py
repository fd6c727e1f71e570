"""Numbers of subwords against the tokenizer itself, whether it is asked for texts or for words."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from fewshot.encoders import subwords
from fewshot.encoders.subwords import SubwordTokenizer

ODD = [
    " ",
    "  ",
    "\t",
    "\u00a0",
    "\u2028",
    "\x1c",
    "\x00",
    "\ufffd",
    "\u0301",
    "深",
    "[SEP]",
    "[MASK]",
    "é",
    "İ",
    "A",
    "x",
]
TEXT = st.text(max_size=15) | st.lists(st.sampled_from([*ODD, "card", "refunds"]), max_size=10).map("".join)


def expected_ids(tokenizer, texts):
    """Return what the tokenizer says of each text alone."""
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def read_ids(reader, texts):
    """Return the same as the reader gives it."""
    ids, bounds = reader.token_ids(texts)
    assert ids.dtype == bounds.dtype == np.int32
    return [ids[bounds[i] : bounds[i + 1]].tolist() for i in range(len(texts))]


@pytest.fixture(scope="module")
def reader(tiny_tokenizer):
    """The tiny tokenizer of words, with special tokens that stand in texts."""
    tokenizer = Tokenizer.from_str(tiny_tokenizer.to_str())
    tokenizer.add_special_tokens(["[SEP]", "[CLS]", AddedToken("[MASK]", lstrip=True, rstrip=True)])
    return SubwordTokenizer(tokenizer)


@given(st.lists(TEXT, max_size=6))
def test_words_give_what_texts_give(reader, texts):
    """Prevents other tokens than the tokenizer's own at odd spaces, accents, control signs and special tokens."""
    assert reader.reads_words
    assert read_ids(reader, texts) == expected_ids(reader.tokenizer, texts)


@pytest.mark.parametrize("strip_accents", [None, True, False])
@pytest.mark.parametrize("lowercase", [True, False])
def test_each_normalizer_of_the_family(tiny_tokenizer, strip_accents, lowercase):
    """Prevents a difference where the tokenizer keeps case or accents."""
    tokenizer = Tokenizer.from_str(tiny_tokenizer.to_str())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    reader, texts = SubwordTokenizer(tokenizer), ["Café CAFE\u0301 card", "e \u0301a", "x深 y", "".join(ODD)]
    assert read_ids(reader, texts) == expected_ids(tokenizer, texts)


def whole_texts():
    """Tokenizers that may not be asked for words."""
    words = {"[UNK]": 0, "card": 1, "my card": 2}
    metaspace = Tokenizer(models.WordLevel({"[UNK]": 0, "▁card": 1, "card": 2}, unk_token="[UNK]"))
    metaspace.pre_tokenizer = pre_tokenizers.Metaspace()
    bytes_ = Tokenizer(models.BPE({sign: i for i, sign in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spaced = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    spaced.normalizer, spaced.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    spaced.add_tokens(["my card"])
    return [metaspace, bytes_, spaced, Tokenizer(models.WordLevel(words, unk_token="[UNK]"))]


@pytest.mark.parametrize("tokenizer", whole_texts())
def test_tokenizers_that_read_over_spaces(tokenizer):
    """Prevents tokens from being lost that hold a space, or mark one."""
    reader, texts = SubwordTokenizer(tokenizer), ["my card", "card", " card my", ""]
    assert not reader.reads_words
    assert read_ids(reader, texts) == expected_ids(tokenizer, texts)


def test_the_memory_is_bounded(tiny_tokenizer, monkeypatch):
    """Prevents a service from growing with every new word that it is sent."""
    monkeypatch.setattr(subwords, "MOST_REMEMBERED", 2000)
    reader = SubwordTokenizer(tiny_tokenizer)
    for i in range(200):
        texts = [f"card {i}", "x" * i]
        assert read_ids(reader, texts) == expected_ids(tiny_tokenizer, texts)
    assert len(reader._known) < 30


def test_copies_leave_the_memory_behind(reader):
    """Prevents texts of users from travelling with a pickled classifier, and a copy that is refused."""
    reader.token_ids(["secret"])
    for other in (copy.deepcopy(reader), pickle.loads(pickle.dumps(reader))):
        assert "secret" not in other._known
        assert read_ids(other, ["secret card"]) == read_ids(reader, ["secret card"])


def test_no_text(reader):
    """Prevents an error at nothing."""
    assert read_ids(reader, []) == []
    assert read_ids(reader, [""]) == [[]]
