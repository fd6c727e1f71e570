"""Parts taken out of a transformer: whole layers, and units of its feed-forward blocks. Its class stays a plain one.

Attention heads are not among them. The classes of transformers take a head's size to be ``hidden_size`` divided by the
number of heads, and attention's output to be as wide as the hidden states, so that a configuration cannot say "half of
the heads, each as large as before": such a model would open only by code of its own. Heads go together with a slice of
the hidden states' width (the student ``"width:N"``), or with their whole layer.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.encoders.transformer_shape import feed_forward_of
from fewshot.training.layer_rates import layer_list


def layers_of(transformer: nn.Module) -> nn.ModuleList:
    """Return the list of layers of a transformer.

    Raises
    ------
    InputError
        If it has none as long as its configuration says.
    """
    layers = layer_list(transformer)
    if layers is None:
        depth: Any = getattr(transformer.config, "num_hidden_layers", "some")
        raise InputError(f"{type(transformer).__name__} has no list of {depth} layers to cut from")
    return layers


def evenly_spaced(n: int, n_kept: int) -> list[int]:
    """Return which of ``n`` things to keep, evenly spaced from the first to the last.

    Examples
    --------
    >>> evenly_spaced(6, 3), evenly_spaced(12, 4), evenly_spaced(6, 1)
    ([0, 2, 5], [0, 4, 7, 11], [0])
    """
    return [round(i * (n - 1) / max(1, n_kept - 1)) for i in range(n_kept)]


def cut_layers(transformer: Any, kept: Sequence[int]) -> None:
    """Keep the layers of some numbers, in their order, in place."""
    _set_layers(transformer, [layers_of(transformer)[number] for number in sorted(kept)])


@contextlib.contextmanager
def only_layers(transformer: Any, kept: Sequence[int]) -> Iterator[None]:
    """Run a transformer with the layers of some numbers alone, inside a ``with`` block."""
    whole = list(layers_of(transformer))
    cut_layers(transformer, kept)
    try:
        yield
    finally:
        _set_layers(transformer, whole)


def _set_layers(transformer: Any, layers: Sequence[nn.Module]) -> None:
    there = layers_of(transformer)
    del there[:]  # the list itself stays where its transformer looks for it
    there.extend(layers)
    transformer.config.num_hidden_layers = len(layers)


def blocks_of(transformer: Any) -> list[tuple[nn.Linear, nn.Linear]]:
    """Return both matrices of each layer's feed-forward block, to the units and back."""
    feed_forward = feed_forward_of(transformer)
    return [feed_forward.of(layer) for layer in layers_of(transformer)]


def cut_units(transformer: Any, kept: Sequence[torch.Tensor]) -> None:
    """Keep some units of each layer's feed-forward block, in place: its matrices become as small as that.

    Parameters
    ----------
    transformer : PreTrainedModel
        Of a family that :mod:`fewshot.encoders.transformer_shape` knows.
    kept : sequence of int Tensor
        Numbers of units, a tensor a layer; as many in each, since a configuration has one number for all.

    Raises
    ------
    InputError
        If layers keep different numbers of units.
    """
    [*sizes] = {len(units) for units in kept}
    if len(sizes) != 1:
        raise InputError(f"kept must be as many units in each layer, got {', '.join(map(str, sorted(sizes)))}")
    for (up, down), units in zip(blocks_of(transformer), kept, strict=True):
        units = units.sort().values.to(up.weight.device)
        up.weight = nn.Parameter(up.weight.detach()[units].clone())
        up.bias = nn.Parameter(up.bias.detach()[units].clone())
        down.weight = nn.Parameter(down.weight.detach()[:, units].clone())
        up.out_features = down.in_features = sizes[0]
    setattr(transformer.config, feed_forward_of(transformer).size, sizes[0])
