"""The last layer for the first token alone: the same answers, and only where they are the same."""

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from fewshot.classifiers.first_token import FirstToken

SIZES = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 32, "initializer_range": 0.3,
}  # fmt: skip
KINDS = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SIZES)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**SIZES)),
    "deberta": lambda: DebertaV2ForSequenceClassification(
        DebertaV2Config(**SIZES, relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=8)
    ),
}


class MeanBert(BertForSequenceClassification):
    """It classifies by the mean of all tokens."""

    def forward(self, input_ids, attention_mask):
        output = self.bert(input_ids, attention_mask=attention_mask)
        return torch.nn.functional.linear(output.last_hidden_state.mean(dim=1), self.classifier.weight)


def asked(model):
    """Return a call that asks a model about a batch of unequal lengths, and counts what passes its last layer."""
    ids = torch.arange(2, 32).reshape(3, 10)
    mask = torch.ones_like(ids)
    mask[1, 6:], mask[2, 3:] = 0, 0

    @torch.inference_mode()
    def ask():
        output = model(input_ids=ids, attention_mask=mask)
        return getattr(output, "logits", output).numpy()

    return ask


def made(build):
    """A model with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build().eval()


@pytest.mark.parametrize("kind", KINDS)
def test_answers_stay_and_work_goes(kind):
    """Prevents a shortcut that changes answers, stays when it is over, or saves nothing."""
    model = made(KINDS[kind])
    ask, lengths = asked(model), []
    last = model.base_model.encoder.layer[-1]
    last.intermediate.register_forward_hook(lambda module, inputs, output: lengths.append(output.shape[1]))
    whole, shortcut = ask(), FirstToken.of(model, ask)
    lengths.clear()
    with shortcut.in_use():
        np.testing.assert_allclose(ask(), whole, atol=1e-5)
    np.testing.assert_array_equal(ask(), whole)
    assert lengths == [1, 10]


@pytest.mark.parametrize(
    "build",
    [
        lambda: MeanBert(BertConfig(**SIZES)),
        lambda: DistilBertForSequenceClassification(
            DistilBertConfig(vocab_size=40, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=32)
        ),
    ],
)
def test_other_models_are_left_alone(build):
    """Prevents a model that looks at all tokens, or is built otherwise, from being cut down."""
    model = made(build)
    ask = asked(model)
    shortcut = FirstToken.of(model, ask)
    assert shortcut.attention is None
    whole = ask()
    with shortcut.in_use():
        np.testing.assert_array_equal(ask(), whole)
