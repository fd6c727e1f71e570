"""What an adaptation starts from, and what it refuses to start from."""

import numpy as np
import pytest
import torch

from fewshot.adaptation import starting as module
from fewshot.adaptation.denoising import DenoisingLoss
from fewshot.adaptation.masked_language import MaskedLanguageLoss
from fewshot.adaptation.simcse import SimCSELoss
from fewshot.adaptation.starting import ObjectiveSettings, adapted_encoder, make_objective, open_base
from fewshot.core.errors import InputError
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache


def start(encoder, name, **settings):
    """Return base, the objective's name and the objective."""
    base = open_base(encoder, device="cpu", precision="float32")
    return base, *make_objective(name, encoder, base, ObjectiveSettings(**settings))


def test_auto_looks_for_a_head(masked_folder, tiny_folder, tiny_encoder):
    """Prevents a masked-LM model from losing its head, and a sentence encoder from being given a random one."""
    assert isinstance(start(masked_folder, "auto")[2], MaskedLanguageLoss)
    assert isinstance(start(tiny_folder, "auto")[2], DenoisingLoss)
    assert isinstance(start(tiny_encoder, "auto")[2], DenoisingLoss)


def test_auto_where_there_is_no_decoder(tiny_encoder, monkeypatch):
    """Prevents encoders whose kind cannot decode, as MPNet's, from being refused, and bad settings from passing."""

    def refuse(model):
        raise InputError("no decoder")

    with pytest.raises(InputError, match="mask_probability must be above 0"):
        start(tiny_encoder, "auto", mask_probability=1.5)
    monkeypatch.setattr(module, "make_decoder", refuse)
    assert isinstance(start(tiny_encoder, "auto")[2], SimCSELoss)
    with pytest.raises(InputError, match="no decoder"):
        start(tiny_encoder, "tsdae")


@pytest.mark.parametrize(
    ("objective", "settings"),
    [("simcse", {"mask_probability": 0.2}), ("tsdae", {"whole_word": True}), ("auto", {"new_head": True})],
)
def test_settings_of_another_objective(tiny_encoder, objective, settings):
    """Prevents a setting from being left aside without a word."""
    with pytest.raises(InputError, match="belongs to objective"):
        start(tiny_encoder, objective, **settings)


def test_a_head_from_nothing_is_asked_for(tiny_folder, tiny_encoder):
    """Prevents random weights on top of a trained encoder, unless somebody wants them."""
    with pytest.raises(InputError, match=r"use objective='tsdae' or 'simcse' \(--objective tsdae\), or new_head=True"):
        start(tiny_folder, "mlm")
    assert isinstance(start(tiny_folder, "mlm", new_head=True)[2], MaskedLanguageLoss)
    with pytest.raises(InputError, match="needs encoder as a folder or Hub id"):
        start(tiny_encoder, "mlm", new_head=True)


def test_the_encoder_is_copied(tiny_encoder, tmp_path):
    """Prevents the caller's encoder from being trained, behind a cache, too."""
    cached = CachedEncoder(tiny_encoder, EmbeddingCache(tmp_path))
    base, name, made = start(cached, "tsdae")
    assert (base, name) == (tiny_encoder, "tsdae")
    assert isinstance(made, DenoisingLoss)
    theirs = {parameter.data_ptr() for parameter in tiny_encoder.model.parameters()}
    assert not theirs & {parameter.data_ptr() for parameter in made.parameters()}


def test_settings_arrive(masked_folder, tiny_encoder):
    """Prevents an argument that changes nothing."""
    assert start(tiny_encoder, "simcse", temperature=0.2)[2].temperature == 0.2
    assert start(tiny_encoder, "tsdae")[2].deletion == 0.6
    assert start(tiny_encoder, "tsdae", mask_probability=0.3)[2].deletion == 0.3
    masker = start(masked_folder, "mlm", whole_word=True)[2].masker
    assert (masker.probability, masker.whole_words) == (0.15, True)
    identities = {
        tuple(start(tiny_encoder, "simcse", **settings)[2].identity())
        for settings in ({}, {"temperature": 0.1}, {"max_length": 9})
    }
    assert len(identities) == 3


def test_a_length_for_training_alone(tiny_encoder, single):
    """Prevents an adapted encoder that reads less of a text than the one before."""
    base, _, made = start(tiny_encoder, "simcse", max_length=5)
    assert made.model.preprocess([" ".join(single.texts)])["input_ids"].shape[1] == 5
    assert adapted_encoder(base, made).length_settings == base.length_settings
    with pytest.raises(InputError, match="max_length must be at most 64"):
        start(tiny_encoder, "simcse", max_length=65)


def test_half_weights_are_trained_in_full(tiny_model):
    """Prevents steps that are lost to rounding, where a folder holds its weights in 16 bits."""
    import copy

    made = start(copy.deepcopy(tiny_model).half(), "simcse")[2]
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float32}


def test_a_token_table_is_refused(tiny_static):
    """Prevents a traceback for encoders that have no tokens in context."""
    with pytest.raises(InputError, match="is no transformer, and only these can be adapted"):
        open_base(tiny_static, device="cpu", precision="auto")


def test_head_and_encoder_say_the_same_before_training(masked_folder, single):
    """Prevents the head from being put on other weights than those it was trained with."""
    base, _, made = start(masked_folder, "mlm")
    np.testing.assert_array_equal(adapted_encoder(base, made).encode(single.texts), base.encode(single.texts))
