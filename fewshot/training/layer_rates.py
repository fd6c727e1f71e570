"""Which part of a transformer learns how fast: lower layers slower than upper ones, the head at a rate of its own."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from torch import nn

from fewshot.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class LayerRates:
    """How learning rates differ from part to part of a model.

    Parameters
    ----------
    head : float
        Learning rate of the head.
    decay : float, default=1.0
        Above 0 and at most 1: each lower layer learns at so many times the rate of the one above it, embeddings as if
        they were the layer below the first. 1 lets all learn alike.

    Raises
    ------
    InputError
        If a number is out of range.

    References
    ----------
    Howard, Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", arXiv:1801.06146. Zhang, Wu,
    Katiyar, Weinberger, Artzi 2021, "Revisiting Few-sample BERT Fine-tuning", arXiv:2006.05987.
    """

    head: float
    decay: float = 1.0

    def __post_init__(self) -> None:
        if not self.head > 0:
            raise InputError(f"head_learning_rate must be above 0, got {self.head}")
        if not 0 < self.decay <= 1:
            raise InputError(f"layer_decay must be above 0 and at most 1, got {self.decay}")

    def groups(self, model: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
        """Return the optimizer's parameter groups.

        Parameters
        ----------
        model : Module
            With ``base_model``, the transformer below the head, as transformers' models have it.
        learning_rate : float
            Of the uppermost layer, and of what stands between it and the head.

        Returns
        -------
        list of dict
            ``params`` and ``lr``, from the head down; parameters that are not trained are left out. A transformer whose
            layers are no list, or share their weights, learns at one rate.
        """
        below = heights(model.base_model)  # type: ignore[arg-type]
        top = len(layer_list(model.base_model) or ())  # type: ignore[arg-type]
        by_rate: dict[float, list[nn.Parameter]] = {}
        for parameter in reversed(list(model.parameters())):
            if parameter.requires_grad:
                height = below.get(id(parameter))
                rate = self.head if height is None else learning_rate * self.decay ** max(0, top - height)
                by_rate.setdefault(rate, []).append(parameter)
        return [{"params": parameters[::-1], "lr": rate} for rate, parameters in by_rate.items()]


def layer_list(transformer: nn.Module) -> nn.ModuleList | None:
    """Return the layers of a transformer: the first list as long as its configuration says; ``None`` without one."""
    depth = getattr(transformer.config, "num_hidden_layers", None)
    lists = (part for part in transformer.modules() if isinstance(part, nn.ModuleList) and len(part) == depth)
    return next(lists, None)


def heights(transformer: nn.Module) -> dict[int, int]:
    """Return how high each parameter stands, by its ``id``: 0 for embeddings, 1 for the lowest layer.

    What comes after the layers stands above the uppermost.
    """
    layers = layer_list(transformer)
    if layers is None:
        return {id(parameter): 0 for parameter in transformer.parameters()}
    inside = {id(p): number for number, layer in enumerate(layers, 1) for p in layer.parameters()}
    found: dict[int, int] = {}
    height = 0
    for parameter in transformer.parameters():  # in the order of the model: embeddings, layers, what comes after
        height = inside.get(id(parameter), len(layers) + 1 if height else 0)
        found[id(parameter)] = height
    return found


@contextlib.contextmanager
def frozen_below(model: nn.Module, n_layers: int | None) -> Iterator[None]:
    """Hold the embeddings and the ``n_layers`` lowest layers of a model as they are; ``None`` holds nothing.

    Raises
    ------
    InputError
        If the model has fewer layers, or no list of them.
    """
    if n_layers is None:
        yield
        return
    layers = layer_list(model.base_model)  # type: ignore[arg-type]
    if layers is None or not 0 <= n_layers <= len(layers):
        there = "no list of layers" if layers is None else f"{len(layers)} layers"
        raise InputError(f"freeze_layers must be a number of the model's layers, which has {there}; got {n_layers}")
    below = heights(model.base_model)  # type: ignore[arg-type]
    held = [p for p in model.parameters() if p.requires_grad and below.get(id(p), n_layers + 1) <= n_layers]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
