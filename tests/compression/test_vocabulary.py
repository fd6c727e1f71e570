"""Trimmed vocabularies: the pool is read as before, all else falls to smaller pieces, folders open anywhere."""

import json

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.compression.tokenizer_trimming import PieceTable
from fewshot.compression.vocabulary import trim_classifier, trim_vocabulary, unknown_share
from fewshot.core.artifacts import folder_bytes
from fewshot.core.errors import InputError
from fewshot.encoders.cached import CachedEncoder
from fewshot.encoders.sentence import SentenceEncoder
from tests.conftest import SIGNS
from tests.encoders.transformer_models import make_model

POOL = ["my parcel is late", "refund, please: the card", "Hello 7 + 5!"]
OTHERS = ["the courier charged me", "an unheard-of password", "❤ parcel", "", "   ", "payment " * 200]


def unigram():
    """A Unigram tokenizer in XLM-R's manner: special tokens first and last, scores."""
    words = {"▁parcel": -3.0, "▁card": -3.1, "par": -4.0, "cel": -4.1, "▁refund": -3.2, "▁the": -2.0, "fund": -5.0}
    signs = {"▁": -6.0, **{sign: -8.0 - 0.01 * place for place, sign in enumerate(SIGNS)}}
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *words.items(), *signs.items()]
    tokenizer = Tokenizer(models.Unigram([*vocabulary, ("<mask>", 0.0)], unk_id=3))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def unigram_encoder(folder):
    """A tiny encoder with that tokenizer."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoModel, PreTrainedTokenizerFast, XLMRobertaConfig

    tokenizer = unigram()
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
    )
    AutoModel.from_config(config).save_pretrained(folder)
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>"}
    options = {"unk_token": "<unk>", "mask_token": "<mask>", "model_max_length": 64}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, **options).save_pretrained(folder)
    model = SentenceTransformer(modules=[Transformer(str(folder)), Pooling(16)], device="cpu")
    return SentenceEncoder(model, name="unigram", device="cpu", precision="float32")


@pytest.fixture(scope="module")
def encoder(request, tiny_encoder, tmp_path_factory):
    """The tiny encoder, with WordPiece or Unigram."""
    if getattr(request, "param", "wordpiece") == "unigram":
        return unigram_encoder(tmp_path_factory.mktemp("unigram"))
    return tiny_encoder


@pytest.mark.parametrize("encoder", ["wordpiece", "unigram"], indirect=True)
def test_the_pool_is_read_as_before(encoder, tmp_path):
    """Prevents rows of other tokens, special tokens with old numbers, and folders that open with the old ones."""
    before = encoder.encode([*POOL, *OTHERS])
    small = trim_vocabulary(encoder, POOL)
    n_tokens = len(small.model.tokenizer)
    table = small.model[0].auto_model.get_input_embeddings()
    assert n_tokens == table.num_embeddings == small.model[0].auto_model.config.vocab_size
    assert n_tokens < len(encoder.model.tokenizer)
    np.testing.assert_allclose(small.encode(POOL), before[: len(POOL)], atol=1e-6)
    ours, theirs = (one.model.tokenizer for one in (small, encoder))
    for text in POOL:
        assert ours.convert_ids_to_tokens(ours(text)["input_ids"]) == theirs.convert_ids_to_tokens(
            theirs(text)["input_ids"]
        )
    assert np.isfinite(small.encode(OTHERS)).all()
    small.save(tmp_path / "small")
    opened = SentenceTransformer(str(tmp_path / "small"), device="cpu")
    np.testing.assert_allclose(opened.encode([*POOL, *OTHERS[:3]]), small.encode([*POOL, *OTHERS[:3]]), atol=1e-6)
    assert len(opened.tokenizer) == n_tokens
    np.testing.assert_array_equal(encoder.encode([*POOL, *OTHERS]), before)  # the whole one is as it was


@pytest.mark.parametrize("encoder", ["wordpiece", "unigram"], indirect=True)
def test_other_words_are_spelt(encoder):
    """Prevents words that no text of the pool holds from becoming unknown, or raising."""
    small = trim_vocabulary(encoder, ["card"])
    pieces = small.model.tokenizer.tokenize("refund parcel")
    assert "".join(piece.strip("#▁") for piece in pieces) == "refundparcel"
    assert small.model.tokenizer.unk_token not in pieces
    assert unknown_share(small, ["refund parcel"]) == 0.0
    assert unknown_share(small, ["card ❤ card"]) == pytest.approx(1 / 3, abs=0.1)
    assert unknown_share(small, [""]) == 0.0


def test_special_tokens_stay(encoder):
    """Prevents a tokenizer whose special tokens are those of the old numbers."""
    ours, theirs = trim_vocabulary(encoder, POOL).model.tokenizer, encoder.model.tokenizer
    for name in ("pad", "unk", "cls", "sep", "mask"):
        token, number = getattr(ours, f"{name}_token"), getattr(ours, f"{name}_token_id")
        assert token == getattr(theirs, f"{name}_token")
        assert ours.convert_ids_to_tokens(number) == token
    both = ours("card", "late")["input_ids"]
    assert ours.convert_ids_to_tokens(both) == ["[CLS]", "card", "[SEP]", "late", "[SEP]"]


def test_rare_tokens_go(encoder):
    """Prevents ``min_count`` that counts texts instead of tokens, or keeps all."""
    sizes = [len(trim_vocabulary(encoder, ["card card", "late"], count).model.tokenizer) for count in (1, 2, 3)]
    assert sizes == [sizes[2] + 2, sizes[2] + 1, sizes[2]]


def test_frequent_tokens_stay(encoder):
    """Prevents words that only the pool lacks from falling to pieces although there is room for them."""
    whole = encoder.model.tokenizer.get_vocab()

    def kept(n):
        return set(trim_vocabulary(encoder, ["card"], n_frequent=n).model.tokenizer.get_vocab())

    dropped = sorted(number for token, number in whole.items() if token not in kept(0))
    first_half = {token for token, number in whole.items() if number <= dropped[len(dropped) // 2]}
    some = kept(len(first_half))
    assert kept(0) < some < set(whole)
    assert some == kept(0) | first_half
    assert kept(10**6) == set(whole)
    with pytest.raises(InputError, match="n_frequent must be at least 0"):
        trim_vocabulary(encoder, ["card"], n_frequent=-1)


def test_a_cache_is_looked_behind(encoder):
    """Prevents an encoder behind a cache from being refused."""
    assert len(trim_vocabulary(CachedEncoder(encoder), POOL).model.tokenizer) < len(encoder.model.tokenizer)


def test_what_cannot_be_trimmed_is_refused(encoder, tiny_static):
    """Prevents tables and texts from being taken for what they are not."""
    with pytest.raises(InputError, match="must be a transformer with a fast tokenizer"):
        trim_vocabulary(tiny_static, POOL)
    with pytest.raises(InputError, match="at least one text"):
        trim_vocabulary(encoder, [])
    with pytest.raises(InputError, match="one string"):
        trim_vocabulary(encoder, "card")
    with pytest.raises(InputError, match="min_count must be at least 1"):
        trim_vocabulary(encoder, POOL, 0)


def test_byte_pairs_are_refused(tmp_path):
    """Prevents pieces from going that others are merged from."""
    pairs = Tokenizer(models.BPE({"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3, "ab": 4}, [("a", "b")], unk_token="[UNK]"))
    pairs.add_special_tokens(["[PAD]", "[UNK]"])
    encoder = SentenceEncoder(make_model("roberta", pairs, tmp_path), name="pairs", device="cpu", precision="float32")
    with pytest.raises(InputError, match="kind 'BPE'"):
        trim_vocabulary(encoder, ["ab"])


def test_a_tokenizer_that_does_more_is_refused(encoder, monkeypatch):
    """Prevents a trimmed tokenizer that reads the pool otherwise from being given out."""
    monkeypatch.setattr(PieceTable, "trimmed", lambda self, kept: swapped(self, kept))
    with pytest.raises(InputError, match="does more than its pieces tell"):
        trim_vocabulary(encoder, POOL)


def swapped(table, kept, trimmed=PieceTable.trimmed):
    """A description in which two words have changed places."""
    made = trimmed(table, kept)
    words = made["model"]["vocab"]
    words["card"], words["late"] = words["late"], words["card"]
    return made


def test_processors_of_every_kind_are_renumbered():
    """Prevents old numbers around a text where a tokenizer puts its special tokens there by another kind of rule."""
    words = {"[UNK]": 0, "x": 1, "long": 2, "[CLS]": 3, "[SEP]": 4}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["[CLS]", "[SEP]"])
    bert = processors.BertProcessing(("[SEP]", 4), ("[CLS]", 3))
    for processor in (bert, processors.Sequence([bert])):
        tokenizer.post_processor = processor
        tokenizer.enable_padding(pad_id=4, pad_token="[SEP]")
        table = PieceTable(json.loads(tokenizer.to_str()))
        trimmed = Tokenizer.from_str(json.dumps(table.trimmed(np.array([0, 1, 3, 4]))))
        assert trimmed.encode("x long").ids == [2, 1, 0, 3]
        assert trimmed.padding["pad_id"] == 3


@pytest.mark.parametrize("kind", ["probe", "mean", "cls"])
def test_a_classifier_answers_the_pool_as_before(tiny_encoder, multi, kind, tmp_path):
    """Prevents a head that meets rows of other tokens, and a folder that opens with the old table."""
    if kind == "probe":
        whole = LinearProbeClassifier(tiny_encoder).fit(multi.texts, multi.labels)
    else:
        whole = FineTunedClassifier(tiny_encoder, pooling=kind, steps=4, folds=0, device="cpu")
        whole.fit(multi.texts, multi.labels)
    before = whole.predict_proba(OTHERS)
    small = trim_classifier(whole, POOL)
    np.testing.assert_allclose(small.predict_proba(POOL), whole.predict_proba(POOL), atol=1e-6)
    small.save(tmp_path / "small")
    opened = load_classifier(tmp_path / "small", device="cpu")
    np.testing.assert_allclose(opened.predict_proba(OTHERS), small.predict_proba(OTHERS), atol=1e-6)
    assert opened.predict(OTHERS) == small.predict(OTHERS)
    whole.save(tmp_path / "whole")
    assert folder_bytes(tmp_path / "small") < folder_bytes(tmp_path / "whole")
    np.testing.assert_array_equal(whole.predict_proba(OTHERS), before)  # the whole one is as it was


def test_classifiers_without_a_transformer_are_refused(single):
    """Prevents an answer that seems smaller and is the same."""
    bayes = NaiveBayesClassifier().fit(single.texts, single.labels)
    with pytest.raises(InputError, match="'naive-bayes' classifier has no transformer"):
        trim_classifier(bayes, POOL)
