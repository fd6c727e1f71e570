"""The loss on gold labels beside that of a model which answers otherwise on changed copies of unlabelled texts."""

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.core.errors import InputError, did_you_mean
from fewshot.training.alignment import DECAY, Alignment, label_shares
from fewshot.training.embedding import by_length
from fewshot.training.label_loss import LabelLoss, mean_of_labels
from fewshot.training.layer_rates import LayerRates
from fewshot.training.processes import gather_batch

ANNEALINGS = ("linear", "log", "exp")
_STEEPNESS = 5.0

FEW_CLASSES = 10
"""Up to so many classes an answer must have a probability of 0.95 to be learnt from, beyond them of 0.8."""


@dataclasses.dataclass(frozen=True)
class ConsistencySettings:
    """How a model learns from unlabelled texts; see :class:`~fewshot.classifiers.uda.UDAClassifier`.

    Raises
    ------
    InputError
        If one is out of range.
    """

    unlabeled_weight: float
    unlabeled_ratio: float
    temperature: float
    confidence: float | None
    annealing: str | None
    align: bool = True

    def __post_init__(self) -> None:
        if not (_is_number(self.unlabeled_weight) and 0 <= self.unlabeled_weight < math.inf):
            raise InputError(f"unlabeled_weight must be a number of at least 0, got {self.unlabeled_weight!r}")
        if not (_is_number(self.unlabeled_ratio) and 0 < self.unlabeled_ratio < math.inf):
            raise InputError(
                f"unlabeled_ratio must be a number above 0, got {self.unlabeled_ratio!r}; "
                "to learn from labels alone take FineTunedClassifier"
            )
        if not (_is_number(self.temperature) and 0 < self.temperature <= 1):
            raise InputError(f"temperature must be above 0 and at most 1, got {self.temperature!r}")
        if self.confidence is not None and not (_is_number(self.confidence) and 0 <= self.confidence < 1):
            raise InputError(f"confidence must be at least 0 and below 1, or None, got {self.confidence!r}")
        if self.annealing is not None and self.annealing not in ANNEALINGS:
            hint = did_you_mean(str(self.annealing), ANNEALINGS)
            raise InputError(
                f"annealing must be one of {', '.join(ANNEALINGS)}, or None, got {self.annealing!r}.{hint}"
            )
        if not isinstance(self.align, (bool, np.bool_)):
            raise InputError(f"align must be True or False, got {self.align!r}")

    def least_probability(self, n_classes: int, *, multi_label: bool) -> float:
        """Return the probability above which an answer is learnt from."""
        if self.confidence is not None:
            return self.confidence
        return 0.95 if multi_label or n_classes <= FEW_CLASSES else 0.8

    def drawn_at_most(self, n_labeled: int, steps: int) -> int:
        """Return how many unlabelled texts so many steps of ``n_labeled`` examples can draw; none without weight."""
        return steps * max(1, round(self.unlabeled_ratio * n_labeled)) if self.unlabeled_weight else 0


class ConsistencyLoss(LabelLoss):
    """The loss on gold labels, and the cross-entropy between a model's answers to texts and to copies of them.

    Parameters
    ----------
    model : Module
        The classifier in training; its output has ``logits`` ``(B, n_classes)``.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix, of the labelled examples.
    rates : LayerRates
        Learning rates of its parts.
    settings : ConsistencySettings
    steps : int
        Of the whole training, over which the annealing goes.
    n_classes : int, optional
        Columns of the logits. Default: as many as ``y`` tells of; its last classes may not be there.
    class_weights, smoothing
        Of the labelled examples, as for :class:`~fewshot.training.label_loss.LabelLoss`.

    Notes
    -----
    The answer to a text as it is, aligned and sharpened (logits divided by ``temperature``), is the target for its
    copy; no gradient goes through it. It is given by the model as it trains, with dropout, as in the authors' own code:
    the paper calls it a fixed copy of the current parameters. Answers with a probability of ``confidence`` or less,
    aligned but not sharpened, teach nothing, and their copies are not read at all. The sum over the others is divided
    by the number of all unlabelled texts of the batch.

    The alignment (:class:`~fewshot.training.alignment.Alignment`) is not in the paper. A model that knows few labels
    by heart drifts to few classes in its answers to the pool, and copies that are to be answered alike make it stay
    there. Answers are aligned with the shares of ``y``, smoothed.

    Annealing leaves out labelled examples whose right answer already has more than a threshold that rises to 1: few
    labels are else learnt by heart before the unlabelled texts have said anything. The sum over the others is divided
    by the number of all labelled examples, not of those left (as in the authors' code), so that the mean of equal
    parts of a batch is that of the batch; a step in which few are left moves the weights less.

    In multi-label tasks each label is a question of its own, with two answers: sharpening, mask (by the probability of
    the likelier answer) and annealing are those of the single label, and the loss is the mean binary cross-entropy.

    References
    ----------
    Xie, Dai, Hovy, Luong, Le 2020, "Unsupervised Data Augmentation for Consistency Training", arXiv:1904.12848.
    Berthelot et al. 2020, "ReMixMatch: Semi-Supervised Learning with Distribution Alignment and Augmentation
    Anchoring", arXiv:1911.09785.
    """

    def __init__(
        self,
        model: nn.Module,
        y: np.ndarray,
        rates: LayerRates,
        settings: ConsistencySettings,
        *,
        steps: int,
        n_classes: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, y, rates, **options)
        self.settings, self.steps = settings, steps
        self.alignment: Alignment | None = None
        if settings.align:
            shares = label_shares(y, n_classes or int(y.max()) + 1)
            self.alignment = Alignment(shares, multi_label=y.ndim == 2)

    def forward(
        self,
        features: dict[str, Any],
        rows: torch.Tensor,
        mean_size: float | None = None,
        mean_pairs: float | None = None,
        step: int = 1,
    ) -> torch.Tensor:
        """Return the loss of one batch, a scalar; under several processes that of the global batch.

        Parameters
        ----------
        features : dict
            ``"learning"``: arguments of the model for the labelled examples and, after them, the copies;
            ``"originals"``: those for the unlabelled texts as they are, in the order of the copies; it may be missing.
        rows : Tensor of shape (B,)
            Numbers of the labelled examples.
        mean_size, mean_pairs : float, optional
            What the sums over labelled examples and over pairs are divided by, where batches of a step differ in size:
            their mean sizes. Default: how many there are.
        step : int, default=1
            The step of the training that the batch belongs to.
        """
        weight = self.settings.unlabeled_weight
        targets, sure = self.targets(features.get("originals"), rows.device, step)
        read = sure if sure.ndim == 1 else sure.any(dim=1)
        places = torch.cat([torch.ones_like(rows, dtype=torch.bool), read]).nonzero()[:, 0]
        learning = {name: tensor[places] for name, tensor in features["learning"].items()}
        logits = by_length(lambda group: self.model(**group).logits, learning)
        losses = self.annealed(logits[: len(rows)], rows, step)
        pairs = torch.zeros(len(read), device=rows.device)
        if len(places) > len(rows):
            of_copies = inconsistency(logits[len(rows) :], targets[read], sure[read])
            pairs = pairs.index_put((read.nonzero()[:, 0],), of_copies)
        whole, _ = gather_batch(losses, rows)
        whole_pairs, _ = gather_batch(pairs, torch.arange(len(pairs), device=rows.device))
        supervised = whole.sum() / (mean_size or len(whole))
        return supervised + weight * whole_pairs.sum() / (mean_pairs or max(1, len(whole_pairs)))

    @torch.no_grad()
    def targets(
        self, originals: dict[str, Any] | None, device: torch.device, step: int = 1
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what copies are to be answered, aligned and sharpened, and which of it is sure enough.

        Returns
        -------
        targets : Tensor of shape (U, n_classes)
            Probabilities.
        sure : Tensor of shape (U,) or (U, n_classes), bool
            In multi-label tasks for each label.
        """
        multi_label = self._y.ndim == 2
        if originals is None:
            if self.alignment is not None:  # other processes may have texts
                self._aligned(torch.zeros(0, self.alignment.n_classes, device=device), step)
            return torch.zeros(0, device=device), torch.zeros(0, dtype=torch.bool, device=device)
        logits = by_length(lambda group: self.model(**group).logits, originals)
        torch.clear_autocast_cache()  # else copies would be read with weights that were rounded without gradients
        with torch.autocast(device.type, enabled=False):
            logits, temperature = self._aligned(logits.float(), step), self.settings.temperature
            least = self.settings.least_probability(logits.shape[1], multi_label=multi_label)
            if multi_label:
                return torch.sigmoid(logits / temperature), torch.sigmoid(logits.abs()) > least
            return torch.softmax(logits / temperature, dim=1), torch.softmax(logits, dim=1).amax(dim=1) > least

    def _aligned(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """Return the logits of unlabelled texts, shifted, and remember what they were."""
        if self.alignment is None:
            return logits
        shift = self.alignment.shift(step)
        self.alignment.observe(logits)
        return logits + shift

    def annealed(self, logits: torch.Tensor, rows: torch.Tensor, step: int) -> torch.Tensor:
        """Return the loss of each labelled example ``(B,)``; what the step's threshold leaves out is 0."""
        answers = self.per_answer(logits, rows)
        if self.settings.annealing is not None:
            n_options = 2 if self._y.ndim == 2 else logits.shape[1]
            threshold = annealing_threshold(self.settings.annealing, step / self.steps, n_options)
            answers = answers * (self._right(logits.detach().float(), rows) <= threshold)
        return mean_of_labels(answers)

    def _right(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the probability of the right answer, ``(B,)`` or ``(B, n_classes)``."""
        y = self._y.to(rows.device)[rows]
        if y.ndim == 2:
            return torch.sigmoid(torch.where(y == 1, logits, -logits))
        return torch.softmax(logits, dim=1).gather(1, y[:, None])[:, 0]

    def identity(self) -> list[str]:
        """Return labels, weights and settings."""
        return [*super().identity(), repr((self.settings, self.steps, DECAY))]


def inconsistency(logits: torch.Tensor, targets: torch.Tensor, sure: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of answers to copies against targets, ``(U,)``, 0 where these are not sure.

    Parameters
    ----------
    logits, targets : Tensor of shape (U, n_classes)
    sure : Tensor of shape (U,) or (U, n_classes), bool
        In multi-label tasks for each label.
    """
    with torch.autocast(logits.device.type, enabled=False):
        logits = logits.float()
        if sure.ndim == 2:
            answers = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
            return mean_of_labels(answers * sure)
        return nn.functional.cross_entropy(logits, targets, reduction="none") * sure


def annealing_threshold(annealing: str, progress: float, n_options: int) -> float:
    r"""Return the probability above which a labelled example is left out.

    Parameters
    ----------
    annealing : {"linear", "log", "exp"}
        ``"log"`` lets most labels in early, ``"exp"`` only towards the end, for when they are easily learnt by heart.
    progress : float
        Share of the training that is done, from 0 to 1.
    n_options : int
        Answers among which one is right: the classes, or 2 for a label that applies or not.

    Returns
    -------
    float
        :math:`\alpha (1 - 1/K) + 1/K` for K options, where :math:`\alpha` is the progress t, :math:`1 - e^{-5t}` or
        :math:`e^{5(t - 1)}`.

    Examples
    --------
    >>> [round(annealing_threshold(name, 0.5, 4), 3) for name in ("linear", "log", "exp")]
    [0.625, 0.938, 0.312]
    """
    share = {
        "linear": progress,
        "log": 1 - math.exp(-_STEEPNESS * progress),
        "exp": math.exp(_STEEPNESS * (progress - 1)),
    }[annealing]
    return share * (1 - 1 / n_options) + 1 / n_options


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
