"""Training through int8 rounding: what is rounded is what an export rounds, and nothing of it stays behind."""

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.fake_quant import (
    FakeQuantization,
    FakeQuantizer,
    check_quantization,
    round_values,
    round_weight,
    rounded_modules,
)
from fewshot.training.sparsity import MagnitudePruning
from fewshot.training.weight_masks import WeightMask, attach, bake
from tests.training.test_sparsity import train, weights


@pytest.fixture
def model():
    """Two matrices after a table, and one that gives logits."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(9, 6), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Linear(4, 3))


class At:
    """A state of the trainer."""

    def __init__(self, step):
        self.global_step = step


def begin(quantizer, step):
    """Begin a step."""
    quantizer.on_step_begin(None, At(step), None)


def test_weights_are_those_that_onnx_runtime_stores(tmp_path):
    """Prevents a training through another rounding than the export's: another range, axis or scale."""
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rng = np.random.default_rng(0)
    weight = (rng.normal(size=(7, 5)) * np.logspace(-3, 1, 7)[:, None]).astype(np.float32)
    weight[3] = 0
    table = rng.normal(size=(11, 5)).astype(np.float32)
    nodes = [
        onnx.helper.make_node("Gather", ["table", "ids"], ["rows"], name="gather"),
        onnx.helper.make_node("MatMul", ["rows", "weight"], ["out"], name="product"),
    ]
    places = [("ids", onnx.TensorProto.INT64, ["n"]), ("out", onnx.TensorProto.FLOAT, ["n", 7])]
    ends = [onnx.helper.make_tensor_value_info(*place) for place in places]
    arrays = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(weight.T.copy(), "weight")]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], arrays)
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    path = str(tmp_path / "small.onnx")
    quantize_dynamic(
        proto, path, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"]
    )
    stored = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    theirs = stored["weight_quantized"].astype(np.float32) * stored["weight_scale"]
    np.testing.assert_array_equal(round_weight(torch.from_numpy(weight)).numpy(), theirs.T)
    levels = stored["table_quantized"].astype(np.float32) - np.float32(stored["table_zero_point"])
    ours = round_values(torch.from_numpy(table[:4]), among=torch.from_numpy(table))
    np.testing.assert_allclose(ours.numpy(), (levels * stored["table_scale"])[:4], rtol=1e-6)


@pytest.mark.parametrize("low", [-3.0, 0.0, 2.0])
def test_inputs_are_rounded_as_onnx_runtime_does_it(low):
    """Prevents a range without zero, and half steps that go the other way."""
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    import onnx

    values = np.random.default_rng(1).uniform(low, 4, size=(6, 5)).astype(np.float32)
    node = onnx.helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero"])
    kinds = [onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8]
    places = zip(("y", "scale", "zero"), kinds, ([6, 5], [], []), strict=True)
    ends = [onnx.helper.make_tensor_value_info(*place) for place in places]
    start = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [6, 5])
    graph = onnx.helper.make_graph([node], "g", [start], ends)
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    y, scale, zero = runtime.InferenceSession(proto.SerializeToString()).run(None, {"x": values})
    np.testing.assert_allclose(
        round_values(torch.from_numpy(values)).numpy(), (y.astype(np.float32) - zero) * scale, rtol=1e-6, atol=1e-7
    )


def test_gradients_pass_as_if_nothing_were_rounded():
    """Prevents a rounding that lets no gradient through, and one that ends at zeros or in empty batches."""
    weight = torch.randn(4, 3, requires_grad=True)
    round_weight(weight).sum().backward()
    assert torch.equal(weight.grad, torch.ones(4, 3))
    assert torch.equal(round_values(torch.zeros(2, 2)), torch.zeros(2, 2))
    assert torch.equal(round_weight(torch.zeros(2, 2)), torch.zeros(2, 2))
    assert round_values(torch.zeros(0, 2)).shape == (0, 2)


def test_rounding_begins_in_time_and_leaves_nothing_behind(model):
    """Prevents weights under other names, a start that is forgotten, and a model that rounds ever after."""
    names, ids = list(model.state_dict()), torch.arange(9)
    plain = model(ids).detach()
    kinds = [type(module) for module in model]
    with FakeQuantizer(FakeQuantization(start=0.5), 10) as quantizer:
        quantizer.attach(model)
        assert list(model.state_dict()) == names
        begin(quantizer, 4)
        assert torch.equal(model(ids), plain)
        begin(quantizer, 5)
        rounded = model(ids).detach()
        assert not torch.equal(rounded, plain)
        np.testing.assert_allclose(rounded.numpy(), plain.numpy(), atol=0.05)
        hidden = model[:-1](ids)
        assert torch.equal(
            rounded, nn.functional.linear(hidden, model[-1].weight, model[-1].bias)
        )  # logits as they are
    assert [type(module) for module in model] == kinds
    assert torch.equal(model(ids), plain)
    assert not any("rounds" in vars(module) for module in model)


def test_masks_and_rounding_go_together(model):
    """Prevents a pruned model from being trained without its zeros, or from being torn apart at the end."""
    ids, kinds = torch.arange(9), [type(module) for module in model]
    with FakeQuantizer(FakeQuantization(), 10) as quantizer:
        quantizer.attach(model)
        [mask] = attach([model[1]], WeightMask)
        begin(quantizer, 0)
        before = model(ids).detach()
        mask.kept[:2] = False
        assert not torch.equal(model(ids), before)
        bake([model[1]])
    assert [type(module) for module in model] == kinds
    assert bool((model[1].weight[:2] == 0).all())


@pytest.mark.parametrize("start", [-0.1, 1.0, float("nan")])
def test_settings_that_cannot_be(start):
    """Prevents a training that never rounds."""
    with pytest.raises(InputError, match="start must be a share"):
        FakeQuantization(start=start)


def test_what_cannot_be_rounded_is_refused():
    """Prevents a name in place of settings, and a model in which nothing is rounded."""
    with pytest.raises(InputError, match="quantization must be a FakeQuantization or None, got 'int8'"):
        check_quantization("int8")
    with pytest.raises(InputError, match="token table is rounded"):
        rounded_modules(nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 2)))


class KilledError(Exception):
    """The machine went down."""


def test_a_break_leaves_no_trace(tiny_model, single, tmp_path):
    """Prevents a resumed training from rounding later, earlier or otherwise than an uninterrupted one."""

    def kill(step, model):
        if step == 7:
            raise KilledError
        return False

    def run(quantization, **options):
        return train(tiny_model, single, MagnitudePruning(sparsity=0.3), quantization=quantization, **options)

    late = FakeQuantization(start=0.6)
    whole, losses = run(late)
    plain, unrounded = run(None)
    assert losses[:6] == unrounded[:6]
    assert losses[6] != unrounded[6]
    with pytest.raises(KilledError):
        run(late, checkpoints=tmp_path / "run", watch=kill)
    resumed, again = run(late, checkpoints=tmp_path / "run", resume=True)
    assert again == losses
    assert weights(resumed) == weights(whole) != weights(plain)
    with pytest.raises(InputError, match="belong to other"):
        run(FakeQuantization(), checkpoints=tmp_path / "run", resume=True)
