"""Graphs with weights of fewer bits: int8 by ONNX Runtime's dynamic quantization, float16 for cards.

Dynamic int8 rounds weights once, a scale a column, and what passes between layers anew in each pass, a scale for the
whole batch. So the same text may get slightly other probabilities beside other texts.
"""

import logging
from pathlib import Path
from typing import Any

from fewshot.compression.graphs import save_graph
from fewshot.core.errors import InputError
from fewshot.core.optional import import_extra
from fewshot.encoders.onnx_folder import GRAPH, WHOLE_GRAPH

TABLES_AND_MATRICES = ("MatMul", "Gemm", "Gather")
"""Operators whose weights are rounded."""


def quantize_int8(source: Path, folder: Path) -> None:
    """Write the graph in ``source`` with int8 weights into ``folder``.

    Parameters
    ----------
    source, folder : Path
        Folders of ``model.onnx``; different ones.

    Notes
    -----
    Matrices are rounded by column, tables of tokens as a whole. The last layer, which gives the classes, stays as it
    is: it is small, and its rounding would count in full.

    Fusing attention, norms and GELUs beforehand (``onnxruntime.transformers.optimizer``) was tried and left out: by the
    processor's time one text took 1 % less, and 300 texts in batches 19 % more (MiniLM-L6, one thread).
    """
    quantization = import_extra("onnxruntime.quantization", extra="onnx", purpose="quantizing")
    proto = load_proto(source)
    last = last_layer(proto)
    with quietly():
        quantization.quantize_dynamic(
            proto,
            str(folder / GRAPH),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=list(TABLES_AND_MATRICES),
            nodes_to_exclude=[last, f"{last}_MatMul"],  # a Gemm is first made a MatMul of that name
        )


def to_float16(source: Path, folder: Path) -> None:
    """Write the graph in ``source`` with float16 weights into ``folder``; outputs stay float32."""
    float16 = import_extra("onnxruntime.transformers.float16", extra="onnx", purpose="float16 graphs")
    with quietly():
        save_graph(float16.convert_float_to_float16(load_proto(source), keep_io_types=True), folder)


def load_proto(folder: Path) -> Any:
    """Return the graph in a folder; raise :class:`InputError` if it is too large to be quantized."""
    onnx = import_extra("onnx", extra="onnx", purpose="export")
    proto = onnx.load(str(folder / GRAPH))
    if proto.ByteSize() >= WHOLE_GRAPH:
        raise InputError("the graph is too large to be quantized (2 GiB); distil it into a smaller student first")
    return proto


def last_layer(proto: Any) -> str:
    """Return the name of the node that gives the classes."""
    return str([node.name for node in proto.graph.node if node.op_type in ("Gemm", "MatMul")][-1])


class quietly:  # noqa: N801 - used as a statement
    """Keep the root logger's advice to preprocess, which does not fit traced transformers, off the terminal."""

    def __enter__(self) -> None:
        self._level = logging.root.level
        logging.root.setLevel(logging.ERROR)

    def __exit__(self, *failure: object) -> None:
        logging.root.setLevel(self._level)
