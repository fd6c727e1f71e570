"""Opening masked language models: those with a head and a mask, and no others."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from fewshot.classifiers.masked_models import open_masked
from fewshot.core.errors import ModelFormatError, SourceNotFoundError
from tests.distillation.logit_cases import make_bert, make_tokenizer


@pytest.fixture
def folder(tiny_masked, tmp_path):
    """A copy of a whole model, to be damaged."""
    return Path(shutil.copytree(tiny_masked, tmp_path / "masked"))


def test_a_whole_model(tiny_masked, capfd):
    """Prevents dropout in answers, and tables in a pipe."""
    model, tokenizer = open_masked(tiny_masked)
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert tokenizer.mask_token == "[MASK]"
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


def test_models_without_the_head_are_refused(tiny_folder, tiny_tokenizer, tmp_path):
    """Prevents a head of random weights from filling masks, as transformers lets it with a line in the log."""
    with pytest.raises(ModelFormatError, match=r"lacks \d+ weights, such as 'cls"):
        open_masked(tiny_folder)
    tokenizer = make_tokenizer(tiny_tokenizer)
    make_bert(tokenizer).save_pretrained(tmp_path / "classifier")
    tokenizer.save_pretrained(tmp_path / "classifier")
    with pytest.raises(ModelFormatError, match="it would answer at random"):
        open_masked(tmp_path / "classifier")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask_token": None}, "no mask token"),
        ({"pad_token": None}, "no padding token"),
    ],
)
def test_tokenizers_that_cannot_ask(folder, change, message):
    """Prevents a crash far from the mistake where nothing can stand for the word to be found."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for name, value in change.items():
        setattr(tokenizer, name, value)
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelFormatError, match=message):
        open_masked(folder)


def test_a_tokenizer_of_another_model(folder):
    """Prevents tokens that the model has no vector for."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["unheard"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelFormatError, match="but the model knows"):
        open_masked(folder)


def test_pickles_damage_and_absence(folder):
    """Prevents a pickle from being opened, and half a file from being a model."""
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        open_masked(folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        open_masked(folder)
    with pytest.raises(SourceNotFoundError, match="neither a local folder nor to be had from the Hub"):
        open_masked("nobody/no-such-model")
