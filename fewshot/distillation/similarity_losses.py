"""The losses by which a student learns its teacher's similarities: by name, alone or as a weighted sum.

- ``"cosine"``: squared differences of cosines (:class:`~fewshot.training.losses.PairwiseCosineLoss`);
- ``"softmax"``: how each text sees the others (:class:`~fewshot.distillation.relational_losses.SoftmaxSimilarityLoss`);
- ``"relational"``: proportions and angles (:class:`~fewshot.distillation.relational_losses.RelationalLoss`);
- ``"match"``: the vectors themselves (:class:`~fewshot.distillation.embedding_match.EmbeddingMatchLoss`);
- ``"classes"``: the teacher's probabilities (:class:`~fewshot.distillation.class_loss.ClassLoss`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.core.errors import InputError, did_you_mean
from fewshot.distillation.class_loss import ClassLoss, TeacherClasses
from fewshot.distillation.embedding_match import EmbeddingMatchLoss
from fewshot.distillation.memory_queue import QueuedLoss
from fewshot.distillation.relational_losses import RelationalLoss, SoftmaxSimilarityLoss
from fewshot.training.batch_loss import BatchLoss, PairLoss
from fewshot.training.losses import PairwiseCosineLoss
from fewshot.training.targets import EmbeddingSimilarity, PairTargets

__all__ = [
    "SIMILARITY_LOSSES",
    "EmbeddingMatchLoss",
    "RelationalLoss",
    "SoftmaxSimilarityLoss",
    "WeightedSum",
    "make_similarity_loss",
]

SIMILARITY_LOSSES: dict[str, type[PairLoss]] = {
    "cosine": PairwiseCosineLoss,
    "softmax": SoftmaxSimilarityLoss,
    "relational": RelationalLoss,
    "match": EmbeddingMatchLoss,
}
"""Every similarity loss by name."""

LOSSES: dict[str, Any] = {**SIMILARITY_LOSSES, "classes": ClassLoss}
"""Every loss of a student's encoder by name."""

_QUEUED = ("cosine", "softmax")
_SETTING_OF = {"temperature": "softmax", "measure": "match", "projection_learning_rate": "match"}
"""The loss that each setting belongs to."""


class WeightedSum(BatchLoss):
    """Several losses of one batch, each times its weight; the encoder runs once for all of them.

    Parameters
    ----------
    parts : sequence of (loss, weight)
        Losses of the same model, each with a weight above 0. Parameters of their own (a projection) train, too.

    Raises
    ------
    InputError
        If there is no part, a weight is not above 0, or the losses hold different models.

    Examples
    --------
    >>> teacher = EmbeddingSimilarity(np.eye(3))
    >>> model = nn.Identity()
    >>> WeightedSum([(PairwiseCosineLoss(model, teacher), 1.0), (RelationalLoss(model, teacher), 0.5)]).weights
    [1.0, 0.5]
    """

    parts: Any

    def __init__(self, parts: Sequence[tuple[PairLoss | QueuedLoss, float]]) -> None:
        super().__init__()
        if not parts:
            raise InputError("a sum of losses needs at least one loss")
        for loss, weight in parts:
            if not 0 < weight < float("inf"):
                raise InputError(f"the weight of {type(loss).__name__} must be above 0, got {weight}; leave out others")
            if loss.model is not parts[0][0].model:
                raise InputError("the losses of a sum must hold one and the same model; make them with it")
        self.weights = [float(weight) for _, weight in parts]
        self.parts = nn.ModuleList(loss for loss, _ in parts)

    @property
    def model(self) -> Any:
        """The encoder in training."""
        return self.parts[0].model

    def forward(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch, a scalar; under several processes that of the global batch."""
        return self.of(*self.embed(features, rows))

    def embed(self, features: dict[str, Any], rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return unit embeddings ``(B, dimension)`` in float32 and row numbers ``(B,)`` of the global batch."""
        embedded: tuple[torch.Tensor, torch.Tensor] = self.parts[0].embed(features, rows)
        return embedded

    def of(self, embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum of the losses of unit embeddings ``(B, dimension)`` of these rows."""
        losses = [weight * loss.of(embeddings, rows) for loss, weight in zip(self.parts, self.weights, strict=True)]
        return torch.stack(losses).sum()

    def identity(self) -> list[str]:
        """Return the weights, and what the parts are known by."""
        return [type(self).__name__, repr(self.weights), *(entry for part in self.parts for entry in part.identity())]

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the groups of all parts; what several share, the encoder, once."""
        groups, seen = [], set()
        for part in self.parts:
            for group in part.parameter_groups(learning_rate):
                fresh = [p for p in group["params"] if p not in seen]
                seen.update(fresh)
                if fresh:
                    groups.append({**group, "params": fresh})
        return groups


def make_similarity_loss(
    names: str | Mapping[str, float],
    model: nn.Module,
    embeddings: np.ndarray | PairTargets,
    *,
    weight: np.ndarray | None = None,
    classes: TeacherClasses | None = None,
    queue_size: int = 0,
    temperature: float | None = None,
    measure: str | None = None,
    projection_learning_rate: float | None = None,
    same_space: bool = False,
    random_state: int = 0,
) -> BatchLoss:
    """Return a loss, or a weighted sum of several, that holds a student against its teacher's vectors.

    Parameters
    ----------
    names : str or mapping of str to float
        A name in :data:`LOSSES`, or several with their weights, such as ``{"cosine": 1, "softmax": 0.1}``.
    model : SentenceTransformer
        The student's encoder, to be trained by :func:`~fewshot.training.trainer.train_pairwise`.
    embeddings : ndarray of shape (n, dimension), or PairTargets
        The teacher's vectors of the training texts; a memory map stays on disk. Other targets, such as the mean of
        several teachers' cosines, go with ``"cosine"``, ``"softmax"`` and ``"relational"``, without queue and weight.
    weight : ndarray of shape (n,), optional
        How much each text counts; see :func:`~fewshot.distillation.confidence.confidence_weights`. Default: alike.
    classes : TeacherClasses, optional
        What ``"classes"`` is about.
    queue_size : int, default=0
        Past texts that ``"cosine"`` and ``"softmax"`` hold each batch against as well, 65,536 at most.
    temperature : float, optional
        Of ``"softmax"``; default 0.05.
    measure : {"cosine", "mse"}, optional
        Of ``"match"``; default ``"cosine"``.
    projection_learning_rate : float, optional
        Of ``"match"``; default 3e-3.
    same_space : bool, default=False
        Whether ``"match"`` needs no projection, as the student is a part of its teacher.
    random_state : int, default=0
        Decides the projection of ``"match"``.

    Returns
    -------
    BatchLoss

    Raises
    ------
    InputError
        If there is no loss of that name, a setting belongs to none of those named, or vectors or weights are unusable.

    Examples
    --------
    >>> loss = make_similarity_loss({"softmax": 1.0, "relational": 0.5}, nn.Identity(), np.eye(4), temperature=0.1)
    >>> [type(part).__name__ for part in loss.parts]
    ['SoftmaxSimilarityLoss', 'RelationalLoss']
    """
    settings = {
        "temperature": temperature,
        "measure": measure,
        "projection_learning_rate": projection_learning_rate,
    }
    wanted = check_similarity_losses(names, queue_size=queue_size, **settings)
    given = {key: value for key, value in settings.items() if value is not None}
    targets = _targets(embeddings, weight)
    options: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for key, value in given.items():
        options[_SETTING_OF[key]][key.removeprefix("projection_")] = value
    if "match" in options:
        options["match"] |= {"random_state": random_state, "same_space": same_space}
    parts: list[tuple[PairLoss | QueuedLoss, float]] = []
    for name, share in wanted.items():
        loss = LOSSES[name](model, classes if name == "classes" else targets, **options[name])
        parts.append((QueuedLoss(loss, queue_size) if queue_size and name in _QUEUED else loss, share))
    return parts[0][0] if isinstance(names, str) else WeightedSum(parts)


def check_similarity_losses(
    names: str | Mapping[str, float], *, queue_size: int = 0, **settings: Any
) -> dict[str, float]:
    """Return losses with their weights; raise :class:`InputError` if one is unknown, or a setting belongs to none.

    Parameters
    ----------
    names : str or mapping of str to float
    queue_size : int, default=0
    **settings
        As for :func:`make_similarity_loss`; ``None`` where not given.
    """
    if not isinstance(names, (str, Mapping)) or not names:
        raise InputError(f"loss must be a name, or names with their weights such as {{'cosine': 1}}; got {names!r}")
    wanted = {names: 1.0} if isinstance(names, str) else dict(names)
    given = [key for key, value in settings.items() if value is not None]
    for name in wanted:
        if name not in LOSSES:
            hint = did_you_mean(str(name), LOSSES)
            raise InputError(f"loss must be one of {', '.join(LOSSES)}; got {name!r}.{hint}")
    for key in given:
        if _SETTING_OF[key] not in wanted:
            raise InputError(
                f"{key} is a setting of the loss {_SETTING_OF[key]!r}, got {', '.join(map(repr, wanted))}; "
                "leave it out or add that loss"
            )
    if queue_size < 0:
        raise InputError(f"queue_size must be 0 (no queue) or more, got {queue_size}")
    if queue_size and not set(wanted) & set(_QUEUED):
        raise InputError(
            f"queue_size={queue_size} goes with the losses {' and '.join(map(repr, _QUEUED))}, got "
            f"{', '.join(map(repr, wanted))}; leave it out or add one of them"
        )
    return wanted


def _targets(embeddings: np.ndarray | PairTargets, weight: np.ndarray | None) -> PairTargets:
    if isinstance(embeddings, np.ndarray):
        return EmbeddingSimilarity(embeddings, weight)
    if not callable(embeddings):
        raise InputError(f"embeddings must be a NumPy array or PairTargets, got a {type(embeddings).__name__}")
    if weight is not None:
        raise InputError(
            f"weight goes with a teacher's vectors; {type(embeddings).__name__} must weigh its pairs itself"
        )
    return embeddings
