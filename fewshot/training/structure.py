"""Structured pruning: a sentence encoder loses whole layers and units, and becomes as much smaller and faster.

What is cut is chosen by what a pool's texts need (:mod:`fewshot.training.importance`). The cut encoder is where a
training starts: distilled, it learns to do with what is left.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from fewshot.core.errors import InputError, did_you_mean
from fewshot.encoders.transformer_shape import TransformerShape, shape_of
from fewshot.training.importance import (
    Features,
    agreement,
    order_of_layers,
    read_batches,
    unit_magnitudes,
    unit_movements,
    vectors_of,
)
from fewshot.training.layer_cuts import blocks_of, cut_layers, cut_units, evenly_spaced, only_layers
from fewshot.training.seeding import check_random_state

IMPORTANCE = ("taylor", "magnitude")
MOST_TEXTS = 128
"""Texts that importance is measured on, at most."""

UNIT_STEP = 8
"""Units are kept in multiples of this where there are more: odd sizes compute no faster than the next whole one."""

LEAST_UNITS = 0.125
"""Share of its units that a block keeps at least; rather goes a whole layer."""

TOKENS = 64
"""Length of a text where there is none to look at."""


@dataclasses.dataclass(frozen=True)
class Reduction:
    """How much of an encoder is cut.

    Parameters
    ----------
    share : float, default=0.5
        Share of the transformer's floating-point operations to save at least, above 0 and below 1.
    layers : int, optional
        Layers to keep; units go where this does not save enough. Default: as many as keep the vectors nearest.
    importance : {"taylor", "magnitude"}, default="taylor"
        Which units stay: those without which the vectors of texts would move farthest, or the largest.

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    share: float = 0.5
    layers: int | None = None
    importance: str = "taylor"

    def __post_init__(self) -> None:
        if not isinstance(self.share, (int, float)) or not 0 < self.share < 1:
            raise InputError(
                f"share must be the part of the operations to save, above 0 and below 1, got {self.share!r}"
            )
        if self.importance not in IMPORTANCE:
            raise InputError(
                f"importance must be one of {', '.join(IMPORTANCE)}, got {self.importance!r}."
                f"{did_you_mean(str(self.importance), IMPORTANCE)}"
            )

    def shapes(self, whole: TransformerShape, n_tokens: int) -> list[TransformerShape]:
        """Return the shapes that save enough on texts of ``n_tokens``, the deepest first: of each depth the widest.

        Raises
        ------
        InputError
            If no shape of so many layers saves that much, or there are no more layers.
        """
        depths = range(whole.layers, 0, -1) if self.layers is None else [self.layers]
        found: list[TransformerShape] = []
        for depth in depths:
            shape = self._widest(whole, depth, n_tokens)
            found += [shape] if shape is not None else []
            if shape is not None and shape.units == whole.units:
                break  # fewer layers would save more than is asked for
        if not found or depths[0] > whole.layers:
            asked = "" if self.layers is None else f" and layers={self.layers}"
            raise InputError(
                f"share={self.share:g}{asked}: {whole.layers} layers of {whole.units} units cannot be cut so that much "
                f"is saved and each keeps {LEAST_UNITS:.1%} of its units; lower share, or keep other layers"
            )
        return found

    def _widest(self, whole: TransformerShape, depth: int, n_tokens: int) -> TransformerShape | None:
        budget = (1 - self.share) * whole.flops(n_tokens)
        bare = dataclasses.replace(whole, layers=depth, units=0).flops(n_tokens)
        a_unit = dataclasses.replace(whole, layers=depth, units=1).flops(n_tokens) - bare
        units = min(whole.units, int((budget - bare) / a_unit)) if depth > 0 else 0
        if units > UNIT_STEP and units < whole.units:
            units -= units % UNIT_STEP
        return dataclasses.replace(whole, layers=depth, units=units) if units >= LEAST_UNITS * whole.units else None


def reduce_model(
    model: SentenceTransformer, texts: Sequence[str] | None, reduction: Reduction, *, random_state: int = 0
) -> SentenceTransformer:
    """Cut layers and feed-forward units out of a sentence encoder, in place.

    Parameters
    ----------
    model : SentenceTransformer
        Of a transformer of a known family; see :mod:`fewshot.encoders.transformer_shape`.
    texts : sequence of str, optional
        Unlabelled texts of the kind that the encoder shall read; at most 128 are looked at. Without them layers are
        kept evenly spaced, by default half of what is saved, and units by their magnitude.
    reduction : Reduction
    random_state : int, default=0
        Decides which texts, and along which directions vectors are watched.

    Returns
    -------
    SentenceTransformer
        The same ``model``, in eval mode. Plain classes of transformers open it.

    Raises
    ------
    InputError
        If the transformer's family is unknown, or that much cannot be saved.
    """
    check_random_state(random_state)
    transformer: Any = model[0].auto_model
    whole = shape_of(transformer)
    model.eval()
    batches = read_batches(model, draw_texts(texts, random_state)) if texts is not None and len(texts) else []
    shapes = reduction.shapes(whole, _mean_tokens(batches))
    if batches and reduction.importance == "taylor":
        units = unit_movements(model, batches, random_state)
    else:
        units = unit_magnitudes(model)
    order = order_of_layers(model, batches) if batches else None
    plans = [_Plan(shape, order, units) for shape in shapes]
    _best(model, batches, plans, reduction.share).cut(transformer)
    return model


def draw_texts(texts: Sequence[str], random_state: int) -> list[str]:
    """Return some of many texts, at most :data:`MOST_TEXTS`."""
    if len(texts) <= MOST_TEXTS:
        return [texts[row] for row in range(len(texts))]
    rows = np.random.default_rng(random_state).choice(len(texts), MOST_TEXTS, replace=False)
    return [texts[row] for row in sorted(rows.tolist())]


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What to keep of an encoder for it to have some shape.

    Parameters
    ----------
    shape : TransformerShape
    order : list of int or None
        Layers, the most dispensable first; without it those evenly spaced are kept.
    units : list of Tensor
        How important each unit is, a tensor a layer.
    """

    shape: TransformerShape
    order: list[int] | None
    units: list[torch.Tensor]

    @property
    def layers(self) -> list[int]:
        """Numbers of the layers to keep."""
        depth = self.shape.layers
        return evenly_spaced(len(self.units), depth) if self.order is None else sorted(self.order[-depth:])

    def cut(self, transformer: Any) -> None:
        """Cut a transformer, in place."""
        cut_layers(transformer, self.layers)
        cut_units(transformer, self.kept_units())

    def kept_units(self) -> list[torch.Tensor]:
        """Return the numbers of the units to keep, a tensor for each layer that is kept."""
        return [self.units[layer].topk(self.shape.units).indices for layer in self.layers]


def _best(model: SentenceTransformer, batches: list[Features], plans: list[_Plan], share: float) -> _Plan:
    """Return the plan whose vectors are nearest to the whole encoder's, before any training."""
    if len(plans) == 1:
        return plans[0]
    if not batches:  # layers and units share alike in what goes
        middle = len(plans[0].units) * (1 - share / 2)
        return min(plans, key=lambda plan: abs(plan.shape.layers - middle))
    wanted = vectors_of(model, batches)
    cosines = []
    for plan in plans:
        with only_layers(model[0].auto_model, plan.layers), _units_closed(model, plan):
            cosines.append(agreement(model, batches, wanted))
    return plans[int(np.argmax(cosines))]


@contextlib.contextmanager
def _units_closed(model: SentenceTransformer, plan: _Plan) -> Iterator[None]:
    """Run a model of the plan's layers as if it had the plan's units alone, inside a ``with`` block."""
    downs = [down for _, down in blocks_of(model[0].auto_model)]
    whole = [down.weight.detach().clone() for down in downs]
    try:
        with torch.no_grad():
            for down, kept in zip(downs, plan.kept_units(), strict=True):
                gone = torch.ones(down.in_features, dtype=torch.bool, device=down.weight.device)
                gone[kept] = False
                down.weight[:, gone] = 0.0
        yield
    finally:
        with torch.no_grad():
            for down, weight in zip(downs, whole, strict=True):
                down.weight.copy_(weight)


def _mean_tokens(batches: Sequence[Features]) -> int:
    """Return the mean length of texts in tokens."""
    if not batches:
        return TOKENS
    lengths = torch.cat([features["attention_mask"].sum(dim=1).float() for features in batches])
    return max(1, round(float(lengths.mean())))
