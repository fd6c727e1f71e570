"""Tables with a convolution in training: the same arithmetic as in prediction, and all of it trained."""

import numpy as np
import pytest
import torch

from fewshot.distillation import convolved_tokens, dropped_tokens
from fewshot.distillation.convolved_tokens import ConvolvedTokens
from fewshot.distillation.table_training import trainable_table, trained_table
from fewshot.encoders.convolution import Convolution
from fewshot.encoders.static import StaticEncoder
from tests.distillation.features import features_of

TEXTS = ["card refund card", "late", "", "parcel late again", "late parcel again", "card " * 40, ""]


@pytest.fixture
def convolved(tiny_static):
    """A table with filters that say something."""
    rng = np.random.default_rng(0)
    kernel, bias, output = rng.normal(size=(3, 16, 8)), rng.normal(size=8), rng.normal(size=(8, 16))
    return StaticEncoder(tiny_static.table, tiny_static.tokenizer, convolution=Convolution(kernel, bias, output))


@pytest.mark.parametrize("texts", [TEXTS, ["late"], [""], ["", ""]], ids=len)
def test_outside_training_it_is_the_encoder(convolved, texts):
    """Prevents a student that is trained by other arithmetic than it predicts by, at the edges of texts for one."""
    model = trainable_table(convolved, "cpu").eval()
    assert isinstance(model[0], ConvolvedTokens)
    with torch.no_grad():
        vectors = model(dict(features_of(model, texts)))["sentence_embedding"].numpy()
    np.testing.assert_allclose(vectors, convolved.encode(texts), atol=1e-5)


def test_every_part_is_trained(convolved):
    """Prevents a part that no gradient reaches, NaN at empty texts, and a trained part that is not in the table."""
    model = trainable_table(convolved, "cpu").train()
    torch.manual_seed(0)
    vectors = model(dict(features_of(model, TEXTS)))["sentence_embedding"]
    vectors[:, :8].sum().backward()
    parts = dict(model[0].named_parameters())
    assert set(parts) == {"embedding.weight", "turn", "kernel", "bias", "output"}
    for name, part in parts.items():
        gradient = part.grad.to_dense()
        assert torch.isfinite(gradient).all(), name
        assert gradient.any(), name
        with torch.no_grad():
            part += 0.1 * torch.randn_like(part)
    trained = trained_table(model.eval())
    with torch.no_grad():
        vectors = model(dict(features_of(model, TEXTS)))["sentence_embedding"].numpy()
    np.testing.assert_allclose(trained.encode(TEXTS), vectors, atol=5e-3)  # rounded to float16
    assert np.abs(trained.encode(TEXTS) - convolved.encode(TEXTS)).max() > 0.1


def test_gradients_are_those_of_plain_arithmetic(convolved, monkeypatch):
    """Prevents a shortcut (each token's answers once, sums over places) that trains something else."""
    monkeypatch.setattr(dropped_tokens, "TOKEN_DROPOUT", 0.0)
    monkeypatch.setattr(convolved_tokens, "FILTER_DROPOUT", 0.0)
    model = trainable_table(convolved, "cpu").train()
    model(dict(features_of(model, TEXTS)))["sentence_embedding"][:, 0].sum().backward()
    rows = torch.from_numpy(convolved.table.copy()).requires_grad_()
    kernel, bias, output = (
        torch.from_numpy(part.copy()).requires_grad_()
        for part in (convolved.convolution.kernel, convolved.convolution.bias, convolved.convolution.output)
    )
    unit = torch.nn.functional.normalize
    total = torch.zeros(())
    for text in filter(None, TEXTS):
        of_text = rows[torch.from_numpy(convolved.token_ids([text])[0]).long()]
        padded = torch.nn.functional.pad(unit(of_text), (0, 0, 1, 1)).T[None]
        found = torch.nn.functional.conv1d(padded, kernel.permute(2, 1, 0), bias).relu().amax(dim=2)[0]
        total = total + unit(unit(of_text.sum(dim=0), dim=0) + found @ output, dim=0)[0]
    total.backward()
    for ours, theirs in ((model[0].kernel, kernel), (model[0].bias, bias), (model[0].output, output)):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model[0].embedding.weight.grad.to_dense(), rows.grad, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("dropped", "least"), [("TOKEN_DROPOUT", 5), ("FILTER_DROPOUT", 5), ("neither", 1)])
def test_in_training_tokens_and_filters_are_dropped(convolved, monkeypatch, dropped, least):
    """Prevents filters that learn their few texts by heart, as none of them is ever hidden."""
    for module, name in ((dropped_tokens, "TOKEN_DROPOUT"), (convolved_tokens, "FILTER_DROPOUT")):
        if name != dropped:
            monkeypatch.setattr(module, name, 0.0)
    torch.manual_seed(0)
    model = trainable_table(convolved, "cpu").train()
    vectors = model(dict(features_of(model, ["card late refund parcel"] * 40)))["sentence_embedding"]
    different = {tuple(row.tolist()) for row in vectors.detach().round(decimals=3)}
    assert len(different) >= least
    assert (len(different) == 1) == (dropped == "neither")


def saved_bytes(model, texts):
    """Return how much a pass over texts keeps for its gradient."""
    kept = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.__setitem__(tensor.data_ptr(), tensor.nbytes) or tensor, lambda tensor: tensor
    ):
        model(dict(features_of(model, texts)))["sentence_embedding"].sum()
    return sum(kept.values())


def test_memory_does_not_grow_with_the_length_of_texts(convolved):
    """Prevents every filter's answer to every token of a batch from being kept for its gradient."""
    model = trainable_table(convolved, "cpu").train()
    short, long = (saved_bytes(model, ["card late refund parcel " * n] * 16) for n in (10, 500))
    n_more = 16 * 4 * 490
    assert (long - short) / n_more < 30  # one token's answers by the 8 filters here take 96 bytes


@pytest.mark.parametrize("scale", [0, 1e-4])
@pytest.mark.parametrize("convolution", [True, False])
def test_words_without_a_row_do_not_take_all_of_the_gradient(tiny_static, convolved, convolution, scale):
    """Prevents a text of words that no row was made for from ending the training: clipping left nothing of the rest."""
    student = convolved if convolution else tiny_static
    table = student.table.copy()
    late, card = (int(student.token_ids([word])[0][0]) for word in ("late", "card"))
    table[late] *= scale
    model = trainable_table(student.with_rows(table), "cpu").train()
    torch.manual_seed(0)
    vectors = model(dict(features_of(model, ["late", "late late", "card late", "card parcel", "parcel late"] * 4)))
    unit = torch.nn.functional.normalize(vectors["sentence_embedding"])
    (unit @ unit.T).square().mean().backward()
    gradients = {name: part.grad.to_dense() for name, part in model.named_parameters()}
    largest = max(float(gradient.norm()) for gradient in gradients.values())
    assert 0 < largest < 1e3
    assert gradients["0.embedding.weight"][card].any()
