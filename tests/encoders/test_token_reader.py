"""Tokens by NumPy are those of transformers; settings survive a file, and damaged ones are refused."""

import dataclasses

import numpy as np
import pytest

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.token_reader import TokenReader, TokenSettings
from tests.distillation.logit_cases import make_tokenizer

TEXTS = ["refund the invoice", "", "parcel " * 40, "a [SEP] b", "déjà vu 🙂"]


@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("truncation_side", ["right", "left"])
@pytest.mark.parametrize("split_special_tokens", [True, False])
def test_the_tokens_are_transformers_own(tiny_tokenizer, padding_side, truncation_side, split_special_tokens):
    """Prevents other tokens where transformers is not there: sides, special tokens, padding."""
    theirs = make_tokenizer(tiny_tokenizer)
    theirs.padding_side, theirs.truncation_side = padding_side, truncation_side
    theirs.split_special_tokens = split_special_tokens
    expected = theirs(TEXTS, padding=True, truncation=True, max_length=12, return_tensors="np")
    reader = TokenReader(theirs.backend_tokenizer, TokenSettings.of(theirs, 12))
    if split_special_tokens:
        theirs.backend_tokenizer.encode_special_tokens = True
        reader = TokenReader(theirs.backend_tokenizer, TokenSettings.of(theirs, 12))
    found = reader.features(reader.encode(TEXTS))
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


def test_a_prompt_and_a_stand_in(tiny_tokenizer):
    """Prevents a prompt from being left out, and a text without tokens from being an empty row."""
    bare = type(tiny_tokenizer).from_str(tiny_tokenizer.to_str())
    bare.post_processor = None
    plain = TokenReader(bare, TokenSettings(None))
    assert [len(one) for one in plain.encode(["", "refund"])] == [0, 1]
    reader = TokenReader(bare, TokenSettings(None, prompt="my ", blank=None))
    assert reader.encode(["refund"])[0].ids == plain.encode(["my refund"])[0].ids
    assert TokenReader(bare, TokenSettings(None, blank="x")).encode([""])[0].ids == plain.encode(["x"])[0].ids


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 0},
        {"max_length": "12"},
        {"max_length": True},
        {"pad_id": None},
        {"pads_left": 1},
        {"prompt": None},
        {"blank": 3},
        {"more": 1},
    ],
)
def test_damaged_settings_are_refused(change):
    """Prevents a TypeError in the tokenizer, far from the file that was damaged."""
    with pytest.raises(ModelFormatError):
        TokenSettings.from_json({**TokenSettings(12).to_json(), **change})
    lacking = TokenSettings(12).to_json()
    lacking.pop("prompt")
    with pytest.raises(ModelFormatError):
        TokenSettings.from_json(lacking)
    with pytest.raises(ModelFormatError):
        TokenSettings.from_json(None)


def test_settings_survive_json():
    """Prevents a setting that is written and not read."""
    settings = TokenSettings(7, 1, 2, True, True, True, False, True, "a ", "b")
    assert TokenSettings.from_json(settings.to_json()) == settings
    assert len(dataclasses.fields(TokenSettings)) == 10
