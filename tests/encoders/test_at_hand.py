"""What of an encoder is on this machine, without opening it."""

import numpy as np
import pytest

from fewshot.core.errors import MissingExtraError
from fewshot.encoders import at_hand
from fewshot.encoders.at_hand import count_tokens, is_at_hand, tokenizer_at_hand
from fewshot.encoders.coverage import language_note, tokenizer_note


def test_a_folder_is_at_hand(tiny_folder, tiny_encoder):
    """The tokenizer in the file must be the encoder's own."""
    assert is_at_hand(str(tiny_folder))
    tokenizer = tokenizer_at_hand(str(tiny_folder))
    texts = ["hello refund", "x " * 200]
    assert count_tokens(tokenizer, texts).tolist() == [4, 202]
    russian = ["посылка опоздала"] * 20
    assert tokenizer_note(tokenizer, russian) == language_note(tiny_encoder, russian) is not None


def test_a_cut_off_and_padding_of_the_tokenizer_are_not_counted(tiny_tokenizer):
    """Texts that are cut to 64 tokens would all seem short; the caller's tokenizer stays as it was."""
    tokenizer = type(tiny_tokenizer).from_str(tiny_tokenizer.to_str())
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=32)
    assert np.array_equal(count_tokens(tokenizer, ["refund " * 20]), [22])
    assert tokenizer.truncation["max_length"] == 8


@pytest.mark.parametrize("name", ["nobody/has-this-model", "no such name!", "a/b/c"])
def test_what_is_not_here_is_not_at_hand(name):
    """Neither the network nor an error: advice goes on without."""
    assert not is_at_hand(name)
    assert tokenizer_at_hand(name) is None


def test_a_copy_in_the_cache_is_at_hand(tmp_path, monkeypatch, tiny_folder):
    """Who has downloaded the default teacher once must not be sent to another."""
    cached = {"config.json": str(tiny_folder / "config.json"), "tokenizer.json": str(tiny_folder / "tokenizer.json")}
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, name: cached.get(name))
    assert is_at_hand("owner/name")
    assert tokenizer_at_hand("owner/name") is not None


def test_a_missing_package_and_a_damaged_file_are_not_at_hand(tmp_path, monkeypatch):
    """Advice must not fail because an encoder would."""

    def missing():
        raise MissingExtraError("not installed")

    monkeypatch.setattr(at_hand, "bundled_folder", missing)
    assert not is_at_hand("bundled")
    assert tokenizer_at_hand("bundled") is None
    (tmp_path / "tokenizer.json").write_text("{")
    assert tokenizer_at_hand(str(tmp_path)) is None
