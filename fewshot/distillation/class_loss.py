"""The teacher's classes beside its similarities: a linear head that is trained along with the student's encoder.

Where a student is too small to see all that its teacher sees, such as a token table, the similarities that tell classes
apart are worth more than others, and this loss says which those are. The head serves the training alone.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.training.batch_loss import PairLoss
from fewshot.training.losses import HEAD_SCALE
from fewshot.training.targets import array_fingerprint


class TeacherClasses:
    """What a teacher says of the training texts' classes, and gold labels of the first of them.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        The teacher's. Kept by reference, so a memory map stays on disk.
    multi_label : bool, default=False
    gold : ndarray of shape (n_gold, n_classes), optional
        0/1 matrix of the first texts, which stands in place of the teacher's word.
    weight : ndarray of shape (n,), optional
        How much each text counts; default 1.

    Examples
    --------
    >>> classes = TeacherClasses(np.full((3, 2), 0.5), gold=np.array([[0.0, 1.0]]))
    >>> classes.wanted(torch.tensor([0, 2]))
    tensor([[0.0000, 1.0000],
            [0.5000, 0.5000]])
    """

    def __init__(
        self,
        probabilities: np.ndarray,
        *,
        multi_label: bool = False,
        gold: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> None:
        self.probabilities, self.multi_label, self.weight = probabilities, multi_label, weight
        self.gold = np.empty((0, probabilities.shape[1])) if gold is None else gold

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with all of it."""
        arrays = [self.probabilities, self.gold, *([] if self.weight is None else [self.weight])]
        return fingerprint([repr(self.multi_label), *map(array_fingerprint, arrays)])

    def wanted(self, rows: torch.Tensor) -> torch.Tensor:
        """Return what a student shall say of these rows, float32 ``(B, n_classes)``, where ``rows`` are."""
        numbers = rows.cpu().numpy()
        wanted = np.array(self.probabilities[numbers], dtype=np.float32)
        is_gold = numbers < len(self.gold)
        wanted[is_gold] = self.gold[numbers[is_gold]]
        return torch.from_numpy(wanted).to(rows.device)

    def weights(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how much each of these rows counts, float32 ``(B,)``."""
        if self.weight is None:
            return torch.ones(len(rows), device=rows.device)
        return torch.as_tensor(self.weight[rows.cpu().numpy()], dtype=torch.float32).to(rows.device)


class ClassLoss(PairLoss):
    """Cross-entropy of a linear head on the student's unit vectors against the teacher's probabilities.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    targets : TeacherClasses
    learning_rate : float, default=1e-2
        Peak of the head's own learning rate. It starts at zero and has to get somewhere in some hundred steps.

    Notes
    -----
    Logits are ``10 · (W x + b)`` of a unit vector x. With several labels a text each has its own sigmoid; the loss is
    then the mean over labels. Soft targets as in Hinton, Vinyals, Dean 2015, arXiv:1503.02531.
    """

    targets: Any

    def __init__(self, model: nn.Module, targets: TeacherClasses, learning_rate: float = 1e-2) -> None:
        if not isinstance(targets, TeacherClasses):
            raise InputError(f"the loss 'classes' needs the teacher's probabilities, got {type(targets).__name__}")
        super().__init__(model, targets)  # type: ignore[arg-type]  # it looks at texts, not at pairs
        self.learning_rate = learning_rate
        n_classes = targets.probabilities.shape[1]
        self.coef = nn.Parameter(torch.zeros(n_classes, int(self.model.get_embedding_dimension())))
        self.intercept = nn.Parameter(torch.zeros(n_classes))

    def settings(self) -> dict[str, float]:
        """Return the head's learning rate."""
        return {"learning_rate": self.learning_rate}

    def of(self, embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of unit embeddings ``(B, dimension)`` of these rows, at least 0."""
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = HEAD_SCALE * (embeddings @ self.coef.T + self.intercept)
            wanted, weights = self.targets.wanted(rows), self.targets.weights(rows)
            if self.targets.multi_label:
                losses = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=1)
            else:
                losses = nn.functional.cross_entropy(logits, wanted, reduction="none")
            return (weights * losses).sum() / weights.sum().clamp_min(1e-12)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return two groups: the encoder at ``learning_rate``, the head at its own."""
        encoder = {"params": [p for p in self.model.parameters() if p.requires_grad], "lr": learning_rate}
        return [encoder, {"params": [self.coef, self.intercept], "lr": self.learning_rate}]
