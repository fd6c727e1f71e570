"""Any plain language model of transformers as a sentence-transformers model: the mean of its token vectors.

For models that were never made for sentences: GPT-2, BERT, a model of one's own. Reading, batching, training and saving
are :class:`~fewshot.encoders.sentence.SentenceEncoder`'s, as for any other.
"""

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.device import choose_device
from fewshot.encoders.opening import explaining, quiet
from fewshot.encoders.padding import make_paddable
from fewshot.encoders.sentence import SentenceEncoder


def load_pooled(
    source: str | Path, *, name: str | None = None, device: str | None = None, **options: Any
) -> SentenceEncoder:
    """Return any language model of transformers as an encoder.

    Parameters
    ----------
    source : str or Path
        See :func:`open_pooled`.
    name, device, **options
        As for :class:`~fewshot.encoders.sentence.SentenceEncoder`.

    Raises
    ------
    SourceNotFoundError, ModelFormatError
        See :func:`open_pooled`.
    """
    device = choose_device(device)
    return SentenceEncoder(open_pooled(source, device), name=name or f"pooled:{source}", device=device, **options)


def open_pooled(source: str | Path, device: str) -> SentenceTransformer:
    """Return a language model with mean pooling, from safetensors only, running no code from it.

    Parameters
    ----------
    source : str or Path
        A folder as ``save_pretrained`` writes it, or a Hub id. Of a sentence-transformers folder the language model is
        taken, and its own pooling left aside.
    device : str

    Returns
    -------
    SentenceTransformer
        A text's vector is the mean of the last layer's vectors of its tokens, special ones included and padding left
        out; it is the same alone and in a batch. Folders that it saves open with ``SentenceTransformer(folder)``.

    Raises
    ------
    SourceNotFoundError
        If it is neither a folder nor reachable on the Hub.
    ModelFormatError
        If the folder holds no model of transformers, asks for code of its own, or has no safetensors weights.

    Notes
    -----
    Causal models such as GPT-2 mostly have no padding token; the one that ends a text takes its place. Padding stands
    on the right, since positions are counted from the left.
    """
    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise ModelFormatError(f"{str(source)!r} is no folder of a language model: it has no config.json")
    safely = {"trust_remote_code": False}
    with explaining(source), quiet():
        transformer = Transformer(
            str(source),
            model_kwargs={**safely, "use_safetensors": True},
            processor_kwargs=safely,
            config_kwargs=safely,
        )
    if transformer.module_output_name != "token_embeddings":
        raise ModelFormatError(f"the model in {str(source)!r} gives no vectors of tokens; 'pooled:' takes their mean")
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    model = SentenceTransformer(modules=[transformer, pooling], device=device)
    make_paddable(model)
    model.tokenizer.padding_side = "right"
    return model
