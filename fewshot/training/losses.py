"""Losses over all pairs of a batch, each text encoded once, and a head that learns its classes beside one of them.

A batch of B texts gives B(B−1)/2 pairs for B encoder passes. Pair lists, as SetFit and its distillation enumerate them,
cost two passes a pair and O(n²) memory; here memory is O(B²) for numbers and O(B) for texts.

Every pair loss is driven by :class:`~fewshot.training.targets.PairTargets`, so each works for classes (1 or 0), for
sets of labels (Jaccard) and for a teacher's cosines. What a batch does not hold (a positive, a negative) counts
nothing; no batch gives NaN.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.core.errors import InputError, did_you_mean
from fewshot.training.batch_loss import BatchLoss, PairLoss
from fewshot.training.targets import PairTargets, array_fingerprint

_EXCLUDED = -1e9
"""The cosine of a text with itself: finite, since 0 times infinity would be NaN."""

HEAD_SCALE = 10.0
"""Unit vectors give small scores: without it, a head would need large weights to be sure of anything."""


class PairwiseCosineLoss(PairLoss):
    """Weighted mean squared difference between the cosines of all pairs of a batch and their targets.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : PairTargets
        Where targets and weights come from.

    Notes
    -----
    The objective of SetFit's default loss (Tunstall et al. 2022, arXiv:2209.11055).
    """

    def compare(self, cosines: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the weighted mean of squared differences, from 0 to 4."""
        return (weights * (cosines - targets).square()).sum()


class SupervisedContrastiveLoss(PairLoss):
    """Each text tells its positives from all other texts of the batch, by a softmax over cosines.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : PairTargets
        A target from 0 to 1 weighs a pair among the positives of a text; one below 0 counts as 0.
    temperature : float, default=0.1
        Divides the cosines, above 0. Small ones look at the hardest texts alone.

    Notes
    -----
    Khosla et al. 2020, "Supervised Contrastive Learning", arXiv:2004.11362, equation 2: the mean over positives stands
    outside the logarithm. A text without positive in the batch counts nothing there; it still is a negative for others.
    Its value depends on the number of texts in a batch, so losses compare only at one ``batch_size``.
    """

    def __init__(self, model: nn.Module, targets: PairTargets, temperature: float = 0.1) -> None:
        super().__init__(model, targets)
        if not 0 < temperature < float("inf"):
            raise InputError(f"temperature must be above 0, got {temperature}; 0.1 is usual")
        self.temperature = temperature

    def settings(self) -> dict[str, float]:
        """Return the temperature."""
        return {"temperature": self.temperature}

    def compare(self, cosines: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of the texts that have a positive, at least 0."""
        itself = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
        log_shares = (cosines / self.temperature).masked_fill(itself, _EXCLUDED).log_softmax(dim=1)
        positives = targets.clamp(0.0, 1.0).masked_fill(itself, 0.0)
        mass = positives.sum(dim=1)
        per_text = -(positives * log_shares).sum(dim=1) / mass.clamp_min(1e-12)
        return _mean(per_text, mass > 1e-6)


class TripletLoss(PairLoss):
    """Each text's furthest positive shall lie nearer than its nearest negative, by a margin.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : PairTargets
        A pair is positive from a target of 0.5 up (in multi-label data: half of the labels shared), else negative.
    margin : float, default=0.25
        In units of cosine distance (1 − cosine, from 0 to 2); above 0, at most 2.

    Notes
    -----
    "Batch hard" of Hermans et al. 2017, "In Defense of the Triplet Loss for Person Re-Identification",
    arXiv:1703.07737. A text without positive or without negative in the batch counts nothing.
    """

    def __init__(self, model: nn.Module, targets: PairTargets, margin: float = 0.25) -> None:
        super().__init__(model, targets)
        if not 0 < margin <= 2:
            raise InputError(f"margin must be above 0 and at most 2, the largest cosine distance; got {margin}")
        self.margin = margin

    def settings(self) -> dict[str, float]:
        """Return the margin."""
        return {"margin": self.margin}

    def compare(self, cosines: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the mean of ``max(0, margin + furthest positive − nearest negative)``, from 0 to ``margin + 2``."""
        distances = 1.0 - cosines
        itself = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
        positive, negative = (targets >= 0.5) & ~itself, targets < 0.5
        furthest = distances.masked_fill(~positive, -4.0).amax(dim=1)
        nearest = distances.masked_fill(~negative, 4.0).amin(dim=1)
        per_text = torch.relu(self.margin + furthest - nearest)
        return _mean(per_text, positive.any(dim=1) & negative.any(dim=1))


def _mean(per_text: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Return the mean over the texts that count: 0, with gradients of 0, where none does."""
    return (per_text * counted).sum() / counted.sum().clamp_min(1)


LOSSES: dict[str, type[PairLoss]] = {
    "cosine": PairwiseCosineLoss,
    "contrastive": SupervisedContrastiveLoss,
    "triplet": TripletLoss,
}
"""Every pair loss by name."""


def make_loss(
    name: str,
    model: nn.Module,
    targets: PairTargets,
    *,
    temperature: float | None = None,
    margin: float | None = None,
) -> PairLoss:
    """Return a pair loss by name.

    Parameters
    ----------
    name : {"cosine", "contrastive", "triplet"}
    model : SentenceTransformer
        The encoder in training.
    targets : PairTargets
    temperature : float, optional
        Of ``"contrastive"`` alone; default 0.1.
    margin : float, optional
        Of ``"triplet"`` alone; default 0.25.

    Raises
    ------
    InputError
        If there is no loss of that name, or it has no such setting.

    Examples
    --------
    >>> import numpy as np
    >>> from fewshot.training.targets import LabelSimilarity
    >>> make_loss("triplet", nn.Identity(), LabelSimilarity(np.array([0, 1])), margin=0.5).settings()
    {'margin': 0.5}
    """
    if name not in LOSSES:
        raise InputError(f"loss must be one of {', '.join(LOSSES)}; got {name!r}.{did_you_mean(str(name), LOSSES)}")
    loss = LOSSES[name](model, targets)
    given = {key: value for key, value in (("temperature", temperature), ("margin", margin)) if value is not None}
    for key in given:
        if key not in loss.settings():
            raise InputError(f"{key} is no setting of the loss {name!r}; leave it out or choose another loss")
    return LOSSES[name](model, targets, **given) if given else loss


class JointHeadLoss(BatchLoss):
    """A pair loss plus ``weight`` times the cross-entropy of a linear head on the unit embeddings.

    Parameters
    ----------
    pair_loss : PairLoss
        Also holds the encoder in training.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers (softmax), or a 0/1 matrix (one sigmoid a label), by training row.
    n_classes : int
    weight : float, default=1.0
        Of the cross-entropy, at least 0; the pair loss weighs 1.
    learning_rate : float, default=1e-2
        Peak of the head's own learning rate, on the schedule of the encoder's. The head starts at zero and has to get
        somewhere in a few dozen steps, so it is higher than an encoder's.

    Notes
    -----
    Logits are ``10 · (W x + b)`` of a unit embedding x; :meth:`head_arrays` folds the 10 in. Both cross-entropies are
    means (over texts; over texts and labels), so they start at ``log(n_classes)`` and at ``log(2)``.
    """

    y: torch.Tensor

    def __init__(
        self,
        pair_loss: PairLoss,
        y: np.ndarray,
        n_classes: int,
        weight: float = 1.0,
        learning_rate: float = 1e-2,
    ) -> None:
        super().__init__()
        _check_head(y, n_classes, weight, learning_rate)
        self.pair_loss = pair_loss
        self.weight = weight
        self.learning_rate = learning_rate
        dimension = int(pair_loss.model.get_embedding_dimension())
        self.coef = nn.Parameter(torch.zeros(n_classes, dimension))
        self.intercept = nn.Parameter(torch.zeros(n_classes))
        numbers = torch.as_tensor(y, dtype=torch.float32 if y.ndim == 2 else torch.int64)
        self.register_buffer("y", numbers, persistent=False)

    @property
    def model(self) -> Any:
        """The encoder in training."""
        return self.pair_loss.model

    def forward(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch, a scalar."""
        embeddings, rows = self.pair_loss.embed(features, rows)
        return self.pair_loss.of(embeddings, rows) + self.weight * self._cross_entropy(embeddings, self.y[rows])

    def _cross_entropy(self, embeddings: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = HEAD_SCALE * (embeddings @ self.coef.T + self.intercept)
            if y.ndim == 2:
                return nn.functional.binary_cross_entropy_with_logits(logits, y)
            return nn.functional.cross_entropy(logits, y)

    def head_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the head as float64: coefficients ``(n_classes, dimension)`` and intercepts ``(n_classes,)``.

        ``X @ coef.T + intercept`` of unit rows X are the logits.
        """
        coef, intercept = (p.detach().cpu().numpy().astype(np.float64) for p in (self.coef, self.intercept))
        return HEAD_SCALE * coef, HEAD_SCALE * intercept

    def identity(self) -> list[str]:
        """Return the pair loss's identity, the labels and the settings."""
        y = array_fingerprint(self.y.cpu().numpy())
        return [*self.pair_loss.identity(), type(self).__name__, y, repr((self.weight, self.learning_rate))]

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return two groups: the encoder at ``learning_rate``, the head at its own."""
        head = {"params": [self.coef, self.intercept], "lr": self.learning_rate}
        return [*self.pair_loss.parameter_groups(learning_rate), head]


def _check_head(y: np.ndarray, n_classes: int, weight: float, learning_rate: float) -> None:
    if n_classes < 1:
        raise InputError(f"n_classes must be at least 1, got {n_classes}")
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] != n_classes):
        raise InputError(f"y must have shape (n,) or (n, {n_classes}), got {y.shape}")
    highest = 1 if y.ndim == 2 else n_classes - 1
    if y.size and (y.min() < 0 or y.max() > highest):
        raise InputError(f"y must hold numbers from 0 to {highest}, got {y.min()} to {y.max()}")
    if not 0 <= weight < float("inf"):
        raise InputError(f"weight must be 0 or more, got {weight}")
    if not 0 < learning_rate < float("inf"):
        raise InputError(f"learning_rate must be above 0, got {learning_rate}")
