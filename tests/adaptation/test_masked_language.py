"""Masked-language modelling: the loss by hand, and head and encoder that are one model."""

import pytest
import torch

from fewshot.adaptation.masked_language import MaskedLanguageLoss
from fewshot.adaptation.masked_models import join_body, open_masked, transformer_folder
from fewshot.adaptation.masking import TokenMasker
from fewshot.core.errors import InputError
from fewshot.encoders.opening import open_model


@pytest.fixture
def loss(masked_folder):
    """The objective of the tiny model, in eval mode."""
    model = open_model(masked_folder, "cpu")
    masked, _ = open_masked(masked_folder)
    join_body(masked, model)
    return MaskedLanguageLoss(model, masked, TokenMasker(model.tokenizer, probability=0.3)).eval()


def test_the_loss_by_hand(loss, single):
    """Prevents a loss over tokens that were not hidden, over padding, or against what was put in their place."""
    features = dict(loss.model.preprocess(single.texts))
    torch.manual_seed(0)
    value = loss.value(features, torch.arange(len(single.texts)))
    torch.manual_seed(0)
    inputs, hidden = loss.masker(features["input_ids"], features["attention_mask"])
    with torch.no_grad():
        log_shares = loss.masked(input_ids=inputs, attention_mask=features["attention_mask"]).logits.log_softmax(dim=-1)
    told = [
        -log_shares[row, place, features["input_ids"][row, place]].item() for row, place in hidden.nonzero().tolist()
    ]
    assert value.item() == pytest.approx(sum(told) / len(told), rel=1e-4)


def test_training_the_head_is_training_the_encoder(loss, single):
    """Prevents a head over a copy: its training would leave the encoder as it was."""
    features = dict(loss.model.preprocess(single.texts))
    assert loss.masked.base_model is loss.model.transformers_model
    assert loss.masked.get_output_embeddings().weight is loss.model.transformers_model.get_input_embeddings().weight
    torch.manual_seed(0)
    loss.value(features, torch.arange(len(single.texts))).backward()
    assert all(p.grad is not None for name, p in loss.model.named_parameters() if "pooler" not in name)


def test_a_batch_in_which_nothing_is_hidden(loss):
    """Prevents a loss of NaN, the mean over nothing, from ending a training on short texts."""
    features = dict(loss.model.preprocess(["", ""]))
    value = loss.value(features, torch.arange(2))
    assert value.item() == 0.0
    value.backward()


def test_whose_head_is_there(masked_folder, tiny_folder):
    """Prevents a head of random weights from being taken for a trained one."""
    masked, is_whole = open_masked(masked_folder)
    assert is_whole
    assert type(masked).__name__ == "BertForMaskedLM"
    assert open_masked(tiny_folder)[1] is False


def test_a_kind_of_model_without_such_a_head(tmp_path):
    """Prevents a traceback of transformers for a model that only generates."""
    from transformers import GPT2Config, GPT2Model

    GPT2Model(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=20)).save_pretrained(tmp_path)
    assert open_masked(tmp_path) is None


def test_the_place_of_the_transformer(tmp_path, tiny_folder):
    """Prevents folders of earlier versions, which hold the model in 0_Transformer, from being passed over."""
    (tmp_path / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "0_Transformer", "type": "x"}]')
    assert transformer_folder(tmp_path) == str(tmp_path / "0_Transformer")
    assert transformer_folder(tiny_folder) == str(tiny_folder)
    assert transformer_folder("some/model") == "some/model"


def test_a_body_of_another_kind(masked_folder, model):
    """Prevents the head of one architecture on the body of another."""
    masked, _ = open_masked(masked_folder)
    masked.bert = torch.nn.Identity()
    with pytest.raises(InputError, match="cannot put the head of BertForMaskedLM"):
        join_body(masked, model)
