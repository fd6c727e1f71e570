"""What a fine-tuning starts from: by name, by folder, in memory; with padding or without."""

import copy
import json

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2Model, PreTrainedTokenizerFast

from fewshot.classifiers.pooled_model import PooledModel
from fewshot.classifiers.starting_model import is_sentence_model, open_start, with_padding
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from tests.distillation.logit_cases import make_bert, make_tokenizer, weights

SPACE = LabelSpace(("a", "b", "c"), multi_label=False)


def bare_tokenizer(tiny_tokenizer):
    """A tokenizer like GPT-2's: no padding token, and no special tokens around a text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(json.loads(tiny_tokenizer.to_str()) | {"post_processor": None}))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=64, eos_token="[SEP]", unk_token="[UNK]"
    )


@pytest.fixture(scope="session")
def gpt_folder(tmp_path_factory, tiny_tokenizer):
    """A tiny GPT-2 without padding token."""
    folder = tmp_path_factory.mktemp("gpt")
    tokenizer = bare_tokenizer(tiny_tokenizer)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT2Model(config)
        torch.nn.init.normal_(model.wte.weight)
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory, tiny_tokenizer):
    """A tiny BERT that classifies, as transformers saves it."""
    folder = tmp_path_factory.mktemp("bert")
    tokenizer = make_tokenizer(tiny_tokenizer)
    make_bert(tokenizer, 5).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def body_of(start):
    """All weights below the head, but for BERT's pooler."""
    return {name: value for name, value in weights(start.model.base_model).items() if "pooler" not in name}


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("given", ["folder", "encoder", "cached", "model"])
def test_every_way_to_name_an_encoder_starts_from_its_weights(tiny_folder, tiny_encoder, given, pooling):
    """Prevents a fine-tuning of random weights, and of another model than the comparison embeds with."""
    encoder = {
        "folder": str(tiny_folder),
        "encoder": tiny_encoder,
        "cached": CachedEncoder(tiny_encoder, EmbeddingCache()),
        "model": tiny_encoder.model,
    }[given]
    start = open_start(encoder, SPACE, pooling=pooling)
    assert start.pooling == pooling
    expected = weights(tiny_encoder.model[0].auto_model)
    found = body_of(start)
    assert found == {name: expected[name] for name in found}
    assert start.max_length == 64
    assert start.model.config.num_labels == 3


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_nothing_in_memory_is_shared(tiny_encoder, pooling):
    """Prevents a fine-tuning that changes the caller's encoder, or its tokenizer."""
    start = open_start(tiny_encoder, SPACE, pooling=pooling)
    ours = {parameter.data_ptr() for parameter in start.model.parameters()}
    assert not ours & {parameter.data_ptr() for parameter in tiny_encoder.model.parameters()}
    assert start.tokenizer is not tiny_encoder.model.tokenizer
    assert start.model.config is not tiny_encoder.model[0].auto_model.config


def test_auto_looks_at_what_the_model_was_trained_for(tiny_folder, tiny_encoder, bert_folder, gpt_folder, tmp_path):
    """Prevents a head on a token that the pretraining left untrained, and the reverse."""
    assert open_start(tiny_encoder, SPACE).pooling == "mean"
    assert open_start(str(tiny_folder), SPACE).pooling == "mean"
    assert open_start(bert_folder, SPACE).pooling == "cls"  # it was trained to classify
    assert open_start(gpt_folder, SPACE).pooling == "cls"  # its first tokens see nothing of the text
    first = [copy.deepcopy(tiny_encoder.model[0]), Pooling(32, pooling_mode="cls")]
    assert open_start(SentenceTransformer(modules=first, device="cpu"), SPACE).pooling == "cls"
    tiny_encoder.model[0].auto_model.save_pretrained(tmp_path)
    tiny_encoder.model.tokenizer.save_pretrained(tmp_path)
    assert open_start(tmp_path, SPACE).pooling == "mean"
    assert open_start(bert_folder, SPACE, pooling="mean").pooling == "mean"


def test_a_plain_transformer_is_the_same_by_folder_and_as_an_encoder(tiny_encoder, tmp_path):
    """Prevents a comparison, which opens encoders, from fine-tuning otherwise than the class by itself."""
    from fewshot.encoders.resolve import load_encoder

    tiny_encoder.model[0].auto_model.save_pretrained(tmp_path)
    tiny_encoder.model.tokenizer.save_pretrained(tmp_path)
    one, two = open_start(tmp_path, SPACE), open_start(load_encoder(tmp_path, device="cpu"), SPACE)
    assert body_of(one) == body_of(two)
    assert one.pooling == two.pooling


def test_the_seed_decides_the_head_alone(tiny_encoder):
    """Prevents heads that nobody can repeat, and a changed global random state."""
    before = torch.get_rng_state()
    one, two, other = (open_start(tiny_encoder, SPACE, pooling="cls", random_state=seed) for seed in (0, 0, 1))
    assert weights(one.model) == weights(two.model)
    assert weights(one.model) != weights(other.model)
    assert body_of(one) == body_of(other)
    assert torch.equal(before, torch.get_rng_state())
    assert one.fingerprint == two.fingerprint != other.fingerprint


def test_a_tokenizer_without_padding_gets_some(gpt_folder, tiny_tokenizer):
    """Prevents GPT-2 and its kin from being refused for want of a padding token."""
    start = open_start(gpt_folder, SPACE)
    assert start.tokenizer.pad_token == "[SEP]"
    assert isinstance(start.model, GPT2ForSequenceClassification)
    tokenizer = bare_tokenizer(tiny_tokenizer)
    tokenizer.eos_token = None
    assert with_padding(tokenizer).pad_token == "[UNK]"
    tokenizer.pad_token = tokenizer.unk_token = None
    with pytest.raises(InputError, match="no special token to pad texts with"):
        with_padding(tokenizer)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_texts_without_tokens_are_read(gpt_folder, pooling):
    """Prevents an empty batch, or a division by no token, where a tokenizer adds none of its own."""
    start = open_start(gpt_folder, SPACE, pooling=pooling)
    if pooling == "mean":
        start.model.set_head(np.random.default_rng(0).normal(size=(3, 32)), np.zeros(3))
    scorer = start.scorer(start.model, device="cpu")
    together, alone = scorer.logits(["", "refund the card", " "]), scorer.logits([""])
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together[[0, 2]], np.repeat(alone, 2, axis=0), atol=1e-5)
    assert not np.allclose(together[0], together[1])


def test_what_has_no_transformer_is_refused(tiny_static, toy_encoder, tmp_path):
    """Prevents an AttributeError at a token table."""
    tiny_static.save(tmp_path / "static")
    for encoder in (tiny_static, toy_encoder, tmp_path / "static"):
        with pytest.raises(InputError, match="has no transformer to fine-tune"):
            open_start(encoder, SPACE)


def test_bad_names_and_poolings(tiny_encoder, tmp_path):
    """Prevents a library's own error at a misspelt name."""
    with pytest.raises(InputError, match="Did you mean 'mean'"):
        open_start(tiny_encoder, SPACE, pooling="means")
    with pytest.raises(InputError, match="encoder must be"):
        open_start(3, SPACE)
    with pytest.raises(InputError, match="encoder must not be empty"):
        open_start(" ", SPACE)
    with pytest.raises(SourceNotFoundError, match="neither a local folder nor"):
        open_start("nobody/nothing", SPACE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        open_start(tmp_path / "empty", SPACE)


def test_sentence_models_are_told_by_their_files(tiny_folder, bert_folder):
    """Prevents a sentence encoder from being opened without its pooling and length."""
    assert is_sentence_model("bundled")
    assert is_sentence_model(str(tiny_folder))
    assert not is_sentence_model(str(bert_folder))
    assert not is_sentence_model("nobody/nothing")


def test_a_body_that_does_not_fit_transformers_head(tiny_encoder):
    """Prevents weights from being left out without a word."""
    model = copy.deepcopy(tiny_encoder.model)
    transformer = model[0]
    assert isinstance(transformer, Transformer)
    transformer.auto_model.extra = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match="pooling='cls' cannot take the weights"):
        open_start(model, SPACE, pooling="cls")
    assert isinstance(open_start(model, SPACE, pooling="mean").model, PooledModel)
