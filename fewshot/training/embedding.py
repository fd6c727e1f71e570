"""A batch of texts through the model in training: one pass on a GPU, small groups of like length on a CPU."""

import torch
from torch import nn

CPU_ROWS = 8
"""Rows a forward pass on a CPU: small groups of like length stay in its cache and pad little."""


def embed(model: nn.Module, features: dict[str, torch.Tensor]) -> torch.Tensor:
    """Embed a padded batch, on a CPU in groups of like length.

    The result is that of one forward pass (dropout draws apart). On two cores with 64 news texts a training step took
    half the time, since a group is padded to its own longest text rather than to the batch's.

    Parameters
    ----------
    model : SentenceTransformer
    features : dict of str to Tensor
        What the model's tokenizer made of B texts.

    Returns
    -------
    Tensor of shape (B, dimension)
    """
    mask = features.get("attention_mask")
    if mask is None or not bool(mask[:, 0].all()) or mask.device.type != "cpu" or len(mask) <= CPU_ROWS:
        return model(features)["sentence_embedding"]
    lengths = mask.sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    groups = []
    for rows in order.split(CPU_ROWS):
        # else all groups would share the weights' bfloat16 copies, and add their gradients up in bfloat16
        torch.clear_autocast_cache()
        groups.append(model(_rows(features, rows, mask.shape, int(lengths[rows].max())))["sentence_embedding"])
    return torch.cat(groups)[torch.argsort(order)]


def _rows(
    features: dict[str, torch.Tensor], rows: torch.Tensor, shape: torch.Size, length: int
) -> dict[str, torch.Tensor]:
    """Cut the named rows out of a right-padded batch, to the length of the longest of them."""
    return {
        name: value[rows, :length] if isinstance(value, torch.Tensor) and value.shape == shape else value
        for name, value in features.items()
    }
