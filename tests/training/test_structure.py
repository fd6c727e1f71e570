"""Structured pruning: what is measured, what goes, and that plain classes open what is left."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from fewshot.core.errors import InputError
from fewshot.encoders.transformer_shape import TransformerShape, count_flops, shape_of
from fewshot.training import importance
from fewshot.training.importance import order_of_layers, read_batches, unit_magnitudes, unit_movements, vectors_of
from fewshot.training.layer_cuts import blocks_of, cut_units, evenly_spaced, only_layers
from fewshot.training.structure import Reduction, reduce_model
from tests.encoders.transformer_models import KNOWN, LAYERS, UNITS, make_model


@pytest.fixture(scope="module", params=KNOWN)
def model(request, tiny_tokenizer, tmp_path_factory):
    """A tiny sentence encoder of each family; copy it before cutting it."""
    return make_model(request.param, tiny_tokenizer, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def bert(tiny_tokenizer, tmp_path_factory):
    """That of BERT's family."""
    return make_model("bert", tiny_tokenizer, tmp_path_factory.mktemp("bert"))


def vectors(model, texts):
    """The vectors of texts."""
    return model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)


def close_units(model, per_layer):
    """Zero what comes out of some units of each layer; return them."""
    rng = np.random.default_rng(0)
    closed = [np.sort(rng.choice(UNITS, per_layer, replace=False)) for _ in range(LAYERS)]
    with torch.no_grad():
        for (_, down), units in zip(blocks_of(model[0].auto_model), closed, strict=True):
            down.weight[:, units] = 0
    return closed


@pytest.mark.parametrize("kind", ["taylor", "magnitude"])
def test_what_does_nothing_goes_and_nothing_changes(model, pool, tmp_path, kind):
    """Prevents units that matter from going before those that do not, and a cut of the wrong rows or columns."""
    model = copy.deepcopy(model)
    close_units(model, UNITS // 2)
    before, whole = vectors(model, pool), shape_of(model[0].auto_model)
    n_tokens = round(float(np.mean([len(model.tokenizer(text)["input_ids"]) for text in pool])))
    half = dataclasses.replace(whole, units=UNITS // 2)
    share = 1 - half.flops(n_tokens) / whole.flops(n_tokens) - 1e-6
    cut = reduce_model(model, pool, Reduction(share, layers=LAYERS, importance=kind))
    assert shape_of(cut[0].auto_model) == half
    np.testing.assert_allclose(vectors(cut, pool), before, atol=1e-6)
    cut.save(str(tmp_path / "cut"), create_model_card=False)
    opened = SentenceTransformer(str(tmp_path / "cut"), device="cpu")  # as a stranger would open it
    np.testing.assert_allclose(vectors(opened, pool), vectors(cut, pool), atol=1e-6)


def test_a_layer_that_does_nothing_goes_first(bert, pool):
    """Prevents an order of layers that is not by what vectors lose."""
    idle = copy.deepcopy(bert)
    layer = idle[0].auto_model.encoder.layer[2]
    with torch.no_grad():  # what comes in is normalized, and normalized again it is the same
        for linear in (layer.attention.output.dense, layer.output.dense):
            linear.weight.zero_()
            linear.bias.zero_()
    batches = read_batches(idle, pool)
    order = order_of_layers(idle, batches)
    assert order[0] == 2
    assert sorted(order) == [0, 1, 2, 3]
    wanted = torch.cat(vectors_of(idle, batches))
    losses = {}
    for pair in itertools.combinations([0, 1, 3], 2):
        with only_layers(idle[0].auto_model, pair):
            losses[pair] = float((torch.cat(vectors_of(idle, batches)) * wanted).sum(dim=1).mean())
    assert max(losses, key=losses.get) == tuple(sorted(order[2:]))
    assert len(idle[0].auto_model.encoder.layer) == 4


def test_movement_is_the_derivative_of_the_vectors(bert, pool, monkeypatch):
    """Prevents an importance that is no derivative, sums over texts first, or counts padding."""
    texts = [*pool[:6], "my parcel " * 10]  # of several lengths, padded
    batches = read_batches(bert, texts)
    monkeypatch.setattr(importance, "DRAWS", 400)
    estimated = unit_movements(bert, batches, 0)
    step, before = 1e-2, torch.cat(vectors_of(bert, batches))
    for layer, unit in [(0, 3), (1, 10), (3, 60)]:
        nudged = copy.deepcopy(bert)
        _, down = blocks_of(nudged[0].auto_model)[layer]
        with torch.no_grad():
            down.weight[:, unit] *= 1 - step
        moved = (torch.cat(vectors_of(nudged, batches)) - before) / step
        expected = float(moved.square().sum(dim=1).mean())
        assert float(estimated[layer][unit]) == pytest.approx(expected, rel=0.25)
    again = unit_movements(bert, batches, 0)
    assert all(torch.equal(one, other) for one, other in zip(estimated, again, strict=True))


def test_magnitudes(bert):
    """Prevents magnitudes of rows that are no unit's."""
    up, down = blocks_of(bert[0].auto_model)[1]
    into = np.hstack([up.weight.detach().numpy(), up.bias.detach().numpy()[:, None]])
    expected = np.linalg.norm(into, axis=1) * np.linalg.norm(down.weight.detach().numpy(), axis=0)
    np.testing.assert_allclose(unit_magnitudes(bert)[1].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_so_much_is_saved(model, pool, share, texts):
    """Prevents a share of parameters, or of something else than the operations, and a default that fails."""
    whole = count_flops(model, 7)
    cut = reduce_model(copy.deepcopy(model), pool if texts else None, Reduction(share))
    assert count_flops(cut, 7) < (1 - share + 0.02) * whole
    assert np.isfinite(vectors(cut, pool)).all()
    shape = shape_of(cut[0].auto_model)
    for up, down in blocks_of(cut[0].auto_model):
        assert up.weight.shape == down.weight.T.shape == (shape.units, shape.width)
        assert up.out_features == down.in_features == shape.units


def test_the_way_that_keeps_vectors_nearest_is_taken(bert, pool):
    """Prevents a default depth that is not the best of those that save as much."""

    def cosine(cut):
        return float((vectors(cut, pool) * vectors(bert, pool)).sum(axis=1).mean())

    chosen = reduce_model(copy.deepcopy(bert), pool, Reduction(0.5))
    others = []
    for layers in range(1, LAYERS + 1):
        try:
            others.append(cosine(reduce_model(copy.deepcopy(bert), pool, Reduction(0.5, layers=layers))))
        except InputError:
            continue
    assert len(others) >= 2
    assert cosine(chosen) == pytest.approx(max(others), abs=1e-6)


def test_the_model_is_as_before_but_for_the_cut(bert, pool):
    """Prevents weights that trying plans out left changed."""
    cut = reduce_model(copy.deepcopy(bert), pool, Reduction(0.5))
    ours, theirs = cut[0].auto_model, bert[0].auto_model
    known = {name: p for name, p in theirs.named_parameters() if "encoder.layer" not in name}
    for name, parameter in ours.named_parameters():
        if name in known:
            assert torch.equal(parameter, known[name])
    rows = {row.numpy().tobytes() for up, _ in blocks_of(theirs) for row in up.weight.detach()}
    columns = {c.contiguous().numpy().tobytes() for _, down in blocks_of(theirs) for c in down.weight.detach().T}
    for up, down in blocks_of(ours):
        assert {row.numpy().tobytes() for row in up.weight.detach()} <= rows
        assert {column.contiguous().numpy().tobytes() for column in down.weight.detach().T} <= columns
    assert all(parameter.requires_grad for parameter in ours.parameters())


def test_one_seed_one_cut(bert, pool):
    """Prevents texts or directions that the seed does not decide."""
    texts = [f"{text} {number}" for text in pool for number in range(2)]  # more than are looked at
    one, two = (reduce_model(copy.deepcopy(bert), texts, Reduction(0.5), random_state=3) for _ in range(2))
    assert vectors(one, pool).tobytes() == vectors(two, pool).tobytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 0.0}, "share must be the part of the operations"),
        ({"share": 1.0}, "share must be the part of the operations"),
        ({"share": 0.999}, "lower share"),
        ({"layers": 5}, "share=0.5 and layers=5"),
        ({"layers": 0}, "share=0.5 and layers=0"),
        ({"importance": "taylr"}, "Did you mean 'taylor'"),
    ],
)
def test_mistakes_are_named(bert, settings, message):
    """Prevents a cut of nothing, or of all."""
    with pytest.raises(InputError, match=message):
        reduce_model(copy.deepcopy(bert), None, Reduction(**settings))


def test_other_families_are_refused(tiny_tokenizer, tmp_path):
    """Prevents parts of an unknown model from being cut by their names."""
    with pytest.raises(InputError, match="family 'gpt2'"):
        reduce_model(make_model("gpt2", tiny_tokenizer, tmp_path), None, Reduction())


def test_layers_of_different_sizes_are_refused(bert):
    """Prevents a model that its own configuration cannot open."""
    with pytest.raises(InputError, match="as many units in each layer"):
        cut_units(copy.deepcopy(bert)[0].auto_model, [torch.arange(8)] * 3 + [torch.arange(9)])


def test_shapes_are_the_widest_that_save_enough():
    """Prevents a shape that saves too little, or wastes a step of units; and deeper ones that were forgotten."""
    whole = TransformerShape(6, 384, 1536)
    shapes = Reduction(0.5).shapes(whole, 64)
    assert [shape.layers for shape in shapes] == [6, 5, 4, 3]
    for shape in shapes:
        assert shape.flops(64) <= 0.5 * whole.flops(64)
        wider = dataclasses.replace(shape, units=shape.units + 8)
        assert shape.units == 1536 or wider.flops(64) > 0.5 * whole.flops(64)
    assert evenly_spaced(6, 3) == [0, 2, 5]
