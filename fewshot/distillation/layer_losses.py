"""Losses between the hidden layers of a student and those of its teacher.

Most compare token by token, which needs one tokenizer for both; the pooled one compares a vector a text, and works for
any two models. Where the dimensions differ, a linear projection that is learnt beside the student and thrown away with
the teacher brings the student's vectors to the teacher's dimension.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError, did_you_mean

LAYER_LOSSES = ("hidden_mse", "hidden_cosine", "pooled", "token_similarity")
POOLINGS = ("mean", "cls")
_POOLED = "pooled"

Pairs = tuple[tuple[int, int], ...]
States = Sequence[torch.Tensor]


def hidden_mse(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of token vectors.

    Parameters
    ----------
    student, teacher : Tensor of shape (B, L, dimension)
    mask : Tensor of shape (B, L)
        1 for tokens, 0 for padding, which counts nothing.

    Returns
    -------
    Tensor of shape (B,)
        Mean over the tokens of each text and over dimensions, at least 0.

    References
    ----------
    Jiao et al. 2020, "TinyBERT: Distilling BERT for Natural Language Understanding", arXiv:1909.10351.
    """
    return _token_mean((student - teacher).square().mean(dim=2), mask)


def hidden_cosine(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return one minus the cosine of token vectors, ``(B,)``, from 0 to 2; arguments as of :func:`hidden_mse`.

    References
    ----------
    Sanh et al. 2019, "DistilBERT, a distilled version of BERT", arXiv:1910.01108.
    """
    return _token_mean(1 - nn.functional.cosine_similarity(student, teacher, dim=2), mask)


def pooled_mse(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the squared distance of vectors ``(B, dimension)`` brought to length 1: ``(B,)``, from 0 to 4.

    References
    ----------
    Sun et al. 2019, "Patient Knowledge Distillation for BERT Model Compression", arXiv:1908.09355.

    Examples
    --------
    >>> pooled_mse(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]]))
    tensor([2.])
    """
    return (nn.functional.normalize(student, dim=1) - nn.functional.normalize(teacher, dim=1)).square().sum(dim=1)


def token_similarity(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of the cosines of all pairs of tokens of a text.

    Parameters
    ----------
    student : Tensor of shape (B, L, student dimension)
    teacher : Tensor of shape (B, L, teacher dimension)
        The dimensions may differ: only cosines, L × L of them, are compared.
    mask : Tensor of shape (B, L)

    Returns
    -------
    Tensor of shape (B,)
        Mean over the pairs of each text, from 0 to 4.

    References
    ----------
    Huang, Wang 2017, "Like What You Like: Knowledge Distill via Neuron Selectivity Transfer", arXiv:1707.01219.
    """
    difference = (_cosines(student) - _cosines(teacher)).square().flatten(1)
    pairs = mask[:, :, None] * mask[:, None, :]
    return _token_mean(difference, pairs.flatten(1))


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Return a vector a text, ``(B, dimension)``: the first token's (``"cls"``) or the ``"mean"`` without padding."""
    if pooling == "cls":
        return states[:, 0]
    mask = mask.to(states.dtype)[:, :, None]
    return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)


def uniform_layers(n_student: int, n_teacher: int) -> Pairs:
    """Return which teacher layer each student layer learns from: evenly spaced, the last from the last.

    Layers count from 1; 0 is the embeddings, which are left out.

    Examples
    --------
    >>> uniform_layers(3, 12), uniform_layers(4, 2)
    (((1, 4), (2, 8), (3, 12)), ((1, 1), (2, 1), (3, 2), (4, 2)))
    """
    return tuple((layer, -(-layer * n_teacher // n_student)) for layer in range(1, n_student + 1))


@dataclasses.dataclass(frozen=True)
class LayerLoss:
    """One loss between layers: what is compared, which layers, and how heavy it is.

    Parameters
    ----------
    kind : {"hidden_mse", "hidden_cosine", "pooled", "token_similarity"}
        See :func:`hidden_mse`, :func:`hidden_cosine`, :func:`pooled_mse`, :func:`token_similarity`. All but
        ``"pooled"`` compare token by token and need one tokenizer for teacher and student.
    layers : "uniform" or sequence of (int, int), default="uniform"
        Pairs of a student's and a teacher's layer: 1 is the first, 0 the embeddings; or see :func:`uniform_layers`.
    weight : float, default=1.0
        Above 0; the gold labels and the teacher's logits together weigh 1. The loss is the mean over the pairs.
    pooling : {"mean", "cls"}, default="mean"
        Of ``"pooled"`` alone.
    learning_rate : float, default=1e-3
        Of the projections, above 0. They start at random, so it is higher than a trained student's.

    Examples
    --------
    >>> LayerLoss("hidden_mse", layers=((2, 4), (4, 12))).pairs(4, 12)
    ((2, 4), (4, 12))
    """

    kind: str
    layers: str | Sequence[Sequence[int]] = "uniform"
    weight: float = 1.0
    pooling: str = "mean"
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        for name, value, known in (("kind", self.kind, LAYER_LOSSES), ("pooling", self.pooling, POOLINGS)):
            if value not in known:
                near = did_you_mean(str(value), known)
                raise InputError(f"{name} of a layer loss must be one of {', '.join(known)}; got {value!r}.{near}")
        for name, number in (("weight", self.weight), ("learning_rate", self.learning_rate)):
            if not isinstance(number, (int, float)) or not 0 < number < float("inf"):
                raise InputError(f"{name} of a layer loss must be a number above 0, got {number!r}")
        if self.layers != "uniform" and not _are_pairs(self.layers):
            raise InputError(
                "layers must be 'uniform' or pairs of a student's and a teacher's layer such as ((1, 4), (2, 8)); "
                f"got {self.layers!r}"
            )

    @property
    def is_token_wise(self) -> bool:
        """Whether it compares token by token."""
        return self.kind != _POOLED

    def pairs(self, n_student: int, n_teacher: int) -> Pairs:
        """Return the pairs of layers for models with so many layers.

        Raises
        ------
        InputError
            If a pair names a layer that is not there.
        """
        if isinstance(self.layers, str):
            return uniform_layers(n_student, n_teacher)
        pairs = tuple((int(ours), int(theirs)) for ours, theirs in self.layers)
        for ours, theirs in pairs:
            if ours > n_student or theirs > n_teacher:
                raise InputError(
                    f"layers holds the pair ({ours}, {theirs}), but the student has {n_student} layers and the teacher "
                    f"{n_teacher}; layer 0 is the embeddings"
                )
        return pairs


class LayerMatcher(nn.Module):
    """All layer losses of a training, with the projections that they need.

    Parameters
    ----------
    losses : sequence of LayerLoss
    student_states, teacher_states : sequences of Tensor
        The hidden states of any one batch, embeddings first: they tell numbers of layers and dimensions. Those of
        convolutional networks, ``(B, channels, height, width)``, count as one token a place.

    Raises
    ------
    InputError
        If a layer is not there, or states have another shape.
    """

    def __init__(self, losses: Sequence[LayerLoss], student_states: States, teacher_states: States) -> None:
        super().__init__()
        self.losses = tuple(losses)
        self.pairs = [loss.pairs(len(student_states) - 1, len(teacher_states) - 1) for loss in self.losses]
        self.projections = nn.ModuleDict()
        for number, (loss, pairs) in enumerate(zip(self.losses, self.pairs, strict=True)):
            for ours, theirs in pairs:
                widths = as_tokens(student_states[ours]).shape[2], as_tokens(teacher_states[theirs]).shape[2]
                if loss.kind != "token_similarity" and widths[0] != widths[1]:
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
        student_states, teacher_states : sequences of Tensor of shape (B, L, dimension)
            Embeddings first.
        student_mask, teacher_mask : Tensor of shape (B, L), optional
            1 for tokens, 0 for padding. Default: nothing is padding.

        Returns
        -------
        Tensor of shape (B,)
        """
        with torch.autocast(student_states[0].device.type, enabled=False):
            parts = []
            for number, (loss, pairs) in enumerate(zip(self.losses, self.pairs, strict=True)):
                compared = [
                    self._compare(
                        loss,
                        as_tokens(student_states[ours]).float(),
                        as_tokens(teacher_states[theirs]).float().detach(),
                        student_mask,
                        teacher_mask,
                        _key(number, ours, theirs),
                    )
                    for ours, theirs in pairs
                ]
                parts.append(loss.weight * torch.stack(compared).mean(dim=0))
            return torch.stack(parts).sum(dim=0)

    def _compare(
        self,
        loss: LayerLoss,
        student: torch.Tensor,
        teacher: torch.Tensor,
        student_mask: torch.Tensor | None,
        teacher_mask: torch.Tensor | None,
        key: str,
    ) -> torch.Tensor:
        project = self.projections[key] if key in self.projections else nn.Identity()
        student_mask = _mask_of(student, student_mask)
        if not loss.is_token_wise:
            vectors = project(pool(student, student_mask, loss.pooling))
            return pooled_mse(vectors, pool(teacher, _mask_of(teacher, teacher_mask), loss.pooling))
        if student.shape[1] != teacher.shape[1]:
            raise _token_error(loss.kind, f"{student.shape[1]} and {teacher.shape[1]} tokens")
        compare = {"hidden_mse": hidden_mse, "hidden_cosine": hidden_cosine, "token_similarity": token_similarity}
        return compare[loss.kind](project(student), teacher, student_mask)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return an optimizer's parameter groups: the projections of each loss at its own learning rate."""
        groups = []
        for number, loss in enumerate(self.losses):
            mine = [linear.weight for key, linear in self.projections.items() if key.startswith(f"{number}_")]
            if mine:
                groups.append({"params": mine, "lr": loss.learning_rate})
        return groups


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
    token_wise = [loss.kind for loss in losses if loss.is_token_wise]
    ours, theirs = student.get("input_ids"), teacher.get("input_ids")
    if token_wise and ours is not None and theirs is not None and not torch.equal(ours, theirs):
        raise _token_error(token_wise[0], "different tokenizers, or different max_length")


def as_tokens(states: torch.Tensor) -> torch.Tensor:
    """Return hidden states as ``(B, L, dimension)``; each place of ``(B, channels, height, width)`` is a token."""
    if states.ndim == 4:
        return states.flatten(2).transpose(1, 2)
    if states.ndim != 3:
        raise InputError(f"hidden states must have 3 or 4 dimensions, got the shape {tuple(states.shape)}")
    return states


def _token_error(kind: str, found: str) -> InputError:
    return InputError(
        f"the layer loss {kind!r} compares token by token, and student and teacher have {found}; "
        "use LayerLoss('pooled'), which compares one vector a text, or give both the same tokenizer"
    )


def _mask_of(states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if mask is None:
        return states.new_ones(states.shape[:2])
    if mask.shape != states.shape[:2]:
        raise InputError(f"the mask has shape {tuple(mask.shape)}, the hidden states {tuple(states.shape[:2])}")
    return mask.to(states.dtype)


def _token_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    mask = mask.to(values.dtype)
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)


def _cosines(states: torch.Tensor) -> torch.Tensor:
    unit = nn.functional.normalize(states, dim=2)
    return unit @ unit.transpose(1, 2)


def _key(number: int, ours: int, theirs: int) -> str:
    return f"{number}_{ours}_{theirs}"


def _are_pairs(layers: Any) -> bool:
    if isinstance(layers, str) or not isinstance(layers, Sequence) or not layers:
        return False
    return all(
        isinstance(pair, Sequence) and len(pair) == 2 and all(type(layer) is int and layer >= 0 for layer in pair)
        for pair in layers
    )
