"""Students cut from their teacher's transformer: some of its layers, a slice of its width; and new ones from a plan."""

import copy
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling
from torch import nn
from transformers import AutoModel, PreTrainedConfig

from fewshot.core.errors import InputError
from fewshot.training import layer_rates
from fewshot.training.layer_cuts import cut_layers, evenly_spaced


class Cut(NamedTuple):
    """How much of a transformer is kept; ``None`` keeps all.

    Parameters
    ----------
    layers : int or None
    width : int or None
        Dimensions of the hidden states.
    """

    layers: int | None = None
    width: int | None = None


def parse_cut(student: str) -> Cut | None:
    """Return what ``"layers:3"``, ``"width:192"`` or ``"layers:3+width:192"`` asks for, ``None`` for other names.

    Raises
    ------
    InputError
        If it begins like one of these and is none.

    Examples
    --------
    >>> parse_cut("layers:3"), parse_cut("layers:3+width:192"), parse_cut("bundled")
    (Cut(layers=3, width=None), Cut(layers=3, width=192), None)
    """
    if student.partition(":")[0] not in Cut._fields:
        return None
    wanted: dict[str, int] = {}
    for part in student.split("+"):
        kind, _, number = part.partition(":")
        if kind not in Cut._fields or kind in wanted or not number.isdecimal() or not number.isascii():
            raise InputError(
                f"student must be 'layers:N' or 'width:N' with a number N, or both as in 'layers:3+width:192', got "
                f"{student!r}"
            )
        wanted[kind] = int(number)
    return Cut(**wanted)


def check_cut(model: SentenceTransformer, cut: Cut) -> None:
    """Raise :class:`InputError` if there is not so much to keep, or it cannot be cut."""
    transformer: Any = model[0].auto_model
    if cut.layers is not None:
        check_depth(len(layer_list(transformer)), cut.layers)
    if cut.width is None:
        return
    config = transformer.config
    step = config.hidden_size // config.num_attention_heads
    if not step <= cut.width <= config.hidden_size or cut.width % step:
        raise InputError(
            f"student 'width:{cut.width}': the teacher is {config.hidden_size} wide in {config.num_attention_heads} "
            f"heads of {step}; keep a multiple of {step}, up to {config.hidden_size}"
        )
    if not any(isinstance(module, Pooling) for module in model) or any(isinstance(module, Dense) for module in model):
        raise InputError(
            f"student 'width:{cut.width}': only a transformer with mean, max or first-token pooling and nothing but a "
            "normalization after it can be narrowed; take 'layers:N'"
        )


def keep(model: SentenceTransformer, cut: Cut) -> SentenceTransformer:
    """Cut ``model``, in place."""
    check_cut(model, cut)
    if cut.layers is not None:
        keep_layers(model, cut.layers)
    if cut.width is not None:
        keep_width(model, cut.width)
    return model


def keep_layers(model: SentenceTransformer, n_layers: int) -> SentenceTransformer:
    """Keep ``n_layers`` evenly spaced transformer layers of ``model``, in place, the first and the last among them.

    References
    ----------
    Fan, Grave, Joulin 2020, "Reducing Transformer Depth on Demand with Structured Dropout", arXiv:1909.11556.
    """
    transformer: Any = model[0].auto_model
    drop_layers(transformer, n_layers)
    return model


def drop_layers(transformer: Any, n_layers: int) -> None:
    """Keep ``n_layers`` evenly spaced layers of a transformer of transformers, in place."""
    layers = layer_list(transformer)
    check_depth(len(layers), n_layers)
    cut_layers(transformer, evenly_spaced(len(layers), n_layers))


def keep_width(model: SentenceTransformer, width: int) -> SentenceTransformer:
    """Keep ``width`` dimensions of the hidden states of ``model``, in place: whole attention heads, evenly spaced.

    The intermediate layers keep the same share of theirs. Every weight is a slice of the teacher's; the dimensions of a
    transformer may be numbered in any order, so a slice is no better than another, and a narrow student has more to
    learn again than a shallow one.

    References
    ----------
    Hou et al. 2020, "DynaBERT: Dynamic BERT with Adaptive Width and Depth", arXiv:2004.04037.
    """
    old: Any = model[0].auto_model
    config = copy.deepcopy(old.config)
    head = config.hidden_size // config.num_attention_heads
    n_heads = width // head
    heads = evenly_spaced(config.num_attention_heads, n_heads)
    inner = "intermediate_size" if hasattr(config, "intermediate_size") else "hidden_dim"
    n_inner = max(1, round(getattr(config, inner) * width / config.hidden_size))
    rows = {
        config.hidden_size: np.concatenate([np.arange(head) + head * number for number in heads]),
        getattr(config, inner): np.array(evenly_spaced(getattr(config, inner), n_inner)),
        config.num_attention_heads: np.array(heads),
    }
    config.hidden_size, config.num_attention_heads = width, n_heads
    setattr(config, inner, n_inner)
    with torch.random.fork_rng(devices=[]):  # its weights are overwritten
        new: Any = AutoModel.from_config(config)
    ours, theirs = new.state_dict(), old.state_dict()
    new.load_state_dict({name: _sliced(theirs[name], ours[name].shape, rows) for name in ours})
    model[0].model = new.to(next(old.parameters()).device)
    for place, module in enumerate(model):
        if isinstance(module, Pooling):
            model[place] = Pooling(**{**module.get_config_dict(), "embedding_dimension": width})
    return model


def _sliced(tensor: torch.Tensor, shape: torch.Size, rows: dict[int, np.ndarray]) -> torch.Tensor:
    """Return the slice of a weight that fits ``shape``: of each dimension that is shorter there, the kept rows."""
    for place, (long, short) in enumerate(zip(tensor.shape, shape, strict=True)):
        if long != short and long not in rows:
            raise InputError(
                f"student 'width:N': a weight of shape {tuple(tensor.shape)} cannot be narrowed; take 'layers:N'"
            )
        if long != short:
            tensor = tensor.index_select(place, torch.as_tensor(rows[long], device=tensor.device))
    return tensor


def from_config(config: PreTrainedConfig, teacher: SentenceTransformer, random_state: int) -> SentenceTransformer:
    """Return a transformer of random weights with the teacher's tokenizer, mean pooling and unit vectors.

    Raises
    ------
    InputError
        If the configuration has fewer tokens than the tokenizer.
    """
    n_tokens = len(cast(Any, teacher.tokenizer))
    if config.vocab_size < n_tokens:
        raise InputError(
            f"student: the configuration has {config.vocab_size} tokens, and the teacher's tokenizer, which the "
            f"student takes, {n_tokens}; set vocab_size={n_tokens}"
        )
    model = copy.deepcopy(teacher)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        transformer: Any = AutoModel.from_config(config)
    model[0].model = transformer.to(next(teacher.parameters()).device)
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None:
        model.max_seq_length = min(model.max_seq_length or longest, longest)
    for place, module in enumerate(model):
        if isinstance(module, Pooling):
            model[place] = Pooling(config.hidden_size)
    return model


def check_depth(there: int, wanted: int) -> None:
    """Raise :class:`InputError` unless ``wanted`` of ``there`` layers can be kept."""
    if not 1 <= wanted <= there:
        raise InputError(f"student 'layers:{wanted}': the teacher has {there} layers; keep 1 to {there}")


def layer_list(transformer: nn.Module) -> nn.ModuleList:
    """Return the list of layers of a transformer: the first list as long as its configuration says."""
    layers = layer_rates.layer_list(transformer)
    if layers is None:
        depth = cast(Any, transformer).config.num_hidden_layers
        raise InputError(f"student 'layers:N': {type(transformer).__name__} has no list of {depth} layers to cut from")
    return layers
