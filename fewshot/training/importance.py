"""How much an encoder's vectors hang on each unit of its feed-forward blocks and on each of its layers.

No label is needed: what counts is how far the vectors of a pool's texts would move without a part.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import nn

from fewshot.training.layer_cuts import blocks_of, only_layers
from fewshot.training.seeding import seeded

DRAWS = 2
"""Random directions a text along which its vector's movement is measured."""

BATCH_TEXTS = 32

Features = dict[str, Any]


def read_batches(model: SentenceTransformer, texts: Sequence[str]) -> list[Features]:
    """Return texts as a model takes them, those of like length together."""
    ordered = sorted(texts, key=len)
    parts = [ordered[start : start + BATCH_TEXTS] for start in range(0, len(ordered), BATCH_TEXTS)]
    return [batch_to_device(model.preprocess(part), next(model.parameters()).device) for part in parts]


def unit_magnitudes(model: SentenceTransformer) -> list[torch.Tensor]:
    """Return how large the weights of each feed-forward unit are, one tensor ``(units,)`` a layer.

    It is the length of those into the unit, its bias among them, times the length of those out of it: 0 where either is
    nothing.
    """
    found = []
    for up, down in blocks_of(model[0].auto_model):
        into = torch.cat([up.weight.detach(), up.bias.detach()[:, None]], dim=1)
        found.append(into.norm(dim=1) * down.weight.detach().norm(dim=0))
    return found


def unit_movements(model: SentenceTransformer, batches: Sequence[Features], random_state: int) -> list[torch.Tensor]:
    """Return how far the vectors of texts would move without each feed-forward unit, one tensor ``(units,)`` a layer.

    Parameters
    ----------
    model : SentenceTransformer
        In eval mode.
    batches : sequence of dict
        Tokenized texts; see :func:`read_batches`.
    random_state : int
        Decides the directions.

    Returns
    -------
    list of Tensor of shape (units,)
        Estimates of the mean squared length of the derivative of a text's unit vector by a factor at the unit's output
        (1 as it is, 0 without it).

    Notes
    -----
    Michel et al. multiply gradients of a loss with what would be taken away, a Taylor expansion to the first order. The
    loss here is the squared distance to the vectors of the whole encoder; it and its gradient are 0 at the start, so
    the expansion is that of the vectors: their movement, squared, is the loss. Its length comes from derivatives along
    random directions, whose squares have it as their mean (Hutchinson).

    References
    ----------
    Michel, Levy, Neubig 2019, "Are Sixteen Heads Really Better than One?", arXiv:1905.10650. Molchanov et al. 2019,
    "Importance Estimation for Neural Network Pruning", arXiv:1906.10771.
    """
    downs = [down for _, down in blocks_of(model[0].auto_model)]
    totals = [torch.zeros(down.in_features, device=down.weight.device) for down in downs]
    n_texts = sum(len(features["attention_mask"]) for features in batches)
    with seeded(random_state), _gated(downs) as gates:
        for features in batches:
            vectors = unit_vectors(model, features)
            for draw in range(DRAWS):
                along = (torch.randn(vectors.shape).to(vectors) * vectors).sum()  # drawn alike on any device
                last = draw == DRAWS - 1
                for total, gradient in zip(
                    totals, torch.autograd.grad(along, gates, retain_graph=not last), strict=True
                ):
                    total += gradient.square().sum(dim=(0, 1)) / (DRAWS * n_texts)
            gates.clear()
    return totals


def unit_vectors(model: SentenceTransformer, features: Features) -> torch.Tensor:
    """Return the vectors of a batch at unit length; ``features`` stay as they are."""
    return nn.functional.normalize(model(dict(features))["sentence_embedding"].float(), dim=1)


@contextlib.contextmanager
def _gated(modules: Sequence[nn.Module]) -> Iterator[list[torch.Tensor]]:
    """Multiply what goes into each module by ones, a factor for each text and input, which a forward pass adds here."""
    gates: list[torch.Tensor] = []

    def gate(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        hidden, *rest = inputs
        gates.append(torch.ones_like(hidden[:, :1]).requires_grad_())
        return hidden * gates[-1], *rest

    hooks = [module.register_forward_pre_hook(gate) for module in modules]
    try:
        yield gates
    finally:
        for hook in hooks:
            hook.remove()


def order_of_layers(model: SentenceTransformer, batches: Sequence[Features]) -> list[int]:
    """Return the numbers of a model's layers, the most dispensable first.

    One after the other that layer goes without which, beside those already gone, the vectors of the texts stay nearest
    to what they were, by their mean cosine.
    """
    transformer: Any = model[0].auto_model
    wanted = vectors_of(model, batches)
    kept, gone = list(range(transformer.config.num_hidden_layers)), []
    while len(kept) > 1:
        cosines = {}
        for layer in kept:
            with only_layers(transformer, [other for other in kept if other != layer]):
                cosines[layer] = agreement(model, batches, wanted)
        gone.append(max(kept, key=lambda layer: cosines[layer]))
        kept.remove(gone[-1])
    return [*gone, *kept]


@torch.no_grad()
def vectors_of(model: SentenceTransformer, batches: Sequence[Features]) -> list[torch.Tensor]:
    """Return the unit vectors of texts, batch by batch."""
    return [unit_vectors(model, features) for features in batches]


def agreement(model: SentenceTransformer, batches: Sequence[Features], wanted: Sequence[torch.Tensor]) -> float:
    """Return the mean cosine of a model's vectors with those ``wanted``."""
    pairs = zip(vectors_of(model, batches), wanted, strict=True)
    return float(torch.cat([(ours * theirs).sum(dim=1) for ours, theirs in pairs]).mean())
