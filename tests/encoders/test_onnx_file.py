"""An ONNX file is looked through before an engine opens it."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from fewshot.core.errors import ModelFormatError  # noqa: E402
from fewshot.encoders.onnx_file import check_graph  # noqa: E402


def outside(location="weights", *, name="w"):
    """A tensor whose numbers lie in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"offset": "0", "location": location}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def inside():
    """A tensor that holds its numbers."""
    return numpy_helper.from_array(np.zeros(2, dtype=np.float32), "w")


def graph(nodes, tensors=()):
    """A graph of these nodes."""
    places = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    return helper.make_graph(nodes, "g", places[:1], places[1:], list(tensors))


def model(*nodes, tensors=(), **options):
    """The bytes of a model of these nodes."""
    return helper.make_model(graph(nodes, tensors), **options).SerializeToString()


ADD = helper.make_node("Add", ["x", "w"], ["y"])


def test_a_plain_graph_is_accepted():
    """Prevents a check that refuses what is exported."""
    check_graph(model(ADD, tensors=[inside()]))
    check_graph(model(ADD, tensors=[outside("model.onnx.data")]), ["model.onnx.data"])


HIDDEN = {
    "initializer": lambda tensor: model(ADD, tensors=[tensor]),
    "constant": lambda tensor: model(helper.make_node("Constant", [], ["y"], value=tensor)),
    "list of tensors": lambda tensor: model(helper.make_node("Constant", [], ["y"], values=[tensor])),
    "branch": lambda tensor: model(
        helper.make_node("If", ["x"], ["y"], then_branch=graph([ADD], [tensor]), else_branch=graph([ADD], [inside()]))
    ),
    "list of graphs": lambda tensor: model(helper.make_node("If", ["x"], ["y"], branches=[graph([ADD], [tensor])])),
    "function": lambda tensor: model(
        ADD,
        functions=[
            helper.make_function(
                "",
                "f",
                [],
                ["y"],
                [helper.make_node("Constant", [], ["y"], value=tensor)],
                [helper.make_opsetid("", 17)],
            )
        ],
    ),
}


@pytest.mark.parametrize("place", HIDDEN)
@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "other.data", "model.onnx.data/../x", ""])
def test_weights_elsewhere_are_refused(place, location):
    """Prevents a model from reading files of the user's disk, wherever in the graph it asks for them."""
    with pytest.raises(ModelFormatError, match="wants weights from"):
        check_graph(HIDDEN[place](outside(location)), ["model.onnx.data"])


def test_a_value_before_its_key_counts():
    """Prevents a location from being hidden by the order of two fields, which protocol buffers leave free."""
    data = model(ADD, tensors=[outside("../secret")])
    entry = b"\x0a\x08location\x12\x09../secret"
    assert entry in data
    with pytest.raises(ModelFormatError, match=r"wants weights from '\.\./secret'"):
        check_graph(data.replace(entry, b"\x12\x09../secret\x0a\x08location"))


@pytest.mark.parametrize("domain", ["evil.ops", "ai.onnx.contrib"])
def test_libraries_of_operators_are_refused(domain):
    """Prevents operators that run code of others."""
    with pytest.raises(ModelFormatError, match=f"operators of {domain!r}"):
        check_graph(model(helper.make_node("Run", ["x"], ["y"], domain=domain)))
    with pytest.raises(ModelFormatError, match=f"operators of {domain!r}"):
        check_graph(model(ADD, opset_imports=[helper.make_opsetid(domain, 1), helper.make_opsetid("", 17)]))


def test_operators_that_open_files_are_refused():
    """Prevents a compiled model from being loaded from beside the graph."""
    with pytest.raises(ModelFormatError, match="EPContext"):
        check_graph(model(helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft")))


@pytest.mark.parametrize("size", [1, 10, 60, -1])
def test_what_is_cut_off_is_refused(size):
    """Prevents an IndexError, and a graph that is read as far as it goes."""
    data = model(ADD, tensors=[inside()])
    with pytest.raises(ModelFormatError, match="damaged"):
        check_graph(data[:size])


@pytest.mark.parametrize("data", [b"", b"\x00" * 40, b"\xff" * 40, b"{}", b"PK\x03\x04", b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_is_no_graph_is_refused(data):
    """Prevents an endless loop or a traceback over bytes of anything else."""
    with pytest.raises(ModelFormatError, match="damaged"):
        check_graph(data)


def test_messages_within_messages_end():
    """Prevents a RecursionError by a graph within a graph within a graph."""
    inner = graph([ADD])
    for _ in range(14):
        inner = graph([helper.make_node("If", ["x"], ["y"], then_branch=inner)])
    with pytest.raises(ModelFormatError, match="damaged"):
        check_graph(helper.make_model(inner).SerializeToString())
