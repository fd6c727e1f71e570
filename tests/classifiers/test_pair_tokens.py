"""Pairs made of ids: those of the tokenizer's own pair encoding, whatever it puts around the two texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from fewshot.classifiers.pair_tokens import PairTokens
from fewshot.core.errors import InputError, ModelFormatError
from tests.distillation.sequence_folders import NAMES

HYPOTHESES = ["This is a refund.", "login", "the card was late again"]
TEXTS = ["", "refund", "the card was charged twice", "late parcel " * 60, "123 login? yes", "a"]
LIMIT = 60


def bert(tiny_tokenizer, **options):
    """[CLS] text [SEP] hypothesis [SEP], the second part of type 1."""
    return PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer, model_max_length=LIMIT, **NAMES, **options)


def _bytes(single, pair, special):
    """A byte-level tokenizer without merges, as RoBERTa's and GPT-2's kin have."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate([*special, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if pair:
        known = [(piece, vocabulary[piece]) for piece in special]
        tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=known)
    return tokenizer


def roberta(_, **options):
    """<s> text </s></s> hypothesis </s>, no types."""
    tokenizer = _bytes("<s> $A </s>", "<s> $A </s> </s> $B </s>", ["<s>", "<pad>", "</s>"])
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    given = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=given, **names, **options)


def t5(_, **options):
    """Text </s> hypothesis </s>: nothing in front."""
    tokenizer = _bytes("$A </s>", "$A </s> $B </s>", ["<pad>", "</s>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", **options)


def gpt2(_, **options):
    """Text and hypothesis without anything around them, padded on the left."""
    tokenizer = _bytes("$A", None, ["<|endoftext|>"])
    names = {"pad_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="left", **names, **options)


def xlnet(_, **options):
    """Text <sep> hypothesis <sep> <cls>, the last of a type of its own, padded on the left with yet another."""
    tokenizer = _bytes("$A:0 <sep>:0 <cls>:2", "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2", ["<cls>", "<sep>", "<pad>"])
    names = {"pad_token": "<pad>", "cls_token": "<cls>", "sep_token": "<sep>", "pad_token_type_id": 3}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="left", **names, **options)


KINDS = {"bert": bert, "roberta": roberta, "t5": t5, "gpt2": gpt2, "xlnet": xlnet}


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_those_of_the_tokenizer(kind, side, tiny_tokenizer):
    """Prevents a special token, a type, a cut or padding that the model was not trained with."""
    tokenizer = KINDS[kind](tiny_tokenizer, truncation_side=side)
    pairs = PairTokens(tokenizer, HYPOTHESES, max_length=LIMIT)
    ids = pairs.cut(TEXTS)
    lengths = pairs.lengths(np.array([len(some) for some in ids]))
    rows = [(row, column) for row in range(len(TEXTS)) for column in range(len(HYPOTHESES))]
    texts, seconds = [TEXTS[row] for row, _ in rows], [HYPOTHESES[column] for _, column in rows]
    options = {"truncation": "only_first", "max_length": LIMIT, "return_token_type_ids": True}
    own = tokenizer(texts, seconds, **options)
    for place, (row, column) in enumerate(rows):
        made = pairs.pair(ids[row], column)
        assert made == (own["input_ids"][place], own["token_type_ids"][place])
        assert lengths[row, column] == len(made[0])
    padded = tokenizer(texts, seconds, padding=True, return_tensors="pt", **options)
    made = pairs.features([(ids[row], column) for row, column in rows])
    assert set(made) == set(padded)
    for name, tensor in padded.items():
        np.testing.assert_array_equal(made[name], tensor)


@given(st.text(max_size=30), st.integers(0, len(HYPOTHESES) - 1))
def test_any_text(text, hypothesis):
    """Prevents an odd text (spaces, signs, names of special tokens) from standing otherwise in a pair."""
    tokenizer = roberta(None)
    pairs = PairTokens(tokenizer, HYPOTHESES, max_length=LIMIT)
    own = tokenizer(text, HYPOTHESES[hypothesis], truncation="only_first", max_length=LIMIT)["input_ids"]
    assert pairs.pair(pairs.cut([text])[0], hypothesis)[0] == own


def test_no_text_at_all(tiny_tokenizer):
    """Prevents a crash of the tokenizer on an empty list."""
    assert PairTokens(bert(tiny_tokenizer), HYPOTHESES, max_length=LIMIT).cut([]) == []


def test_a_hypothesis_that_is_too_long(tiny_tokenizer):
    """Prevents a pair in which the text has no room."""
    with pytest.raises(InputError, match=r"a hypothesis has 40 tokens and the model reads 60 .* shorter label_words"):
        PairTokens(bert(tiny_tokenizer), ["refund " * 40], max_length=LIMIT)


def test_a_tokenizer_that_minds_the_second_text(tiny_tokenizer):
    """Prevents pairs that the model has never seen the like of, where a tokenizer treats a pair in a way of its own."""

    class Jealous:
        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def __call__(self, text, second=None, **options):
            return self.tokenizer(text if second is None else text[::-1], second, **options)

    with pytest.raises(ModelFormatError, match="reads a text otherwise when a hypothesis follows"):
        PairTokens(Jealous(bert(tiny_tokenizer)), HYPOTHESES, max_length=LIMIT)
