"""All layer losses of a training together, with the projections that they learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.layer_distances import pool
from fewshot.distillation.layer_losses import Layer, LayerLoss

States = Mapping[Layer, torch.Tensor]
"""What a model says inside, by layer: hidden states by number, embeddings first, and outputs of modules by name."""


class LayerMatcher(nn.Module):
    """All layer losses of a training, with the projections that they need.

    Parameters
    ----------
    losses : sequence of LayerLoss
    student_states, teacher_states : mappings of layers to Tensor
        Those of any one batch: they tell numbers of layers and dimensions. See :func:`as_tokens` for their shapes.

    Raises
    ------
    InputError
        If a layer is not there, or states have another shape.
    """

    def __init__(self, losses: Sequence[LayerLoss], student_states: States, teacher_states: States) -> None:
        super().__init__()
        self.losses = tuple(losses)
        depths = _n_layers(student_states), _n_layers(teacher_states)
        self.pairs = [loss.pairs(*depths) for loss in self.losses]
        self.projections = nn.ModuleDict()
        for number, (loss, pairs) in enumerate(zip(self.losses, self.pairs, strict=True)):
            for ours, theirs in pairs:
                widths = as_tokens(student_states[ours]).shape[2], as_tokens(teacher_states[theirs]).shape[2]
                if loss.measure.projected and widths[0] != widths[1]:
                    self.projections[_key(number, ours, theirs)] = nn.Linear(*widths, bias=False)

    def forward(
        self,
        student_states: States,
        teacher_states: States,
        student_mask: torch.Tensor | None = None,
        teacher_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the weighted sum of all layer losses of each example.

        Parameters
        ----------
        student_states, teacher_states : mappings of layers to Tensor
            No gradient flows into the teacher's.
        student_mask, teacher_mask : Tensor of shape (B, L), optional
            1 for tokens, 0 for padding. Default: nothing is padding.

        Returns
        -------
        Tensor of shape (B,)
            In float32, in which all of it is computed.
        """
        some = next(iter(student_states.values()))
        with torch.autocast(some.device.type, enabled=False):
            parts = []
            for number, (loss, pairs) in enumerate(zip(self.losses, self.pairs, strict=True)):
                compared = [
                    self._compare(
                        loss,
                        _Side(student_states[ours].float(), student_mask),
                        _Side(teacher_states[theirs].float().detach(), teacher_mask),
                        _key(number, ours, theirs),
                    )
                    for ours, theirs in pairs
                ]
                parts.append(loss.weight * torch.stack(compared).mean(dim=0))
            return torch.stack(parts).sum(dim=0)

    def _compare(self, loss: LayerLoss, student: "_Side", teacher: "_Side", key: str) -> torch.Tensor:
        project = self.projections[key] if key in self.projections else nn.Identity()
        measure = loss.measure
        if measure.token_wise:
            lengths = student.tokens.shape[1], teacher.tokens.shape[1]
            if lengths[0] != lengths[1]:
                raise _token_error(loss.name, f"{lengths[0]} and {lengths[1]} tokens")
            distances = measure.distance(project(student.tokens), teacher.tokens, student.mask)
        else:
            distances = measure.distance(project(student.pooled(loss.pooling)), teacher.pooled(loss.pooling))
        shape = tuple(getattr(distances, "shape", ()))
        if not isinstance(distances, torch.Tensor) or shape != (len(student.tokens),):
            found = f"shape {shape}" if isinstance(distances, torch.Tensor) else repr(distances)
            raise InputError(
                f"the layer loss {loss.name!r} returned {found} for {len(student.tokens)} examples; it must return a "
                "tensor with one number for each"
            )
        return distances

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return an optimizer's parameter groups: the projections of each loss at its own learning rate."""
        groups = []
        for number, loss in enumerate(self.losses):
            mine = [linear.weight for key, linear in self.projections.items() if key.startswith(f"{number}_")]
            if mine:
                groups.append({"params": mine, "lr": loss.learning_rate})
        return groups


class _Side:
    """The states of one layer of one model as tokens, and which of them are no padding."""

    def __init__(self, states: torch.Tensor, mask: torch.Tensor | None) -> None:
        self.tokens = as_tokens(states)
        self.mask = _mask_of(self.tokens, None if states.ndim == 2 else mask)

    def pooled(self, pooling: str) -> torch.Tensor:
        """Return one vector a text."""
        return pool(self.tokens, self.mask, pooling)


def check_same_tokens(
    losses: Sequence[LayerLoss], student: Mapping[str, torch.Tensor], teacher: Mapping[str, torch.Tensor]
) -> None:
    """Raise unless losses that compare token by token are given one and the same tokens by both models.

    Parameters
    ----------
    losses : sequence of LayerLoss
    student, teacher : mappings of str to Tensor
        The features of one batch; ``"input_ids"`` are looked at, where both have them.

    Raises
    ------
    InputError
        If the tokens differ.
    """
    token_wise = [loss.name for loss in losses if loss.measure.token_wise]
    ours, theirs = student.get("input_ids"), teacher.get("input_ids")
    if token_wise and ours is not None and theirs is not None and not torch.equal(ours, theirs):
        raise _token_error(token_wise[0], "different tokenizers, or different max_length")


def as_tokens(states: torch.Tensor) -> torch.Tensor:
    """Return the states of a layer as ``(B, L, dimension)``.

    Parameters
    ----------
    states : Tensor
        Of that shape; or vectors ``(B, dimension)``, such as a pooler's, which are one token; or maps of an image
        ``(B, channels, height, width)``, each place of which is a token.

    Raises
    ------
    InputError
        If the shape is another.

    Examples
    --------
    >>> as_tokens(torch.zeros(2, 8, 3, 3)).shape, as_tokens(torch.zeros(2, 8)).shape
    (torch.Size([2, 9, 8]), torch.Size([2, 1, 8]))
    """
    if states.ndim == 4:
        return states.flatten(2).transpose(1, 2)
    if states.ndim == 2:
        return states[:, None]
    if states.ndim != 3:
        raise InputError(f"hidden states must have 2 to 4 dimensions, got the shape {tuple(states.shape)}")
    return states


def _n_layers(states: States) -> int:
    return sum(isinstance(layer, int) for layer in states) - 1


def _token_error(name: str, found: str) -> InputError:
    return InputError(
        f"the layer loss {name!r} compares token by token, and student and teacher have {found}; "
        "use LayerLoss('pooled'), which compares one vector a text, or give both the same tokenizer"
    )


def _mask_of(states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if mask is None:
        return states.new_ones(states.shape[:2])
    if mask.shape != states.shape[:2]:
        raise InputError(f"the mask has shape {tuple(mask.shape)}, the hidden states {tuple(states.shape[:2])}")
    return mask.to(states.dtype)


def _key(number: int, ours: Layer, theirs: Layer) -> str:
    return f"{number}_{ours}_{theirs}".replace(".", "-")  # torch allows no dots in names of modules
