"""Transformers classifiers in folders, read by a scorer: what they say of a text, and folders that are not opened."""

import shutil

import numpy as np
import pytest
import torch
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedTokenizerFast,
)

from fewshot.classifiers import sequence_folders
from fewshot.classifiers.sequence_folders import is_sequence_folder, open_sequence_folder, open_sequence_model
from fewshot.classifiers.sequence_models import model_fingerprint
from fewshot.classifiers.sequence_scorer import SequenceScorer
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from tests.distillation.sequence_folders import NAMES, change_config, write_classifier

LABELS = ["red", "green", "blue"]


def opened(folder, **options):
    """Open a folder and make its model ready to read texts."""
    return SequenceScorer(*open_sequence_folder(folder), name=str(folder), device="cpu", **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_tokenizer):
    """A classifier of three classes."""
    return write_classifier(tmp_path_factory.mktemp("bert"), tiny_tokenizer, LABELS)


@pytest.fixture(scope="module")
def model(folder):
    """The same, opened."""
    return opened(folder)


@pytest.fixture
def copied(folder, tmp_path):
    """A copy of the folder to spoil."""
    return shutil.copytree(folder, tmp_path / "copy")


def test_batches_say_what_single_texts_say(model, pool):
    """Prevents padding, sorting by length or the size of a batch from changing a text's answer."""
    texts = [*pool[:20], "", "refund " * 30, *pool[:3]]
    alone = np.vstack([model.logits([text]) for text in texts])
    np.testing.assert_allclose(model.logits(texts), alone, atol=1e-5)
    assert alone.std(axis=0).min() > 0.05
    assert model.logits([]).shape == (0, 3)


def test_long_texts_are_cut(model):
    """Prevents a crash at the model's last position."""
    long = "refund card " * 200
    np.testing.assert_allclose(model.logits([long]), model.logits([long + "password"]), atol=1e-5)
    assert model.max_length == 64


def test_memory_that_runs_out_halves_the_batch(folder, pool, monkeypatch):
    """Prevents a teacher from failing for a batch that a smaller card cannot hold."""
    model, original = opened(folder), SequenceScorer.forward
    expected = model.logits(pool[:20])

    def forward(self, texts):
        if len(texts) > 5:
            raise torch.OutOfMemoryError
        return original(self, texts)

    monkeypatch.setattr(SequenceScorer, "forward", forward)
    np.testing.assert_allclose(model.logits(pool[:20]), expected, atol=1e-5)
    assert model.batch_size == 4


def test_a_model_without_a_padding_token(tmp_path, tiny_tokenizer, pool):
    """Prevents GPT-2 and its kin from failing at the second text of a batch."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer, eos_token="[SEP]", unk_token="[UNK]")
    tokenizer.save_pretrained(tmp_path)
    size = tiny_tokenizer.get_vocab_size()
    config = GPT2Config(vocab_size=size, n_embd=16, n_layer=1, n_head=2, n_positions=32, bos_token_id=3, eos_token_id=3)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    model = opened(tmp_path)
    texts = [*pool[:5], "card " * 100]
    np.testing.assert_allclose(model.logits(texts), np.vstack([model.logits([t]) for t in texts]), atol=1e-5)


def test_a_model_that_takes_no_token_types(tmp_path, tiny_tokenizer, pool):
    """Prevents DistilBERT from failing on what a tokenizer gives and it does not know."""
    given = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer, model_max_length=32, model_input_names=given, **NAMES
    )
    tokenizer.save_pretrained(tmp_path)
    assert "token_type_ids" in tokenizer(pool[0])
    size = tiny_tokenizer.get_vocab_size()
    config = DistilBertConfig(vocab_size=size, dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=32)
    DistilBertForSequenceClassification(config).save_pretrained(tmp_path)
    model = opened(tmp_path)
    np.testing.assert_allclose(model.logits(pool[:5])[3:4], model.logits(pool[3:4]), atol=1e-5)


def test_fingerprints(folder, copied, tmp_path, tiny_tokenizer):
    """Prevents targets of one model from being taken for another's, and a copy from being taken for another model."""
    change_config(copied, transformers_version="0.0")
    same = {model_fingerprint(*open_sequence_folder(path)) for path in (folder, copied)}
    assert len(same) == 1
    other = write_classifier(tmp_path / "other", tiny_tokenizer, LABELS, seed=1)
    change_config(copied, hidden_act="relu")
    assert len(same | {model_fingerprint(*open_sequence_folder(path)) for path in (copied, other)}) == 3


def test_a_hub_id_is_opened_from_the_hub(folder, tmp_path, monkeypatch):
    """Prevents a Hub id from being looked for as a folder, and a folder, or a misspelt one, from being fetched."""
    monkeypatch.chdir(tmp_path)
    asked = []

    def from_hub(name):
        asked.append(name)
        return open_sequence_folder(folder)

    monkeypatch.setattr(sequence_folders, "open_from_hub", from_hub)
    open_sequence_model(folder)
    assert asked == []
    for name in ("owner/name", "hub:owner/name@v1"):
        open_sequence_model(name)
        assert asked.pop() == name
    (tmp_path / "owner").mkdir()
    with pytest.raises(SourceNotFoundError, match="no model folder 'owner/name'"):
        open_sequence_model("owner/name")


def test_a_hub_id_that_is_not_to_be_had():
    """Prevents an error of some library's depths where the network, or the model, is not there."""
    with pytest.raises(SourceNotFoundError, match="neither a local folder nor to be had from the Hub"):
        open_sequence_model("nobody-here/no-such-model@v1")


def test_what_is_a_sequence_classifier(folder, tiny_folder, tmp_path):
    """Prevents an encoder's folder, or none, from being opened as a classifier."""
    assert is_sequence_folder(folder)
    (tmp_path / "config.json").write_text("[1]")
    for other in (tiny_folder, tmp_path, tmp_path / "nowhere"):
        assert not is_sequence_folder(other)
    with pytest.raises(ModelFormatError, match="no sequence classifier"):
        open_sequence_folder(tiny_folder)
    with pytest.raises(SourceNotFoundError, match="no model folder"):
        open_sequence_folder(tmp_path / "nowhere")


def _as_pickle(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _with_code(folder):
    change_config(folder, model_type="own", auto_map={"AutoConfig": "own.Config"})
    (folder / "own.py").write_text("raise SystemExit('code from a model folder ran')")


def _without_head(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_as_pickle, "pickles .* are never opened"),
        (_with_code, "cannot be opened"),
        (_without_head, "lacks 1 weights .*'classifier.weight'"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"torn"), "cannot be opened"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be opened"),
    ],
)
def test_folders_that_are_not_opened(copied, spoil, message):
    """Prevents running code from a folder, and random weights in place of missing ones."""
    spoil(copied)
    with pytest.raises(ModelFormatError, match=message):
        open_sequence_folder(copied)


def test_wrong_settings(folder):
    """Prevents an endless loop over empty batches, and a device that is not there."""
    model, tokenizer = open_sequence_folder(folder)
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        SequenceScorer(model, tokenizer, name="tiny", batch_size=0)
    with pytest.raises(InputError, match="device 'moon' is not available"):
        SequenceScorer(model, tokenizer, name="tiny", device="moon")
