"""A classifier as one torch module from numbers of tokens to probabilities, and that module as an ONNX graph.

The modules of a sentence encoder are run as they are, all of them, so that none is left out: pooling of any kind, dense
layers, norms. Inputs go by name: a model that takes no segments is given none.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.compression.graph_shapes import fix_shapes
from fewshot.compression.plain_masks import plain_masks
from fewshot.core.errors import InputError
from fewshot.core.optional import import_extra
from fewshot.encoders.onnx_folder import GRAPH, WEIGHTS, WHOLE_GRAPH

OPSET = 17
Parts = dict[str, torch.Tensor]


class Graph(nn.Module):
    """Base of what is exported: arrays of tokens in, named parts out, the last of them ``"probabilities"``.

    Parameters
    ----------
    inputs : sequence of str
        Names of the arrays, in the order of ``forward``'s arguments.
    multi_label : bool
    """

    outputs: tuple[str, ...] = ("probabilities",)
    """Which parts the graph gives."""

    def __init__(self, inputs: Sequence[str], *, multi_label: bool) -> None:
        super().__init__()
        self.inputs, self.multi_label = tuple(inputs), multi_label

    def parts(self, features: dict[str, torch.Tensor]) -> Parts:
        """Return what is computed on the way, first to last, logits at the end."""
        raise NotImplementedError

    def forward(self, *arrays: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the outputs."""
        parts = self.parts(dict(zip(self.inputs, arrays, strict=True)))
        logits = parts["logits"]
        parts["probabilities"] = torch.sigmoid(logits) if self.multi_label else torch.softmax(logits, dim=-1)
        return tuple(parts[name] for name in self.outputs)


class SentenceGraph(Graph):
    """A sentence-transformers model and a linear head on its vectors.

    Parameters
    ----------
    model : SentenceTransformer
    coef, intercept : ndarray of shape (n_classes, dimension) and (n_classes,)
    unit_vectors : bool
        Whether the head takes vectors of length 1.
    inputs, multi_label
        As for the base.
    """

    outputs = ("probabilities", "embeddings")
    part_names = ("token_embeddings", "embeddings", "logits", "probabilities")

    def __init__(
        self,
        model: Any,
        coef: np.ndarray,
        intercept: np.ndarray,
        *,
        unit_vectors: bool,
        inputs: Sequence[str],
        multi_label: bool,
    ) -> None:
        super().__init__(inputs, multi_label=multi_label)
        self.model, self.unit_vectors = model, unit_vectors
        self.head = _linear(coef, intercept)

    def parts(self, features: dict[str, torch.Tensor]) -> Parts:
        """Return vectors of tokens (where the model has such), of texts, and logits."""
        made = self.model(dict(features))
        vectors = made["sentence_embedding"]
        inputs = nn.functional.normalize(vectors, dim=-1, eps=1e-12) if self.unit_vectors else vectors
        found = {"token_embeddings": made["token_embeddings"]} if "token_embeddings" in made else {}
        return {**found, "embeddings": vectors, "logits": self.head(inputs)}


class SequenceGraph(Graph):
    """A transformer with a classification head.

    Parameters
    ----------
    model : PreTrainedModel or PooledModel
    columns : ndarray of shape (n_classes,)
        Which output belongs to each class.
    scale, offset : ndarray of shape (n_classes,)
        What outputs are multiplied by, and what is added.
    inputs, multi_label
        As for the base.
    """

    part_names = ("logits", "probabilities")

    def __init__(
        self,
        model: Any,
        columns: np.ndarray,
        scale: np.ndarray,
        offset: np.ndarray,
        *,
        inputs: Sequence[str],
        multi_label: bool,
    ) -> None:
        super().__init__(inputs, multi_label=multi_label)
        self.model = model
        self.register_buffer("columns", torch.as_tensor(columns, dtype=torch.int64))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.register_buffer("offset", torch.as_tensor(offset, dtype=torch.float32))

    def parts(self, features: dict[str, torch.Tensor]) -> Parts:
        """Return calibrated logits in the order of the classes."""
        logits = self.model(**features).logits.float()
        return {"logits": logits.index_select(1, self.columns) * self.scale + self.offset}


def write_graph(graph: Graph, features: Mapping[str, torch.Tensor], folder: Path) -> tuple[str, ...]:
    """Write a module as an ONNX graph for batches of any number of texts of any length.

    Parameters
    ----------
    graph : Graph
    features : mapping of str to Tensor
        A batch to run it on once: several texts of different lengths.
    folder : Path
        An empty one, where ``model.onnx`` shall be, and ``model.onnx.data`` if it is large.

    Returns
    -------
    tuple of str
        The inputs that the graph takes: some models have no use for all that their tokenizer gives.

    Raises
    ------
    InputError
        If some part of the model cannot be written as a graph.
    MissingExtraError
        If ONNX is not installed.

    Notes
    -----
    The graph is traced. torch's newer exporter, by symbols, needed 6.6 s where tracing needed 1.1 s (all-MiniLM-L6-v2),
    and its graph took 5 to 20 % more time in ONNX Runtime. A trace could hold on to what it saw: that is what the
    comparison with the original over many lengths is for.
    """
    onnx = import_extra("onnx", extra="onnx", purpose="export")
    axes = {0: "batch", 1: "length"}
    path = folder / GRAPH
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad(), plain_masks():
        warnings.simplefilter("ignore")  # of the tracer, about what the comparison would find
        try:
            torch.onnx.export(
                graph.eval(),
                tuple(features[name] for name in graph.inputs),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamic_axes=dict.fromkeys(graph.inputs, axes) | {name: {0: "batch"} for name in graph.outputs},
            )
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # the exporter raises whatever the model does
            line = (str(error).strip().splitlines() or [""])[0][:200]
            raise InputError(
                f"the model cannot be written as an ONNX graph: {type(error).__name__}: {line}; "
                "distil it into a student that can (fewshot distill)"
            ) from None
    proto = onnx.load(str(path))  # with weights of large models, which lie in files of their own by now
    for file in folder.iterdir():
        file.unlink()
    fix_shapes(proto)
    save_graph(proto, folder)
    return tuple(place.name for place in proto.graph.input)


def save_graph(proto: Any, folder: Path) -> None:
    """Write a graph of ONNX, its weights beside it if they are too many for one file."""
    onnx = import_extra("onnx", extra="onnx", purpose="export")
    weights = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
    if weights < WHOLE_GRAPH:
        onnx.save(proto, str(folder / GRAPH))
        return
    onnx.save(
        proto,
        str(folder / GRAPH),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=WEIGHTS,
        size_threshold=1024,
    )


def _linear(coef: np.ndarray, intercept: np.ndarray) -> nn.Linear:
    head = nn.utils.skip_init(nn.Linear, coef.shape[1], len(coef))  # draws no random numbers
    with torch.no_grad():
        head.weight.copy_(torch.as_tensor(coef))
        head.bias.copy_(torch.as_tensor(intercept))
    return head
