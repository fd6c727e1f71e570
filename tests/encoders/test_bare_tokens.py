"""Features by the bare tokenizer against those of sentence-transformers."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.encoders.bare_tokens import BareTokens

TEXTS = ["refund my card", "", "UPPER and [SEP] special [MASK]", "a " * 200, "déjà vu 東京", "late parcel"]


def assert_same(ours, theirs):
    """Compare features, types included."""
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if isinstance(value, torch.Tensor):
            assert ours[name].dtype == value.dtype
            assert torch.equal(ours[name], value), name
        else:
            assert ours[name] == value


@pytest.mark.parametrize("side", ["right", "left"])
def test_features_are_the_models_own(tiny_model, side):
    """Prevents other tokens, another padding, a text cut at another place, or a mask that hides tokens."""
    model = copy.deepcopy(tiny_model)
    model.tokenizer.padding_side = model.tokenizer.truncation_side = side
    model.max_seq_length = 12
    tokens = BareTokens.of(model)
    assert tokens is not None
    assert_same(tokens(TEXTS), model.preprocess(TEXTS))
    assert_same(tokens(TEXTS[:1]), model.preprocess(TEXTS[:1]))


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_any_text(tiny_model, texts):
    """Prevents a sign that the two ways treat differently."""
    assert_same(BareTokens.of(tiny_model)(texts), tiny_model.preprocess(texts))


def test_segments_other_than_zero(tiny_model):
    """Prevents zeros for a model whose special tokens stand in another segment."""
    from tokenizers import processors

    model = copy.deepcopy(tiny_model)
    model.tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    assert_same(BareTokens.of(model)(TEXTS), model.preprocess(TEXTS))
    model.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:2 $A:0 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokens = BareTokens.of(model)
    features = tokens(TEXTS)
    assert_same(features, model.preprocess(TEXTS))
    assert features["token_type_ids"].max() == 2


@pytest.mark.parametrize("change", ["lower case", "prompt", "other features"])
def test_what_the_bare_tokenizer_does_not_know(tiny_model, monkeypatch, change):
    """Prevents tokens without the prompt or the changes that the model itself makes before it tokenizes."""
    model = copy.deepcopy(tiny_model)
    if change == "prompt":
        model.prompts, model.default_prompt_name = {"query": "query: "}, "query"
    preprocess = type(model).preprocess

    def changed(self, texts, **options):
        if change == "lower case":
            return preprocess(self, [text.replace("C", "X") for text in texts], **options)
        return {**preprocess(self, texts, **options), "more": torch.ones(len(texts))}

    if change != "prompt":
        monkeypatch.setattr(type(model), "preprocess", changed)
    assert BareTokens.of(model) is None


def test_a_token_table_has_features_of_its_own(tiny_encoder):
    """Prevents a crash, or a transformer's features, for a student that is a table."""
    from fewshot.distillation.students import build_student, trainable_model

    table = build_student(tiny_encoder, "static", texts=TEXTS)
    assert BareTokens.of(trainable_model(table, "cpu")) is None


def test_the_models_own_tokenizer_is_left_alone(tiny_model):
    """Prevents settings of one thread from changing what another thread's tokenizer gives."""
    model = copy.deepcopy(tiny_model)
    own = model.tokenizer.backend_tokenizer
    own.no_padding(), own.no_truncation()
    tokens = BareTokens(model)
    tokens(TEXTS)
    assert own.padding is None
    assert own.truncation is None
