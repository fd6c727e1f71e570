"""Parts of a transformer's graph as single operators: attention, the sums before norms, GELUs with their biases.

ONNX Runtime fuses some of these when it opens a graph, but attention in such a way only beforehand, and only if it
finds the pattern that it knows. With an int8 graph of MiniLM-L6 one text then took 3.0 ms and not 3.3 ms (one thread);
float32 graphs gained nothing.
"""

from pathlib import Path

from fewshot.compression.graphs import save_graph
from fewshot.compression.onnx_quantize import load_proto, quietly
from fewshot.core.optional import import_extra

FUSED = "Attention"


def fuse(source: Path, folder: Path, *, heads: int, width: int) -> bool:
    """Write the graph in ``source`` with fused operators into ``folder``.

    Parameters
    ----------
    source, folder : Path
        Folders of ``model.onnx``; different ones.
    heads, width : int
        Heads of attention, and the length of a token's vector; the graph does not tell them.

    Returns
    -------
    bool
        Whether attention was found and written; else nothing was. Whether the graph still computes the same is for the
        caller to look at.
    """
    optimizer = import_extra("onnxruntime.transformers.optimizer", extra="onnx", purpose="export")
    options = import_extra("onnxruntime.transformers.fusion_options", extra="onnx", purpose="export")
    wanted = options.FusionOptions("bert")
    wanted.enable_embed_layer_norm = False  # tables stay tables, and are rounded as such
    wanted.use_raw_attention_mask(True)  # lengths alone would do for padding on the right alone
    with quietly():
        try:
            made = optimizer.optimize_model(
                load_proto(source), "bert", heads, width, opt_level=0, optimization_options=wanted
            )
        except Exception:  # a pattern that half fits fails in its own way; the graph is good as it is
            return False
    if not made.get_fused_operator_statistics().get(FUSED):
        return False
    made.topological_sort()
    if not any(known.domain == "com.microsoft" for known in made.model.opset_import):
        made.model.opset_import.add(domain="com.microsoft", version=1)
    save_graph(made.model, folder)
    return True
