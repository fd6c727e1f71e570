"""Which layers of a student learn from which of its teacher, how they are compared, and how heavy that is.

Most comparisons go token by token, which needs one tokenizer for both models; pooled ones compare a vector a text, and
work for any two. The distances themselves are in :mod:`fewshot.distillation.layer_distances`; one of your own is given
as a :class:`LayerMeasure`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch

from fewshot.core.errors import InputError, did_you_mean
from fewshot.distillation.layer_distances import hidden_cosine, hidden_mse, pooled_mse, token_similarity

POOLINGS = ("mean", "cls")

Layer = int | str
"""A hidden state by its number (0 is the embeddings), or a module by its name, as in ``named_modules()``."""

Pairs = tuple[tuple[Layer, Layer], ...]


@dataclasses.dataclass(frozen=True, repr=False)
class LayerMeasure:
    """How the states of two layers are compared.

    Parameters
    ----------
    distance : callable
        Returns a Tensor ``(B,)``, one number an example, at least 0, that the student is to make small:
        ``distance(student, teacher, mask)`` of states ``(B, L, dimension)`` and a mask ``(B, L)``, 1 for tokens and 0
        for padding; or, if not ``token_wise``, ``distance(student, teacher)`` of vectors ``(B, dimension)``.
    token_wise : bool, default=True
        Whether it compares token by token. Otherwise it is given one vector a text, pooled.
    projected : bool, default=True
        Whether the student's states are brought to the teacher's dimension where they differ, by a linear projection
        that is learnt beside the student and thrown away after the training.

    Examples
    --------
    >>> def norms(student, teacher):
    ...     return (student.norm(dim=1) - teacher.norm(dim=1)).abs()
    >>> LayerLoss(LayerMeasure(norms, token_wise=False, projected=False), layers=((2, 4),)).kind.name
    'norms'
    """

    distance: Callable[..., torch.Tensor]
    token_wise: bool = True
    projected: bool = True

    def __post_init__(self) -> None:
        if not callable(self.distance):
            raise InputError(f"distance of a LayerMeasure must be a function of tensors, got {self.distance!r}")

    @property
    def name(self) -> str:
        """What the distance is called."""
        return str(getattr(self.distance, "__name__", type(self.distance).__name__))

    def __repr__(self) -> str:
        """Name the distance as every run does: checkpoints are known by it."""
        named = self.distance if hasattr(self.distance, "__qualname__") else type(self.distance)
        where = f"{named.__module__}.{named.__qualname__}"
        return f"LayerMeasure({where}, token_wise={self.token_wise}, projected={self.projected})"


LAYER_LOSSES = {
    "hidden_mse": LayerMeasure(hidden_mse),
    "hidden_cosine": LayerMeasure(hidden_cosine),
    "pooled": LayerMeasure(pooled_mse, token_wise=False),
    "token_similarity": LayerMeasure(token_similarity, projected=False),
}
"""The measures that have a name."""


def uniform_layers(n_student: int, n_teacher: int) -> tuple[tuple[int, int], ...]:
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
    kind : {"hidden_mse", "hidden_cosine", "pooled", "token_similarity"} or LayerMeasure
        See :func:`~fewshot.distillation.layer_distances.hidden_mse` and its neighbours. All but ``"pooled"`` compare
        token by token and need one tokenizer for teacher and student. A :class:`LayerMeasure` is a distance of your
        own.
    layers : "uniform" or sequence of pairs, default="uniform"
        Pairs of a student's and a teacher's layer: a hidden state by its number (1 is the first layer, 0 the
        embeddings), or the output of a module by its name, such as ``"bert.encoder.layer.3.attention"``; for
        ``"uniform"`` see :func:`uniform_layers`.
    weight : float, default=1.0
        Above 0; the gold labels and the teacher's logits together weigh 1. The loss is the mean over the pairs.
    pooling : {"mean", "cls"}, default="mean"
        How a vector a text is made for losses that do not compare token by token.
    learning_rate : float, default=1e-3
        Of the projections, above 0. They start at random, so it is higher than a trained student's.

    Raises
    ------
    InputError
        If one of these is none of what it may be.

    Examples
    --------
    >>> LayerLoss("hidden_mse", layers=((2, 4), (4, 12))).pairs(4, 12)
    ((2, 4), (4, 12))
    """

    kind: str | LayerMeasure
    layers: str | Sequence[Sequence[Layer]] = "uniform"
    weight: float = 1.0
    pooling: str = "mean"
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        if not isinstance(self.kind, LayerMeasure):
            _check_choice("kind", self.kind, LAYER_LOSSES)
        _check_choice("pooling", self.pooling, POOLINGS)
        for name, number in (("weight", self.weight), ("learning_rate", self.learning_rate)):
            if not isinstance(number, (int, float)) or not 0 < number < float("inf"):
                raise InputError(f"{name} of a layer loss must be a number above 0, got {number!r}")
        if not (isinstance(self.layers, str) and self.layers == "uniform") and not _are_pairs(self.layers):
            raise InputError(
                "layers must be 'uniform' or pairs of a student's and a teacher's layer such as ((1, 4), (2, 8)), by "
                f"number or by the name of a module; got {self.layers!r}"
            )

    @property
    def measure(self) -> LayerMeasure:
        """How the layers are compared."""
        return self.kind if isinstance(self.kind, LayerMeasure) else LAYER_LOSSES[self.kind]

    @property
    def name(self) -> str:
        """What the measure is called in messages."""
        return self.kind.name if isinstance(self.kind, LayerMeasure) else self.kind

    def asks_for(self, side: int) -> tuple[bool, tuple[str, ...]]:
        """Return whether hidden states are needed of a model, and the names of the modules that are.

        Parameters
        ----------
        side : {0, 1}
            The student or the teacher.

        Examples
        --------
        >>> LayerLoss("pooled", layers=((2, "encoder.layer.5"),)).asks_for(1)
        (False, ('encoder.layer.5',))
        """
        if isinstance(self.layers, str):
            return True, ()
        layers = [pair[side] for pair in self.layers]
        return any(isinstance(layer, int) for layer in layers), tuple(x for x in layers if isinstance(x, str))

    def pairs(self, n_student: int, n_teacher: int) -> Pairs:
        """Return the pairs of layers for models with so many layers.

        Parameters
        ----------
        n_student, n_teacher : int
            Layers, the embeddings not counted.

        Raises
        ------
        InputError
            If a pair has the number of a layer that is not there.
        """
        if isinstance(self.layers, str):
            return uniform_layers(n_student, n_teacher)
        pairs = tuple((ours, theirs) for ours, theirs in self.layers)
        for pair in pairs:
            for layer, n_layers in zip(pair, (n_student, n_teacher), strict=True):
                if isinstance(layer, int) and layer > n_layers:
                    raise InputError(
                        f"layers holds the pair {pair}, but the student has {n_student} layers and the teacher "
                        f"{n_teacher}; layer 0 is the embeddings"
                    )
        return pairs


def _check_choice(name: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        near = did_you_mean(str(value), known)
        raise InputError(f"{name} of a layer loss must be one of {', '.join(known)}; got {value!r}.{near}")


def _are_pairs(layers: Any) -> bool:
    if isinstance(layers, str) or not isinstance(layers, Sequence) or not layers:
        return False
    return all(
        isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2 and all(map(_is_layer, pair))
        for pair in layers
    )


def _is_layer(value: Any) -> bool:
    return (type(value) is int and value >= 0) or (isinstance(value, str) and bool(value))
