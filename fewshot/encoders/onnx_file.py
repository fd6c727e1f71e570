"""What an ONNX file asks for, told from its bytes before any engine opens it.

A graph may name files that hold its weights, and operators of libraries of its own. Here it may name files in its own
folder that its manifest lists, and operators of ONNX and of ONNX Runtime that compute: nothing else is opened.
"""

from collections.abc import Collection, Iterator
from typing import Any

from fewshot.core.errors import ModelFormatError

DOMAINS = {"", "ai.onnx", "com.microsoft"}
"""Where operators may come from: ONNX itself, and what ONNX Runtime brings and a quantized graph needs."""

_OPENS_FILES = {"EPContext"}  # operators of ONNX Runtime that read what they are told to
_MODEL = {7: "graph", 8: "opset", 25: "function"}
_WITHIN: dict[str, dict[int, str]] = {
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {4: "operator", 5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {1: "key", 2: "value"},
    "function": {7: "node", 9: "opset", 10: "domain", 11: "attribute"},
    "opset": {1: "domain"},
}
"""Messages that can lead to a file or an operator, by field numbers of ``onnx.proto``; others are stepped over."""

_DEEPEST = 32
_STRINGS = {"operator", "domain", "key", "value"}


def check_graph(data: bytes, files: Collection[str] = ()) -> None:
    """Raise unless a graph keeps to its own folder and to known operators.

    Parameters
    ----------
    data : bytes
        An ONNX file.
    files : collection of str
        Names, in the same folder, of files that may hold weights.

    Raises
    ------
    ModelFormatError
        If it is no ONNX file, or is cut off; if weights lie in another file; if an operator is of an unknown library,
        or would open files.

    Examples
    --------
    >>> check_graph(b"not a graph")
    Traceback (most recent call last):
    ...
    fewshot.core.errors.ModelFormatError: the ONNX file is damaged: it is no ONNX file, or is cut off
    """
    try:
        facts = list(_facts(memoryview(data), "model", 0))
    except (IndexError, ValueError):
        raise ModelFormatError("the ONNX file is damaged: it is no ONNX file, or is cut off") from None
    if not any(kind == "node" for kind, _ in facts):
        raise ModelFormatError("the ONNX file is damaged: it holds no operator")
    for kind, value in facts:
        if kind == "domain" and value not in DOMAINS:
            raise ModelFormatError(f"the ONNX file asks for operators of {value!r}; libraries of operators are not run")
        if kind == "operator" and value in _OPENS_FILES:
            raise ModelFormatError(f"the ONNX file holds {value}, which opens other files; this is never done")
        if kind == "location" and value not in files:
            raise ModelFormatError(
                f"the ONNX file wants weights from {value!r}, which is none of the files that belong to it"
            )


def _facts(data: memoryview, message: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Give what matters in a message: nodes, operators, domains, and files (as ``location``)."""
    if depth > _DEEPEST:
        raise ValueError("messages within messages without end")
    known = _MODEL if message == "model" else _WITHIN[message]
    key = ""
    for number, part in _fields(data):
        kind = known.get(number)
        if kind is None:
            continue
        if kind in _STRINGS:
            text = bytes(part).decode()
            if kind == "key":
                key = text
            elif kind != "value":
                yield kind, text
            elif key in ("", "location"):  # a value before its key counts as one
                yield "location", text
            continue
        if kind == "node":
            yield kind, None
        yield from _facts(part, kind, depth + 1)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Give the fields of a protobuf message that have a length: strings, bytes and messages."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind, number = tag & 7, tag >> 3
        if kind == 2:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise IndexError("cut off")
            yield number, data[place : place + length]
            place += length
        elif kind == 0:
            _, place = _varint(data, place)
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError("no such kind of field")
    if place != len(data):
        raise IndexError("cut off")


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number without end")
