"""Any point between a frozen encoder and a trained copy of it: weights that lie a share of the way."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from fewshot.encoders.sentence import SentenceEncoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def blend(base: SentenceEncoder, trained: "SentenceTransformer", share: float) -> SentenceEncoder:
    """Return the encoder whose weights lie ``share`` of the way from the frozen to the trained one.

    Parameters
    ----------
    base : SentenceEncoder
        The frozen encoder.
    trained : SentenceTransformer
        A trained copy of it.
    share : float
        0 gives the frozen encoder itself, 1 the trained one.

    Returns
    -------
    SentenceEncoder

    References
    ----------
    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903.
    """
    if share == 0.0:
        return base
    if share == 1.0:
        return base.like(trained)
    mixed = base.trainable_copy()
    mixed.load_state_dict(mixed_weights(mixed.state_dict(), trained.state_dict(), share))
    return base.like(mixed)


def mixed_weights(
    frozen: Mapping[str, torch.Tensor], trained: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Return, name by name, the weights ``share`` of the way from ``frozen`` to ``trained``; whole numbers stay.

    Examples
    --------
    >>> mixed_weights({"a": torch.tensor(0.0)}, {"a": torch.tensor(4.0)}, 0.25)
    {'a': tensor(1.)}
    """
    return {
        name: weight.lerp(trained[name].to(weight), share) if weight.is_floating_point() else weight
        for name, weight in frozen.items()
    }
