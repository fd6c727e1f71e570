"""Pruning while a model trains: single weights become zeros, by their size or by where training moves them.

Zeros in matrices compress well and compute no faster: plain processors and cards multiply by them like by any number.
What makes a model faster is taking whole parts out of it (:mod:`fewshot.training.structure`).
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import TrainerCallback

from fewshot.core.errors import InputError, did_you_mean
from fewshot.training.weight_masks import (
    PARTS,
    ScoredMask,
    WeightMask,
    attach,
    bake,
    keep_largest,
    masked_modules,
    weight_beneath,
)

SCOPES = ("global", "layer")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pruning(ABC):
    """Base of what a training's ``pruning`` can be: when weights go, and from which parts.

    Parameters
    ----------
    start, end : float, default=0.1 and 0.7
        Shares of the training between which weights go: quickly at first, ever slower towards the end, after which
        those that are left settle.
    updates : int, default=100
        How often in a training it is decided anew which weights are kept, about; the last step always decides.
    parts : sequence of str, default=("layers",)
        Where: ``"layers"``, the matrices of the transformer's layers; ``"embeddings"``, its tables of tokens and
        positions; ``"head"``, all other matrices. Norms and biases stay whole, and so does what is frozen.

    Raises
    ------
    InputError
        If a number is out of range or a name unknown.

    References
    ----------
    Zhu, Gupta 2017, "To prune, or not to prune: exploring the efficacy of pruning for model compression",
    arXiv:1710.01878: the cubic schedule.
    """

    start: float = 0.1
    end: float = 0.7
    updates: int = 100
    parts: tuple[str, ...] = ("layers",)

    mask_kind: ClassVar[type[WeightMask]] = WeightMask

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= 1:
            raise InputError(
                f"start and end must be shares of the training, 0 <= start < end <= 1, got {self.start} and {self.end}"
            )
        if self.updates < 1:
            raise InputError(f"updates must be at least 1, got {self.updates}")
        object.__setattr__(self, "parts", tuple(self.parts))
        for part in self.parts:
            if part not in PARTS:
                raise InputError(f"parts must be of {', '.join(PARTS)}, got {part!r}.{did_you_mean(part, PARTS)}")
        if not self.parts:
            raise InputError(f"parts must name at least one of {', '.join(PARTS)}")

    def progress(self, step: int, steps: int) -> float:
        """Return how much of the pruning is done after ``step`` of ``steps``: 0 to 1, ``1 − (1 − p)³`` between."""
        passed = (step / steps - self.start) / (self.end - self.start)
        return 1 - (1 - min(max(passed, 0.0), 1.0)) ** 3

    @abstractmethod
    def update(self, modules: Sequence[nn.Module], masks: Sequence[WeightMask], progress: float) -> None:
        """Decide anew which weights are kept, with ``progress`` of the pruning done."""

    def add_gradient(self, masks: Sequence[WeightMask], progress: float) -> None:  # noqa: B027 - most have none
        """Add the gradient of what the pruning itself asks for to that of the loss."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _ToShare(Pruning):
    """Pruning down to an exact share of zeros."""

    sparsity: float = 0.5
    scope: str = "global"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.sparsity < 1:
            raise InputError(f"sparsity must be a share of the weights, above 0 and below 1, got {self.sparsity}")
        if self.scope not in SCOPES:
            raise InputError(
                f"scope must be one of {', '.join(SCOPES)}, got {self.scope!r}.{did_you_mean(str(self.scope), SCOPES)}"
            )

    def sparsity_at(self, step: int, steps: int) -> float:
        """Return the share of weights that is gone after ``step`` of ``steps``."""
        return self.sparsity * self.progress(step, steps)

    def update(self, modules: Sequence[nn.Module], masks: Sequence[WeightMask], progress: float) -> None:
        """Keep the most important weights."""
        importance = [self.importance(module, mask) for module, mask in zip(modules, masks, strict=True)]
        kept = keep_largest(importance, self.sparsity * progress, apart=self.scope == "layer")
        for mask, keep in zip(masks, kept, strict=True):
            mask.kept.copy_(keep)

    def importance(self, module: nn.Module, mask: Any) -> torch.Tensor:
        """Return how important each weight of a module is."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class _ByScores(Pruning):
    """Pruning by scores that are learnt beside the weights."""

    score_learning_rate: float = 1e-2

    mask_kind = ScoredMask

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.score_learning_rate > 0:
            raise InputError(f"score_learning_rate must be above 0, got {self.score_learning_rate}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MagnitudePruning(_ToShare):
    """The smallest weights become zeros, more and more of them in the course of a training.

    Parameters
    ----------
    sparsity : float, default=0.5
        Share of the weights that is zero in the end, exactly but for rounding to a whole number.
    scope : {"global", "layer"}, default="global"
        Whether all matrices together lose this share, or each of them.
    start, end, updates, parts
        See :class:`Pruning`.

    Notes
    -----
    A weight that went keeps its size beneath the mask and gets no gradient, so that it seldom comes back.

    References
    ----------
    Han, Pool, Tran, Dally 2015, "Learning both Weights and Connections for Efficient Neural Networks",
    arXiv:1506.02626. Zhu, Gupta 2017, arXiv:1710.01878.

    Examples
    --------
    >>> pruning = MagnitudePruning(sparsity=0.8, start=0.0, end=1.0)
    >>> [round(pruning.sparsity_at(step, 100), 3) for step in (0, 50, 100)]
    [0.0, 0.7, 0.8]
    """

    def importance(self, module: nn.Module, mask: WeightMask) -> torch.Tensor:
        """Return the sizes of the weights."""
        return weight_beneath(module).abs()


@dataclasses.dataclass(frozen=True, kw_only=True)
class MovementPruning(_ByScores, _ToShare):
    """Weights that training moves towards zero become zeros, whatever their size.

    Each weight has a score, which grows while the loss pushes the weight away from zero and falls while it pulls it
    there; those of the highest scores are kept. Beside a pretrained model, whose sizes tell of its old task, movement
    tells of the new one.

    Parameters
    ----------
    sparsity : float, default=0.5
        Share of the weights that is zero in the end, exactly but for rounding to a whole number.
    scope : {"global", "layer"}, default="global"
        Whether all matrices together lose this share, or each of them.
    score_learning_rate : float, default=0.01
        Peak learning rate of the scores; theirs are far above those of weights.
    start, end, updates, parts
        See :class:`Pruning`.

    References
    ----------
    Sanh, Wolf, Rush 2020, "Movement Pruning: Adaptive Sparsity by Fine-Tuning", arXiv:2005.07683.

    Examples
    --------
    >>> MovementPruning(sparsity=0.9).sparsity_at(700, 1000)
    0.9
    """

    def importance(self, module: nn.Module, mask: ScoredMask) -> torch.Tensor:
        """Return the scores of the weights."""
        return mask.scores.detach()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoftMovementPruning(_ByScores):
    """Weights whose score falls below a threshold become zeros, and a price on scores presses them down.

    How sparse the model becomes is for the training to find: matrices that matter keep more. The price decides it, and
    is found by trying.

    Parameters
    ----------
    regularization : float, default=1.0
        The price λ of the mean of all sigmoids of scores; it rises from 0 by the cubic schedule. The reported losses
        are without it.
    threshold : float, default=0.1
        Weights are kept whose score has a sigmoid above it; between 0 and 0.5, at which all scores start.
    score_learning_rate : float, default=0.01
        Peak learning rate of the scores.
    start, end, updates, parts
        See :class:`Pruning`.

    References
    ----------
    Sanh, Wolf, Rush 2020, arXiv:2005.07683, section 4: "soft movement pruning".

    Examples
    --------
    >>> SoftMovementPruning(regularization=10.0).price(1000, 1000)
    10.0
    """

    regularization: float = 1.0
    threshold: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.regularization >= 0:
            raise InputError(f"regularization must be 0 or more, got {self.regularization}")
        if not 0 < self.threshold < 0.5:
            raise InputError(f"threshold must be above 0 and below 0.5, where scores start; got {self.threshold}")

    def price(self, step: int, steps: int) -> float:
        """Return λ after ``step`` of ``steps``."""
        return self.regularization * self.progress(step, steps)

    def update(self, modules: Sequence[nn.Module], masks: Sequence[Any], progress: float) -> None:
        """Keep the weights whose score is above the threshold."""
        for mask in masks:
            mask.kept.copy_(torch.sigmoid(mask.scores.detach()) > self.threshold)

    def add_gradient(self, masks: Sequence[Any], progress: float) -> None:
        """Add the gradient of ``λ · mean(sigmoid(scores))`` to that of the scores."""
        factor = self.regularization * progress / sum(mask.scores.numel() for mask in masks)
        for mask in masks:
            kept = torch.sigmoid(mask.scores.detach())
            if mask.scores.grad is not None:
                mask.scores.grad.add_(kept * (1 - kept), alpha=factor)


def check_pruning(pruning: Any) -> None:
    """Raise :class:`InputError` unless ``pruning`` is ``None`` or a :class:`Pruning`."""
    if pruning is not None and not isinstance(pruning, Pruning):
        raise InputError(
            f"pruning must be a MagnitudePruning, MovementPruning, SoftMovementPruning or None, got {pruning!r}"
        )


class Pruner(TrainerCallback):
    """Prunes a model in the course of one training, as a ``with`` block around it.

    Inside the block the model's weights stand behind masks; after it they are plain weights again, zeros among them.

    Parameters
    ----------
    pruning : Pruning
    steps : int
        Of the training.
    """

    def __init__(self, pruning: Pruning, steps: int) -> None:
        self.pruning, self.steps = pruning, steps
        self._modules: list[nn.Module] = []
        self._masks: list[WeightMask] = []

    def attach(self, model: nn.Module) -> None:
        """Put masks before the weights of a model, which keep all of it at first."""
        self._modules = masked_modules(model, self.pruning.parts)
        self._masks = attach(self._modules, self.pruning.mask_kind)

    def __enter__(self) -> "Pruner":
        return self

    def __exit__(self, *exception: object) -> None:
        bake(self._modules)
        self._modules, self._masks = [], []

    def parameter_groups(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return an optimizer's groups with the scores in one of their own, at their own rate."""
        if not isinstance(self.pruning, _ByScores):
            return groups
        scores = [mask.scores for mask in self._masks if isinstance(mask, ScoredMask)]
        known = {id(parameter) for parameter in scores}
        rest = [{**group, "params": [p for p in group["params"] if id(p) not in known]} for group in groups]
        own = {"params": scores, "lr": self.pruning.score_learning_rate}
        return [*(group for group in rest if group["params"]), own]

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add the pruning's own gradient, after that of the loss was clipped."""
        self.pruning.add_gradient(self._masks, self.pruning.progress(state.global_step + 1, self.steps))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Decide which weights are kept; a checkpoint and a look at the model come after it."""
        step = state.global_step
        if step % max(1, self.steps // self.pruning.updates) and step < self.steps:
            return
        self.pruning.update(self._modules, self._masks, self.pruning.progress(step, self.steps))
