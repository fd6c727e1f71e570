"""How much of a text a model of transformers reads at once."""

from types import SimpleNamespace

import pytest
from torch import nn
from transformers import RobertaConfig, RobertaForSequenceClassification

from fewshot.encoders.transformer_opening import length_limit
from tests.distillation.logit_cases import make_bert, make_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


def test_lengths(tokenizer):
    """Prevents an index error at the last positions of a RoBERTa, which counts them from two on."""
    assert length_limit(make_bert(tokenizer), tokenizer) == 64
    config = RobertaConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=40, pad_token_id=1,
    )  # fmt: skip
    assert length_limit(RobertaForSequenceClassification(config), tokenizer) == 38
    boundless = make_tokenizer(tokenizer.backend_tokenizer, max_length=int(1e30))
    bare = nn.Linear(1, 1)
    bare.config = SimpleNamespace(max_position_embeddings=None)
    assert length_limit(bare, boundless) == 512
