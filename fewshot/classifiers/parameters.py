"""How large a model is, part by part: parameters and megabytes of its tree of modules."""

import dataclasses

from torch import nn

_BYTES_PER_MEGABYTE = 1e6


@dataclasses.dataclass(frozen=True)
class ParameterRow:
    """The size of one part of a model.

    Parameters
    ----------
    name : str
        As in ``named_modules()``; ``""`` is the whole model.
    n_parameters : int
        Numbers in it, its parts included.
    n_trainable : int
        Those of them that are trained.
    megabytes : float
        What they take in memory, in units of 10⁶ bytes.
    """

    name: str
    n_parameters: int
    n_trainable: int
    megabytes: float


def parameter_table(model: nn.Module, depth: int | None = None) -> list[ParameterRow]:
    """Return the size of a model and of each of its parts.

    Parameters
    ----------
    model : Module
    depth : int, optional
        How far down the tree to go: 0 gives the whole model alone, 1 its children too. Default: to its leaves.

    Returns
    -------
    list of ParameterRow
        In the order of the model; the whole comes first. Parts without parameters are left out, and so are buffers.
        What several parts share counts in full in each of them, and once in the whole.

    Examples
    --------
    >>> from torch import nn
    >>> for row in parameter_table(nn.Sequential(nn.Linear(100, 10), nn.GELU(), nn.Linear(10, 2))):
    ...     print(row.name or "whole", row.n_parameters, row.megabytes)
    whole 1032 0.004128
    0 1010 0.00404
    2 22 8.8e-05
    """
    rows = [_row(name, module) for name, module in model.named_modules() if depth is None or _level(name) <= depth]
    return [row for row in rows if row.n_parameters]


def count_parameters(model: nn.Module, *, without: str | None = None) -> int:
    """Return how many numbers a model learnt; what several parts share counts once.

    Parameters
    ----------
    model : Module
    without : str, optional
        Leave out parameters whose name holds this, such as ``"pooler"``.

    Examples
    --------
    >>> from torch import nn
    >>> count_parameters(nn.Linear(3, 2)), count_parameters(nn.Linear(3, 2), without="bias")
    (8, 6)
    """
    return sum(p.numel() for name, p in model.named_parameters() if without is None or without not in name)


def _row(name: str, module: nn.Module) -> ParameterRow:
    parameters = list(module.parameters())
    return ParameterRow(
        name,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(p.numel() * p.element_size() for p in parameters) / _BYTES_PER_MEGABYTE,
    )


def _level(name: str) -> int:
    return name.count(".") + 1 if name else 0
