"""Pair losses that hold how a student's texts relate to each other against how the teacher's do.

Both see a batch through its cosines alone, so the teacher may have another dimension, or be several teachers whose
cosines are averaged. A pair counts by the weight that the targets give it; what weighs nothing (a text beside itself,
at the least) takes no part, and a batch without any pair gives 0.
"""

import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.batch_loss import PairLoss
from fewshot.training.targets import PairTargets

_EXCLUDED = -1e9
"""The logit of what takes no part: finite, since 0 times infinity would be NaN."""

_NO_DISTANCE = 1e-6
"""Squared distances of unit vectors below this are rounding: such texts are taken for one point."""


class SoftmaxSimilarityLoss(PairLoss):
    """For each text, how the student shares its attention among the other texts shall be as the teacher does.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : PairTargets
        Whose targets are the teacher's cosines, such as
        :class:`~fewshot.training.targets.EmbeddingSimilarity`.
    temperature : float, default=0.05
        Divides the cosines of both, above 0. Small ones look at the nearest texts alone, large ones at all evenly.

    Notes
    -----
    The mean over texts of ``KL(softmax(teacher's cosines / T) || softmax(student's cosines / T))``, without the text
    itself; 0 where they agree. CompRess (Koohpayegani et al. 2020, arXiv:2010.14713) and SEED (Fang et al. 2021,
    arXiv:2101.04731), which hold it against a queue of past texts, too; see
    :class:`~fewshot.distillation.memory_queue.QueuedLoss`. A weight of a pair multiplies its share before the shares
    are made to sum to 1, and a text counts by the sum of its weights. Only differences of a text's cosines matter, so
    the student may lie lower than the teacher throughout. With two texts there is nothing to share, and the loss is 0.
    """

    def __init__(self, model: nn.Module, targets: PairTargets, temperature: float = 0.05) -> None:
        super().__init__(model, targets)
        if not 0 < temperature < float("inf"):
            raise InputError(f"temperature must be above 0, got {temperature}; 0.05 is usual")
        self.temperature = temperature

    def settings(self) -> dict[str, float]:
        """Return the temperature."""
        return {"temperature": self.temperature}

    def compare(self, cosines: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the weighted mean of the divergences of all texts, at least 0; matrices are ``(B, M)``."""
        ours, theirs = self._log_shares(cosines, weights), self._log_shares(targets, weights)
        per_text = nn.functional.kl_div(ours, theirs.to(ours), reduction="none", log_target=True).sum(dim=1)
        weight = weights.sum(dim=1)
        return (weight * per_text).sum() / weight.sum().clamp_min(1e-12)

    def _log_shares(self, cosines: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        counted = weights > 0
        logits = cosines / self.temperature + torch.where(counted, weights, 1.0).log()
        return logits.masked_fill(~counted, _EXCLUDED).log_softmax(dim=1)


class RelationalLoss(PairLoss):
    """Distances between texts, and angles among three of them, shall be in the proportions of the teacher's.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : PairTargets
        Whose targets are the teacher's cosines, such as
        :class:`~fewshot.training.targets.EmbeddingSimilarity`.
    distance, angle : float, default=1.0 and 2.0
        Weights of the two terms, at least 0, not both 0.
    max_triplets : int, default=1,048,576
        Bound of the angles looked at: B texts have B³. Beyond, angles are taken at some of the texts only, which the
        row numbers of the batch decide, so that every process and a resumed run take the same ones.

    Notes
    -----
    Park et al. 2019, "Relational Knowledge Distillation", arXiv:1904.05068, distance-wise and angle-wise, on unit
    vectors: Huber losses (bend at 1) of the distances, each divided by their mean, and of the angles' cosines; their
    means weigh 1 to 2, as there. The student's distances may all be half of the teacher's at no cost. Angles at or with
    texts that are one point to teacher or student are undefined and do not count.
    """

    def __init__(
        self,
        model: nn.Module,
        targets: PairTargets,
        distance: float = 1.0,
        angle: float = 2.0,
        max_triplets: int = 1_048_576,
    ) -> None:
        super().__init__(model, targets)
        if not (0 <= distance < float("inf") and 0 <= angle < float("inf") and distance + angle > 0):
            raise InputError(f"distance and angle must be 0 or more and not both 0, got {distance} and {angle}")
        if max_triplets < 1:
            raise InputError(f"max_triplets must be at least 1, got {max_triplets}")
        self.distance, self.angle, self.max_triplets = distance, angle, max_triplets

    def settings(self) -> dict[str, float]:
        """Return the weights of the terms and the bound."""
        return {"distance": self.distance, "angle": self.angle, "max_triplets": self.max_triplets}

    def of(self, embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of unit embeddings ``(B, dimension)`` of these rows, at least 0."""
        with torch.autocast(embeddings.device.type, enabled=False):
            targets, weights = self.targets(rows)
            grams = embeddings @ embeddings.T, targets.to(embeddings)
            sides = _distances(grams[0]), _distances(grams[1])
            loss = self.distance * _distance_loss(*sides, weights.to(embeddings))
            if self.angle > 0:
                corners = _corners(rows, max(1, self.max_triplets // len(rows) ** 2))
                loss = loss + self.angle * _angle_loss(grams, sides, weights.to(embeddings), corners)
            return loss


def _distances(gram: torch.Tensor) -> torch.Tensor:
    """Return Euclidean distances from inner products; 0, with gradient 0, between texts that are one point."""
    lengths = gram.diagonal()
    squares = lengths[:, None] + lengths[None, :] - 2 * gram
    apart = squares > _NO_DISTANCE
    return torch.where(apart, squares, 1.0).sqrt() * apart


def _distance_loss(ours: torch.Tensor, theirs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    ours, theirs = (sides / (weights * sides).sum().clamp_min(1e-6) for sides in (ours, theirs))
    return (weights * nn.functional.huber_loss(ours, theirs, reduction="none")).sum()


def _angle_loss(
    grams: tuple[torch.Tensor, torch.Tensor],
    sides: tuple[torch.Tensor, torch.Tensor],
    weights: torch.Tensor,
    corners: torch.Tensor,
) -> torch.Tensor:
    shares = weights[corners] / weights.amax().clamp_min(1e-12)
    weight = shares[:, :, None] * shares[:, None, :]
    weight = weight * (1.0 - torch.eye(len(weights), dtype=weight.dtype, device=weight.device))  # no angle of 0
    (ours, in_ours), (theirs, in_theirs) = (_angles(*pair, corners) for pair in zip(grams, sides, strict=True))
    weight = weight * (in_ours & in_theirs)
    return (weight * nn.functional.huber_loss(ours, theirs, reduction="none")).sum() / weight.sum().clamp_min(1e-12)


def _angles(gram: torch.Tensor, sides: torch.Tensor, corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cosines of the angles at A corners, and whether they are defined, both ``(A, B, B)``."""
    to_corner = gram[corners]
    inner = gram - to_corner[:, :, None] - to_corner[:, None, :] + gram.diagonal()[corners][:, None, None]
    lengths = sides[corners][:, :, None] * sides[corners][:, None, :]
    defined = lengths > 0
    return inner / torch.where(defined, lengths, 1.0), defined


def _corners(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Return places in the batch of ``count`` of its rows, others in each batch, whatever the order of the rows."""
    keys = (rows * 2_654_435_761 + rows.sum() * 40_503) % 4_294_967_291  # a generator would differ between processes
    return keys.argsort(stable=True)[:count]
