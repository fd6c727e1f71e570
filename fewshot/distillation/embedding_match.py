"""The student's vectors themselves against the teacher's, through a projection where they lie in another space."""

from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError, did_you_mean
from fewshot.training.batch_loss import PairLoss
from fewshot.training.targets import EmbeddingSimilarity, PairTargets

MEASURES = ("cosine", "mse")
_LEAST_LENGTH = 1e-3
"""Shorter projected vectors count as this long: the gradient of a cosine has no bound near 0."""


class EmbeddingMatchLoss(PairLoss):
    """Each of the student's unit vectors, or a learnt linear projection of it, shall be the teacher's unit vector.

    It looks at texts one by one, so a batch may hold a single one; it stands with the pair losses since it shares
    their embeddings and is known by the same targets.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : EmbeddingSimilarity
        The teacher's vectors, and how much each text counts.
    measure : {"cosine", "mse"}, default="cosine"
        ``1 − cosine`` of projection and teacher, from 0 to 2, or their squared distance (the sum over dimensions, so
        that it does not shrink with their number). Both are means over texts.
    learning_rate : float, default=3e-3
        Peak of the projection's own learning rate, on the schedule of the encoder's. It has to turn further than an
        encoder, so it is higher; too low a one holds the student back.
    random_state : int, default=0
        Decides the projection before the first step, an orthogonal matrix; the identity where dimensions agree.
    same_space : bool, default=False
        Whether the student starts as a part of the teacher, so that its vectors mean what the teacher's do: then there
        is no projection. Dimensions must agree.

    Attributes
    ----------
    projection : Linear or None
        Student's dimension to teacher's. It serves the training alone: the student is the encoder without it.

    Notes
    -----
    As the hints of FitNets (Romero et al. 2015, arXiv:1412.6550), at the last layer. A projection that learns lets the
    student's space drift by any linear map, and cosines with it: on held-out texts of Emotion ``cosine=1,match=1``
    raised the correlation of a ``layers:3`` student's cosines from 0.889 to 0.901 with it, from 0.897 to 0.916 without.
    """

    targets: EmbeddingSimilarity

    def __init__(
        self,
        model: nn.Module,
        targets: PairTargets,
        measure: str = "cosine",
        learning_rate: float = 3e-3,
        random_state: int = 0,
        same_space: bool = False,
    ) -> None:
        if not isinstance(targets, EmbeddingSimilarity):
            raise InputError(
                f"the loss 'match' needs the vectors of one teacher, an EmbeddingSimilarity; got a "
                f"{type(targets).__name__}. Take a loss of pairs, such as 'softmax'"
            )
        if measure not in MEASURES:
            raise InputError(
                f"measure must be one of {', '.join(MEASURES)}; got {measure!r}.{did_you_mean(str(measure), MEASURES)}"
            )
        if not 0 < learning_rate < float("inf"):
            raise InputError(f"learning_rate must be above 0, got {learning_rate}")
        super().__init__(model, targets)
        self.measure, self.learning_rate, self.random_state = measure, learning_rate, random_state
        dimension = int(self.model.get_embedding_dimension())
        wanted = targets.embeddings.shape[1]
        if same_space and dimension != wanted:
            raise InputError(
                f"same_space=True needs equal dimensions; the student has {dimension}, the teacher {wanted}"
            )
        self.projection = None if same_space else _projection(dimension, wanted, random_state)

    def settings(self) -> dict[str, Any]:
        """Return the measure and the projection's learning rate; its weights are known by themselves."""
        if self.projection is None:
            return {"measure": self.measure, "same_space": True}
        return {"measure": self.measure, "learning_rate": self.learning_rate}

    def of(self, embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of unit embeddings ``(B, dimension)`` of these rows, at least 0."""
        with torch.autocast(embeddings.device.type, enabled=False):
            wanted = self.targets.vectors(rows)
            given = embeddings if self.projection is None else self.projection(embeddings)
            weights = self.targets.weights(rows)
            if self.measure == "mse":
                per_text = (given - wanted).square().sum(dim=1)
            else:
                lengths = given.norm(dim=1).clamp_min(_LEAST_LENGTH)
                per_text = 1.0 - (given * wanted).sum(dim=1) / lengths
            return (weights * per_text).sum() / weights.sum().clamp_min(1e-12)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return two groups: the encoder at ``learning_rate``, the projection, if there is one, at its own."""
        encoder = {"params": [p for p in self.model.parameters() if p.requires_grad], "lr": learning_rate}
        if self.projection is None:
            return [encoder]
        return [encoder, {"params": list(self.projection.parameters()), "lr": self.learning_rate}]


def _projection(student: int, teacher: int, random_state: int) -> nn.Linear:
    projection = nn.utils.skip_init(nn.Linear, student, teacher)  # torch's global generator is not drawn from
    nn.init.zeros_(projection.bias)
    if student == teacher:
        nn.init.eye_(projection.weight)
    else:
        nn.init.orthogonal_(projection.weight, generator=torch.Generator().manual_seed(random_state))
    return projection
