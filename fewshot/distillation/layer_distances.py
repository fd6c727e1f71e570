"""Distances between the hidden states of two models: pure functions of tensors, one number an example.

Which layers are compared, and how much they matter, is left to :mod:`fewshot.distillation.layer_losses`.
"""

import torch
from torch import nn


def hidden_mse(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of token vectors.

    Parameters
    ----------
    student, teacher : Tensor of shape (B, L, dimension)
    mask : Tensor of shape (B, L)
        1 for tokens, 0 for padding, which counts nothing.

    Returns
    -------
    Tensor of shape (B,)
        Mean over the tokens of each text and over dimensions, at least 0.

    References
    ----------
    Jiao et al. 2020, "TinyBERT: Distilling BERT for Natural Language Understanding", arXiv:1909.10351.
    """
    return _token_mean((student - teacher).square().mean(dim=2), mask)


def hidden_cosine(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return one minus the cosine of token vectors, ``(B,)``, from 0 to 2; arguments as of :func:`hidden_mse`.

    References
    ----------
    Sanh et al. 2019, "DistilBERT, a distilled version of BERT", arXiv:1910.01108.
    """
    return _token_mean(1 - nn.functional.cosine_similarity(student, teacher, dim=2), mask)


def pooled_mse(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the squared distance of vectors ``(B, dimension)`` brought to length 1: ``(B,)``, from 0 to 4.

    References
    ----------
    Sun et al. 2019, "Patient Knowledge Distillation for BERT Model Compression", arXiv:1908.09355.

    Examples
    --------
    >>> pooled_mse(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]]))
    tensor([2.])
    """
    return (nn.functional.normalize(student, dim=1) - nn.functional.normalize(teacher, dim=1)).square().sum(dim=1)


def token_similarity(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of the cosines of all pairs of tokens of a text.

    Parameters
    ----------
    student : Tensor of shape (B, L, student dimension)
    teacher : Tensor of shape (B, L, teacher dimension)
        The dimensions may differ: only cosines, L × L of them, are compared.
    mask : Tensor of shape (B, L)

    Returns
    -------
    Tensor of shape (B,)
        Mean over the pairs of each text, from 0 to 4.

    References
    ----------
    Huang, Wang 2017, "Like What You Like: Knowledge Distill via Neuron Selectivity Transfer", arXiv:1707.01219.
    """
    difference = (_cosines(student) - _cosines(teacher)).square().flatten(1)
    pairs = mask[:, :, None] * mask[:, None, :]
    return _token_mean(difference, pairs.flatten(1))


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Return a vector a text, ``(B, dimension)``: the first token's (``"cls"``) or the ``"mean"`` without padding."""
    if pooling == "cls":
        return states[:, 0]
    mask = mask.to(states.dtype)[:, :, None]
    return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)


def _token_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    mask = mask.to(values.dtype)
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)


def _cosines(states: torch.Tensor) -> torch.Tensor:
    unit = nn.functional.normalize(states, dim=2)
    return unit @ unit.transpose(1, 2)
