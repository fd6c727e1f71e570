"""Passes with dropout: they differ where they shall, cost what they must, and leave the model alone."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from fewshot.classifiers.dropout_passes import dropout_passes
from fewshot.classifiers.pooled_model import PooledModel
from fewshot.classifiers.sequence_scorer import SequenceScorer
from fewshot.core.errors import InputError
from fewshot.training.layer_rates import layer_list
from tests.classifiers.test_starting_model import gpt_folder  # noqa: F401 - a fixture

TEXTS = ["refund the card", "late parcel", "password reset code please", "late parcel"]


@pytest.fixture
def scorer(tiny_model):
    """A head of random weights on the mean of the tiny model."""
    body = copy.deepcopy(tiny_model[0].auto_model)
    body.config.id2label = dict(enumerate("abc"))
    model = PooledModel(body, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        nn.init.normal_(model.head.weight)
    return SequenceScorer(model, tiny_model.tokenizer, name="tiny", device="cpu", batch_size=2)


@pytest.mark.parametrize("upper_layers", [None, 0, 1, 3, 9])
def test_passes_scatter_round_the_answer(scorer, upper_layers):
    """Prevents passes that are all alike, of other texts, or of another model."""
    found = dropout_passes(scorer, TEXTS, passes=60, upper_layers=upper_layers)
    assert found.shape == (60, 4, 3)
    np.testing.assert_array_equal(found[:, 1], found[:, 3])  # equal texts are read once
    plain = scorer.logits(TEXTS)
    if upper_layers == 0:  # above the layers this model has no dropout
        np.testing.assert_allclose(found, np.broadcast_to(plain, found.shape), atol=1e-5)
        return
    assert (found.std(axis=0) > 0).all()
    assert np.abs(found.mean(axis=0) - plain).max() < 4 * found.std(axis=0).max()


def test_lower_layers_compute_once_a_batch(scorer):
    """Prevents passes that pay for what is the same in all, and a memory of the batch before."""
    calls = [0] * 4
    for number, layer in enumerate(layer_list(scorer.model.base_model)):

        def count(*_, number=number):
            calls[number] += 1

        layer.attention.register_forward_hook(count)
    dropout_passes(scorer, TEXTS, passes=5, upper_layers=1)
    assert calls == [2, 2, 2, 10]  # two batches


def test_half_precision_moves_answers_less_than_dropout(scorer):
    """Prevents passes that measure the rounding, and a model that stays rounded."""
    plain, whole = scorer.logits(TEXTS), dropout_passes(scorer, TEXTS, passes=200, upper_layers=1)
    half = dropout_passes(scorer, TEXTS, passes=200, upper_layers=1, precision="bfloat16")
    assert half.dtype == np.float32
    assert not np.array_equal(half, whole)
    scatter = whole.std(axis=0)
    assert np.abs(half.mean(axis=0) - whole.mean(axis=0)).max() < 0.35 * scatter.max()
    np.testing.assert_allclose(half.std(axis=0), scatter, rtol=0.35, atol=0.02)
    np.testing.assert_array_equal(scorer.logits(TEXTS), plain)


def test_more_layers_scatter_more(scorer):
    """Prevents layers in eval mode that should drop out."""
    one, four, everything = (
        dropout_passes(scorer, TEXTS, passes=40, upper_layers=n).std(axis=0).mean() for n in (1, 4, None)
    )
    assert one < four
    assert one < everything


def test_a_head_of_its_own_drops_out_as_well(tiny_folder, tiny_model, tmp_path):
    """Prevents the dropout below transformers' own head from being left out."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(str(tiny_folder), num_labels=3)
        nn.init.normal_(model.classifier.weight)
    scorer = SequenceScorer(model, tiny_model.tokenizer, name="tiny", device="cpu")
    assert dropout_passes(scorer, TEXTS, passes=8, upper_layers=0).std(axis=0).min() > 0


def test_a_gpt_has_passes_too(gpt_folder):  # noqa: F811
    """Prevents layers that hand on more than hidden states from breaking where they are remembered."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(gpt_folder, num_labels=3)
    tokenizer = AutoTokenizer.from_pretrained(gpt_folder)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token or tokenizer.unk_token
    scorer = SequenceScorer(model, tokenizer, name="tiny", device="cpu")
    found = dropout_passes(scorer, TEXTS, passes=6, upper_layers=1)
    assert np.isfinite(found).all()
    assert found.std(axis=0).max() > 0


@pytest.mark.parametrize("upper_layers", [None, 2])
def test_the_model_is_left_as_it_was(scorer, upper_layers):
    """Prevents predictions with dropout, and layers that go on answering from memory."""
    before = scorer.logits(TEXTS)
    state = torch.get_rng_state().clone()
    dropout_passes(scorer, TEXTS, passes=3, upper_layers=upper_layers, dropout=0.5)
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(scorer.logits(TEXTS), before)
    assert not any(part.training for part in scorer.model.modules())
    assert {part.p for part in scorer.model.modules() if isinstance(part, nn.Dropout)} == {0.1}
    assert not any("forward" in vars(part) for part in scorer.model.modules())


def test_one_seed_one_result(scorer):
    """Prevents draws that nobody can repeat, and seeds that say nothing."""
    one, two, three = (dropout_passes(scorer, TEXTS, passes=3, random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, three)


def test_another_share_is_dropped(scorer):
    """Prevents ``dropout`` from being taken and forgotten."""
    little, much = (dropout_passes(scorer, TEXTS, passes=30, dropout=share).std(axis=0).mean() for share in (0.01, 0.5))
    assert much > 2 * little


def test_a_model_without_dropout_is_refused(scorer):
    """Prevents an uncertainty of 0 for every text, by which nothing could be chosen."""
    for part in scorer.model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    with pytest.raises(InputError, match=r"give dropout=0\.1"):
        dropout_passes(scorer, TEXTS, passes=3)
    assert dropout_passes(scorer, TEXTS, passes=3, dropout=0.1).std(axis=0).max() > 0
