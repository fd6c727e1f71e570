"""Weights behind masks while a model trains: which are looked at, which are kept, and the weights as they stay.

A mask is a parametrization of torch: the module's ``weight`` is what is kept of the weight beneath, which goes on being
the parameter that is trained, so that optimizers, checkpoints and random states are those of any training.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from fewshot.core.errors import InputError
from fewshot.training.layer_rates import layer_list

PARTS = ("layers", "embeddings", "head")
"""Which weights can be masked: matrices of the transformer's layers, tables of embeddings, all other matrices."""


class WeightMask(nn.Module):
    """Keeps some numbers of a weight; the others are 0 and get no gradient.

    Parameters
    ----------
    weight : Tensor
        Whose shape and device the mask has. At first all of it is kept.
    """

    kept: torch.Tensor

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", torch.ones_like(weight, dtype=torch.bool))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight with zeros where nothing is kept."""
        return weight.masked_fill(~self.kept, 0.0)


class ScoredMask(WeightMask):
    """A mask beside which each number of the weight has a score, learnt through the mask as if there were none.

    The gradient of a score is that of the masked weight times the weight, whether the weight is kept or not: the
    straight-through estimator.

    References
    ----------
    Bengio, Léonard, Courville 2013, "Estimating or Propagating Gradients Through Stochastic Neurons", arXiv:1308.3432.
    Sanh, Wolf, Rush 2020, "Movement Pruning: Adaptive Sparsity by Fine-Tuning", arXiv:2005.07683.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__(weight)
        self.scores = nn.Parameter(torch.zeros_like(weight))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight with zeros where nothing is kept."""
        return _StraightThrough.apply(weight, self.scores, self.kept)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, scores: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight, kept)
        return weight.masked_fill(~kept, 0.0)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        weight, kept = ctx.saved_tensors
        return gradient.masked_fill(~kept, 0.0), gradient * weight, None


def masked_modules(model: nn.Module, parts: Sequence[str] = ("layers",)) -> list[nn.Module]:
    """Return the modules whose ``weight`` is to be masked; norms and biases never are.

    Parameters
    ----------
    model : Module
        A transformer, with or without a head, or a sentence-transformers model of one.
    parts : sequence of str, default=("layers",)
        Of :data:`PARTS`.

    Returns
    -------
    list of Module
        Linear and embedding modules, in the order of the model; those whose weights are not trained are left out.

    Raises
    ------
    InputError
        If the model has no list of layers, or nothing is left to mask.
    """
    transformer = next((part for part in model.modules() if _has_layers(part)), None)
    if transformer is None:
        raise InputError(
            f"pruning needs a transformer with a list of layers, and {type(model).__name__} has none; a token table is "
            "made smaller by its words and bits instead"
        )
    inside = {id(part) for layer in layer_list(transformer) or () for part in layer.modules()}
    of_parts: list[Any] = [part for part in model.modules() if _part_of(part, id(part) in inside) in parts]
    found = [module for module in of_parts if module.weight.requires_grad]
    if not found:
        raise InputError(f"pruning finds no weight that is trained in {', '.join(parts)} of {type(model).__name__}")
    return found


def _has_layers(part: nn.Module) -> bool:
    return hasattr(part, "config") and layer_list(part) is not None


def _part_of(module: nn.Module, in_layers: bool) -> str | None:
    if isinstance(module, nn.Embedding):
        return "embeddings"
    if not isinstance(module, nn.Linear):
        return None
    return "layers" if in_layers else "head"


def attach(modules: Sequence[nn.Module], kind: type[WeightMask]) -> list[WeightMask]:
    """Put a mask before the weight of each module; see :func:`bake` for the way back."""
    masks = []
    for module in modules:
        weight: Any = module.weight
        mask = kind(weight.detach())
        parametrize.register_parametrization(module, "weight", mask)
        masks.append(mask)
    return masks


def weight_beneath(module: nn.Module) -> torch.Tensor:
    """Return the trained weight behind a module's mask."""
    masked: Any = module
    return masked.parametrizations.weight.original.detach()


def bake(modules: Sequence[nn.Module]) -> None:
    """Make the masked weights the modules' own, with zeros where nothing was kept, and take the masks off."""
    for module in modules:
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def keep_largest(importance: Sequence[torch.Tensor], sparsity: float, *, apart: bool) -> list[torch.Tensor]:
    """Return which numbers are kept when an exact share of them, the least important, goes.

    Parameters
    ----------
    importance : sequence of Tensor
        One a weight, of its shape.
    sparsity : float
        Share that goes, from 0 to 1; the count is rounded to the nearest whole number.
    apart : bool
        Whether each weight loses this share, or all of them together.

    Returns
    -------
    list of bool Tensor
        Of the shapes of ``importance``. Of equals the first go.

    Examples
    --------
    >>> keep_largest([torch.tensor([3.0, 1.0, 1.0, 2.0])], 0.25, apart=True)
    [tensor([ True, False,  True,  True])]
    """
    if not apart and len(importance) > 1:
        [together] = keep_largest([torch.cat([values.reshape(-1) for values in importance])], sparsity, apart=True)
        parts = together.split([values.numel() for values in importance])
        return [part.reshape(values.shape) for part, values in zip(parts, importance, strict=True)]
    return [_keep_largest(values.reshape(-1), sparsity).reshape(values.shape) for values in importance]


def _keep_largest(values: torch.Tensor, sparsity: float) -> torch.Tensor:
    n_gone = round(sparsity * values.numel())
    if n_gone == 0:
        return torch.ones_like(values, dtype=torch.bool)
    border = values.kthvalue(n_gone).values
    gone, equal = values < border, values == border
    return ~(gone | (equal & (equal.cumsum(0) <= n_gone - gone.sum())))


def sparsity_of(model: nn.Module, parts: Sequence[str] = ("layers",)) -> float:
    """Return the share of zeros among the weights of some parts of a model, from 0 to 1."""
    weights: list[Any] = [module.weight for module in masked_modules(model, parts)]
    return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)
