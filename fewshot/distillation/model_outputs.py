"""What a model returns and what it says inside: logits in whatever form, hidden states, outputs of its modules."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError, did_you_mean
from fewshot.distillation.layer_losses import Layer, LayerLoss

STUDENT, TEACHER = 0, 1


@dataclasses.dataclass(frozen=True)
class StatesAsked:
    """Which states of a model are needed beside its logits.

    Parameters
    ----------
    hidden : bool, default=False
        All hidden states, by ``output_hidden_states=True``.
    modules : tuple of str, default=()
        Outputs of the modules of these names, as in ``named_modules()``.
    """

    hidden: bool = False
    modules: tuple[str, ...] = ()


NO_STATES = StatesAsked()


def states_asked(losses: Sequence[LayerLoss], side: int) -> StatesAsked:
    """Return which states layer losses need of a model.

    Parameters
    ----------
    losses : sequence of LayerLoss
    side : {STUDENT, TEACHER}

    Examples
    --------
    >>> states_asked([LayerLoss("pooled", layers=(("head.0", 3),))], STUDENT)
    StatesAsked(hidden=False, modules=('head.0',))
    """
    asked = [loss.asks_for(side) for loss in losses]
    names = dict.fromkeys(name for _, modules in asked for name in modules)
    return StatesAsked(any(hidden for hidden, _ in asked), tuple(names))


@dataclasses.dataclass(frozen=True)
class ModelOutput:
    """What a model says of a batch.

    Parameters
    ----------
    logits : Tensor of shape (B, n_classes)
    states : dict of layers to Tensor
        Hidden states by number, 0 the embeddings, and outputs of modules by name, where they were asked for.
    """

    logits: torch.Tensor
    states: dict[Layer, torch.Tensor]


def run_model(model: nn.Module, features: Mapping[str, torch.Tensor], states: StatesAsked = NO_STATES) -> ModelOutput:
    """Run a model, whatever form its output has.

    Parameters
    ----------
    model : Module
        Its output is the logits, or has them as field or key ``logits``, or in the first place.
    features : mapping of str to Tensor
        Arguments of its ``forward``.
    states : StatesAsked, optional
        What is needed beside the logits.

    Returns
    -------
    ModelOutput

    Raises
    ------
    InputError
        If there are no logits in its output, or states that are asked for are not to be had.

    Examples
    --------
    >>> output = run_model(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 3)), {"input": torch.zeros(1, 2)},
    ...                    StatesAsked(modules=("0",)))
    >>> output.logits.shape, output.states["0"].shape
    (torch.Size([1, 3]), torch.Size([1, 4]))
    """
    with recorded_outputs(model, states.modules) as recorded:
        output = model(**features, output_hidden_states=True) if states.hidden else model(**features)
    logits = _logits(model, output)
    found: dict[Layer, torch.Tensor] = dict(enumerate(_hidden_states(model, output))) if states.hidden else {}
    for name in states.modules:
        if name not in recorded:
            raise InputError(f"the module {name!r} of {type(model).__name__} did not run; leave it out of layers")
        if len(recorded[name]) != len(logits):
            raise InputError(
                f"the module {name!r} returned the shape {tuple(recorded[name].shape)} for {len(logits)} examples; "
                "layer losses need the examples in the first dimension"
            )
        found[name] = recorded[name]
    return ModelOutput(logits, found)


def run_at_home(
    model: nn.Module,
    features: Mapping[str, torch.Tensor],
    states: StatesAsked = NO_STATES,
    device: torch.device | str = "cpu",
) -> ModelOutput:
    """Run a model where its weights are, and bring what it says to another device.

    Parameters
    ----------
    model, features, states
        As for :func:`run_model`; the features may lie anywhere.
    device : device or str, default="cpu"
        Where the output is wanted.
    """
    home = next((parameter.device for parameter in model.parameters()), torch.device(device))
    output = run_model(model, {name: tensor.to(home) for name, tensor in features.items()}, states)
    return ModelOutput(output.logits.to(device), {name: state.to(device) for name, state in output.states.items()})


@contextlib.contextmanager
def recorded_outputs(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Record what modules of a model return while it runs inside this block.

    Parameters
    ----------
    model : Module
    names : sequence of str
        As in ``named_modules()``.

    Yields
    ------
    dict of str to Tensor
        By name, the output of its last call; where it returns several things, the first tensor. A gradient flows.

    Raises
    ------
    InputError
        If there is no such module.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with recorded_outputs(model, ["0"]) as outputs:
    ...     _ = model(torch.zeros(4, 2))
    >>> outputs["0"].shape
    torch.Size([4, 3])
    """
    modules = dict(model.named_modules())
    for name in names:
        if name not in modules:
            near = did_you_mean(name, modules)
            raise InputError(f"layers names the module {name!r}, which {type(model).__name__} does not have.{near}")
    outputs: dict[str, torch.Tensor] = {}
    hooks = [modules[name].register_forward_hook(functools.partial(_record, outputs, name)) for name in names]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _record(outputs: dict[str, torch.Tensor], name: str, module: nn.Module, inputs: Any, output: Any) -> None:
    parts = (
        output.values() if isinstance(output, Mapping) else output if isinstance(output, (tuple, list)) else [output]
    )
    tensors = [part for part in parts if isinstance(part, torch.Tensor)]
    if not tensors:
        raise InputError(f"the module {name!r} returned no tensor but {type(output).__name__}; leave it out of layers")
    outputs[name] = tensors[0]


def _logits(model: nn.Module, output: Any) -> torch.Tensor:
    logits = _part(output, "logits")
    if logits is None and isinstance(output, (torch.Tensor, tuple, list)) and len(output):
        logits = output if isinstance(output, torch.Tensor) else output[0]
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        found = f"logits of shape {tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else "no logits"
        raise InputError(f"{type(model).__name__} returned {found}; a classifier returns logits (B, n_classes)")
    return logits


def _hidden_states(model: nn.Module, output: Any) -> Sequence[torch.Tensor]:
    states = _part(output, "hidden_states")
    if not states:
        raise InputError(
            f"layer_losses need hidden states, and {type(model).__name__} returned none; leave layer_losses out, or "
            "name its modules in layers"
        )
    return states


def _part(output: Any, name: str) -> Any:
    return output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
