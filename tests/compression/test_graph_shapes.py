"""Constant shapes give the same numbers for batches of every size, and only where a constant can."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.compression.graph_shapes import constant_shape, drop_unused, fix_shapes

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")


def heads_graph(*, allowzero=0):
    """Return a graph that splits the last size into heads, by a shape that it reads, and one node without use."""
    helper, numbers = onnx.helper, onnx.TensorProto
    integers = {"zero": [0], "one": [1], "heads": [3], "rest": [-1]}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Gather", ["shape", "one"], ["length"]),
        helper.make_node("Concat", ["batch", "length", "heads", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["y"], allowzero=allowzero),
        helper.make_node("Identity", ["x"], ["unused"]),
    ]
    graph = helper.make_graph(
        nodes,
        "heads",
        [helper.make_tensor_value_info("x", numbers.FLOAT, ["batch", "length", 12])],
        [helper.make_tensor_value_info("y", numbers.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.array(values, dtype=np.int64), name) for name, values in integers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(proto, x):
    """Return what a graph makes of an array."""
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_same_numbers_by_one_node():
    """Prevents a shape that fits the sizes of one batch alone."""
    proto, before = heads_graph(), heads_graph()
    assert fix_shapes(proto) == 1
    assert [node.op_type for node in proto.graph.node] == ["Reshape"]
    assert len(proto.graph.initializer) == 1
    for size in ((1, 1, 12), (2, 7, 12), (5, 3, 12)):
        x = np.arange(np.prod(size), dtype=np.float32).reshape(size)
        np.testing.assert_array_equal(run(proto, x), run(before, x))


def test_zero_that_means_zero_is_left():
    """Prevents 0 from keeping a size in a node for which it is a size."""
    proto = heads_graph(allowzero=1)
    assert fix_shapes(proto) == 0
    assert proto == heads_graph(allowzero=1)


def test_a_graph_with_a_branch_is_left():
    """Prevents the loss of a node that is read inside a branch alone."""
    proto = heads_graph()
    branch = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["unused"], ["out"])], "branch", [], [])
    proto.graph.node.append(onnx.helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))
    assert fix_shapes(proto) == 0
    assert "Identity" in [node.op_type for node in proto.graph.node]


def test_a_graph_that_cannot_be_followed_is_left(monkeypatch):
    """Prevents an export from failing for want of speed."""
    from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

    def fail(*arguments, **options):
        raise AssertionError("an operator that it does not know")

    monkeypatch.setattr(SymbolicShapeInference, "infer_shapes", fail)
    proto = heads_graph()
    assert fix_shapes(proto) == 0
    assert proto == heads_graph()


def test_drop_unused_keeps_what_is_read():
    """Prevents the loss of a node that an output needs by way of others."""
    proto = heads_graph()
    drop_unused(proto)
    assert [node.op_type for node in proto.graph.node] == ["Shape", "Gather", "Gather", "Concat", "Reshape"]


SIZES = {"a": 2, "b": 3, "c": 5}


@given(st.permutations(["a", "b", "c", 4]), st.permutations(["a", "b", "c", 4]))
def test_any_order_of_sizes(before, after):
    """Prevents a size that is kept from another place, and two sizes that are both to be worked out."""
    shape = constant_shape(list(before), list(after))
    moved = [size for size, old in zip(after, before, strict=True) if size != old and size != 4]
    if len(moved) > 1:
        assert shape is None
        return
    x = np.zeros([SIZES.get(size, size) for size in before])
    made = [x.shape[place] if size == 0 else size for place, size in enumerate(shape)]
    assert x.reshape(made).shape == tuple(SIZES.get(size, size) for size in after)


@pytest.mark.parametrize(("before", "after"), [(None, ["a"]), (["a"], None), (["a", 0], ["a", 0])])
def test_unknown_and_empty_shapes(before, after):
    """Prevents guesses."""
    assert constant_shape(before, after) is None
