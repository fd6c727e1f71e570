"""Losses between a student's class scores (logits) and its teacher's: pure functions of tensors.

Each gives one number an example, so that some examples can weigh more, some can lack a gold label, and the loss of a
large batch is the mean of those of its parts. How they are mixed is left to
:mod:`fewshot.distillation.logit_objective`, where logits come from to :mod:`fewshot.distillation.logit_training`.
"""

import torch
from torch import nn

MISSING = -100
"""Stands for a gold label that is not known; in a multi-label matrix it fills the row."""


def kl_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Return T² · KL(teacher ‖ student) of the softmaxes at temperature T.

    Parameters
    ----------
    student, teacher : Tensor of shape (B, n_classes)
        Logits.
    temperature : float or Tensor of shape (B,), default=1.0
        T, above 0: for all examples, or for each.

    Returns
    -------
    Tensor of shape (B,)
        In nats times T², at least 0. The factor keeps the size of the gradient independent of T: without it, a gold
        term would drown the teacher's at high temperatures.

    References
    ----------
    Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.

    Examples
    --------
    >>> kl_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 100.0]]))  # certain against undecided: log 2
    tensor([0.6931])
    """
    T = _column(temperature, student)
    ours, theirs = (student / T).log_softmax(dim=1), (teacher / T).log_softmax(dim=1)
    divergence = nn.functional.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=1)
    return T.squeeze(1).square() * divergence


def binary_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Return T² times the binary cross-entropy of each label against the teacher's sigmoid at temperature T.

    Parameters
    ----------
    student, teacher : Tensor of shape (B, n_labels)
        Logits, one sigmoid a label.
    temperature : float or Tensor of shape (B,), default=1.0

    Returns
    -------
    Tensor of shape (B,)
        Mean over labels. Its least value is T² times the entropy of the teacher's labels, not 0.

    Examples
    --------
    >>> binary_loss(torch.zeros(1, 2), torch.tensor([[100.0, -100.0]]))
    tensor([0.6931])
    """
    T = _column(temperature, student)
    per_label = nn.functional.binary_cross_entropy_with_logits(student / T, (teacher / T).sigmoid(), reduction="none")
    return T.squeeze(1).square() * per_label.mean(dim=1)


def mse_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of logits ``(B, n_classes)``, for single and for several labels alike.

    Returns
    -------
    Tensor of shape (B,)

    References
    ----------
    Ba, Caruana 2014, "Do Deep Nets Really Need to be Deep?", arXiv:1312.6184.

    Examples
    --------
    >>> mse_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]]))
    tensor([2.])
    """
    return (student - teacher).square().mean(dim=1)


def gold_loss(student: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy against gold labels, and 0 for examples that have none.

    Parameters
    ----------
    student : Tensor of shape (B, n_classes)
        Logits.
    gold : Tensor of shape (B,) or (B, n_classes)
        Class numbers (softmax), or a 0/1 matrix (one sigmoid a label; mean over labels). :data:`MISSING` says that a
        label is not known: in a matrix, one such entry leaves the whole row out.

    Returns
    -------
    Tensor of shape (B,)

    Examples
    --------
    >>> gold_loss(torch.zeros(2, 4), torch.tensor([3, MISSING]))
    tensor([1.3863, 0.0000])
    """
    if gold.ndim == 1:
        return nn.functional.cross_entropy(student, gold, ignore_index=MISSING, reduction="none")
    known = (gold >= 0).all(dim=1)
    wanted = gold.clamp_min(0).to(student.dtype)
    per_label = nn.functional.binary_cross_entropy_with_logits(student, wanted, reduction="none")
    return per_label.mean(dim=1) * known


def _column(temperature: float | torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    if isinstance(temperature, torch.Tensor):
        return temperature.reshape(-1, 1)
    return like.new_full((1, 1), temperature)
