"""A head on the mean of token vectors: by hand, on disk, and among models of transformers."""

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel

from fewshot.classifiers.pooled_model import HEAD_FILE, PooledModel, pooled
from fewshot.classifiers.sequence_models import open_whole
from fewshot.core.errors import ModelFormatError

TEXTS = ["refund", "my parcel is late again", "x"]


@pytest.fixture
def model(tiny_encoder):
    """The tiny encoder's transformer under a head of four classes."""
    body = copy.deepcopy(tiny_encoder.model[0].auto_model)
    body.config.id2label = dict(enumerate("abcd"))
    made = PooledModel(body, 4)
    rng = np.random.default_rng(0)
    made.set_head(rng.normal(size=(4, 32)), rng.normal(size=4))
    return made.eval()


@pytest.fixture
def features(tiny_encoder):
    """Three texts of different lengths."""
    return dict(tiny_encoder.model.tokenizer(TEXTS, padding=True, return_tensors="pt"))


def test_the_mean_leaves_padding_out():
    """Prevents vectors that depend on how long a text's neighbours in the batch are."""
    states = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 4)))
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    means = np.stack([states[0].mean(dim=0).numpy(), states[1, 0].numpy()])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(pooled(states, mask).numpy(), expected, atol=1e-6)


def test_logits_are_the_head_on_the_encoders_vectors(model, features, tiny_encoder):
    """Prevents a start from other vectors than those that the encoder was trained to give."""
    with torch.inference_mode():
        logits = model(**features).logits.numpy()
    head = {name: tensor.detach().numpy() for name, tensor in model.head.named_parameters()}
    np.testing.assert_allclose(logits, tiny_encoder.encode(TEXTS) @ head["weight"].T + head["bias"], atol=1e-5)


def test_the_head_computes_in_float32(model, features):
    """Prevents logits of three digits under autocast."""
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(**features).logits.dtype == torch.float32


def test_hidden_states_where_they_are_asked_for(model, features):
    """Prevents a teacher of layers that has none to show."""
    with torch.inference_mode():
        assert model(**features).hidden_states is None
        assert len(model(**features, output_hidden_states=True).hidden_states) == 5


def test_the_folder_opens_thrice(model, features, tiny_encoder, tmp_path):
    """Prevents a folder that no other library can read, and a head that is lost on the way."""
    model.save_pretrained(tmp_path)
    tiny_encoder.model.tokenizer.save_pretrained(tmp_path)
    opened, _ = open_whole(tmp_path)
    assert isinstance(opened, PooledModel)
    with torch.inference_mode():
        torch.testing.assert_close(opened(**features).logits, model(**features).logits, atol=0, rtol=0)
        body = AutoModel.from_pretrained(tmp_path)
        states = body(**features).last_hidden_state
        torch.testing.assert_close(states, model.body(**features).last_hidden_state)
    vectors = SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(vectors, tiny_encoder.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("damage", ["torn", "other classes", "other names"])
def test_a_damaged_head_is_refused(model, tiny_encoder, tmp_path, damage):
    """Prevents a head of random weights, which would answer at random."""
    model.save_pretrained(tmp_path)
    tiny_encoder.model.tokenizer.save_pretrained(tmp_path)
    if damage == "torn":
        (tmp_path / HEAD_FILE).write_bytes(b"\x08")
    else:
        n, name = (5, "weight") if damage == "other classes" else (4, "coef")
        save_file({name: torch.zeros(n, 32), "bias": torch.zeros(n)}, str(tmp_path / HEAD_FILE))
    with pytest.raises(ModelFormatError, match=HEAD_FILE):
        open_whole(tmp_path)


def test_missing_weights_are_refused(model, tiny_encoder, tmp_path):
    """Prevents a transformer of random layers below a trained head."""
    model.save_pretrained(tmp_path)
    tiny_encoder.model.tokenizer.save_pretrained(tmp_path)
    kept = {name: tensor for name, tensor in model.body.state_dict().items() if "layer.2" not in name}
    save_file({name: tensor.clone() for name, tensor in kept.items()}, str(tmp_path / "model.safetensors"))
    with pytest.raises(ModelFormatError, match="lacks"):
        open_whole(tmp_path)
