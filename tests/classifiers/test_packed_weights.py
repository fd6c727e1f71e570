"""Packed weights: the same answers in less time, and the plain model where this torch cannot."""

import copy

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    T5Config,
    T5ForSequenceClassification,
)

from fewshot.classifiers import packed_weights
from fewshot.classifiers.packed_weights import PackedLinear, pack_weights

SIZES = {"vocab_size": 60, "num_labels": 3}
MODELS = {
    "bert": lambda: BertForSequenceClassification(
        BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, **SIZES)
    ),
    "relu": lambda: BertForSequenceClassification(
        BertConfig(
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,
            hidden_act="relu",
            **SIZES,
        )
    ),
    "llama": lambda: LlamaForSequenceClassification(
        LlamaConfig(
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=128,
            pad_token_id=0,
            **SIZES,
        )
    ),
    "t5": lambda: T5ForSequenceClassification(
        T5Config(
            d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, pad_token_id=0, decoder_start_token_id=0, **SIZES
        )
    ),
    "distilbert": lambda: DistilBertForSequenceClassification(
        DistilBertConfig(dim=64, n_layers=2, n_heads=2, hidden_dim=128, **SIZES)
    ),
}


def made(kind):
    """Return a model whose outputs differ from text to text, in bfloat16."""
    torch.manual_seed(0)
    model = MODELS[kind]()
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            nn.init.normal_(weight, std=2.0 if "relative_attention_bias" in name else 0.15)
    return model.to(torch.bfloat16).eval()


def answers(model):
    """Return the outputs for four texts of different lengths, and for the longest by itself."""
    mask = (torch.arange(10) < torch.tensor([[10], [7], [3], [1]])).long()
    ids = (torch.arange(40).view(4, 10) % 58 + 2) * mask
    ids[torch.arange(4), mask.sum(dim=1) - 1] = 1  # T5 looks at its end of text
    with torch.inference_mode():
        padded = model(input_ids=ids, attention_mask=mask).logits
        return torch.cat([padded, model(input_ids=ids[:1], attention_mask=mask[:1]).logits]).float()


@pytest.mark.parametrize("kind", MODELS)
def test_answers_stay(kind):
    """Prevents GELU twice, GELU where there was another activation, and padding that is attended to."""
    plain = made(kind)
    packed = copy.deepcopy(plain)
    pack_weights(packed, 40)
    kinds = {type(module) for module in packed.modules()}
    if packed_weights._packs():
        assert PackedLinear in kinds
        assert nn.Linear not in kinds
    assert answers(plain).std() > 0.1
    torch.testing.assert_close(answers(packed), answers(plain), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("fault", ["missing", "wrong"])
def test_a_torch_that_cannot(fault, monkeypatch):
    """Prevents a crash, or other answers, with a torch whose operations have changed."""

    def forward(self, x):
        if fault == "missing":
            raise AttributeError("no such operation")
        return torch.zeros(*x.shape[:-1], 32, dtype=x.dtype)

    monkeypatch.setattr(PackedLinear, "forward", forward)
    model = made("bert")
    expected = answers(model)
    pack_weights(model, 40)
    assert not any(isinstance(module, PackedLinear) for module in model.modules())
    torch.testing.assert_close(answers(model), expected, rtol=0.05, atol=0.05)


def test_no_random_number_is_drawn():
    """Prevents a training elsewhere that is another one because a model was packed."""
    model = made("bert")
    before = torch.get_rng_state()
    pack_weights(model, 40)
    assert torch.equal(torch.get_rng_state(), before)
