"""Tokenizers that add nothing to a text; whole models without them are in ``test_pooled.py``."""

import types

import numpy as np

from fewshot.encoders.padding import make_paddable, tokenless


def model_of(tokenizer, prompt=""):
    """Make as much of a model as is looked at."""
    return types.SimpleNamespace(tokenizer=tokenizer, prompts={"": prompt}, default_prompt_name="")


def test_a_padding_token_that_is_there_stays(tiny_folder):
    """Prevents a model's own padding token and side from being replaced."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.padding_side = "left"
    make_paddable(model_of(tokenizer))
    assert (tokenizer.pad_token, tokenizer.padding_side) == ("[PAD]", "left")


def test_any_token_will_do(tiny_tokenizer):
    """Prevents a model without any special token from failing at its first batch."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer)
    make_paddable(model_of(tokenizer))
    assert tokenizer.pad_token == tiny_tokenizer.id_to_token(0)
    assert tokenizer(["card", "card box late"], padding=True)["attention_mask"][0][-1] == 0


def test_models_that_add_tokens_have_some_for_every_text(tiny_tokenizer):
    """Prevents zeros for texts that a model reads well: those it adds [CLS] or a prompt to."""
    assert not tokenless(model_of(tiny_tokenizer), ["", "card", " "]).any()


def test_texts_of_no_token(tiny_tokenizer):
    """Prevents texts with tokens from being taken for blank, however odd, and padding from being taken for a token."""
    from tokenizers import Tokenizer, processors

    bare = Tokenizer.from_str(tiny_tokenizer.to_str())
    bare.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B")
    bare.enable_padding(length=8)
    found = tokenless(model_of(bare), ["", "card", " ", "?", "\u0000", "a"])
    np.testing.assert_array_equal(found, [True, False, True, False, True, False])
    assert not tokenless(model_of(bare, prompt="query: "), [""]).any()
