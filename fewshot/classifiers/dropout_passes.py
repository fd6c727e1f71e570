"""Passes of a classifier over texts with dropout switched on: each is a draw from what it might have answered."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.classifiers.batched_scores import batched_scores
from fewshot.classifiers.sequence_scorer import SequenceScorer
from fewshot.core.errors import InputError
from fewshot.encoders.device import trains_in_half
from fewshot.training.layer_rates import layer_list
from fewshot.training.processor_kernels import processor_kernels
from fewshot.training.seeding import seeded


def dropout_passes(
    scorer: SequenceScorer,
    texts: Sequence[str],
    *,
    passes: int,
    upper_layers: int | None = None,
    dropout: float | None = None,
    precision: str = "float32",
    random_state: int = 0,
    description: str = "estimating uncertainty",
) -> np.ndarray:
    """Return what a model says of texts in several passes with dropout.

    Parameters
    ----------
    scorer : SequenceScorer
        Its model is left as it was, in eval mode.
    texts : sequence of str
    passes : int
    upper_layers : int, optional
        Drop out in so many of the uppermost layers, and what is above them, alone; what is below is computed once for
        all passes. Default: everywhere.
    dropout : float, optional
        Share that is dropped, from 0 to below 1, instead of the model's own.
    precision : {"auto", "float32", "bfloat16"}, default="float32"
        What passes compute in; ``"auto"``: in bfloat16 where the device does so natively, which takes two thirds of the
        time and moves an answer far less than dropout does.
    random_state : int, default=0
    description : str
        Label of the progress bar.

    Returns
    -------
    ndarray of shape (passes, n_texts, n_outputs), float32
        Logits.

    Raises
    ------
    InputError
        If the model drops nothing out.

    References
    ----------
    Gal, Ghahramani 2016, "Dropout as a Bayesian Approximation: Representing Model Uncertainty in Deep Learning",
    arXiv:1506.02142. Brosse et al. 2020, "On Last-Layer Algorithms for Classification: Decoupling Representation from
    Uncertainty Estimation", arXiv:2001.08049 (dropout in the upper layers alone).
    """
    model, columns = scorer.model, int(scorer.model.config.num_labels)
    with (
        seeded(random_state),
        _dropping(model, dropout),
        _training_above(model, upper_layers) as start_batch,
        _quick(str(model.device), precision),
    ):

        def forward(batch: list[str]) -> np.ndarray:
            start_batch()
            return _repeated(scorer, batch, passes)

        scores, _ = batched_scores(
            forward, texts, passes * columns, batch_size=scorer.batch_size, description=description
        )
    return scores.reshape(len(texts), passes, columns).transpose(1, 0, 2)


@torch.inference_mode()
def _repeated(scorer: SequenceScorer, batch: list[str], passes: int) -> np.ndarray:
    """Return logits ``(B, passes * n_outputs)``."""
    device = next(scorer.model.parameters()).device
    tokens = {name: tensor.to(device) for name, tensor in scorer.features(batch).items()}
    return torch.cat([scorer.model(**tokens).logits.float() for _ in range(passes)], dim=1).cpu().numpy()


@contextlib.contextmanager
def _quick(device: str, precision: str) -> Iterator[None]:
    """Compute as a training does; weights are rounded once for all batches of the block."""
    half = trains_in_half(precision, device)
    with torch.autocast(device.partition(":")[0], dtype=torch.bfloat16, enabled=half), processor_kernels():
        yield


@contextlib.contextmanager
def _dropping(model: nn.Module, share: float | None) -> Iterator[None]:
    """Let a model drop out a share of its own choice, or another."""
    parts = [part for part in model.modules() if isinstance(part, nn.Dropout)]
    own = [part.p for part in parts]
    for part in parts:
        part.p = part.p if share is None else share
    try:
        if not any(part.p > 0 for part in parts):
            wanted = "give dropout=0.1, say" if parts and share is None else "take a model that has dropout"
            raise InputError(f"the model drops nothing out, so all passes would say the same; {wanted}")
        yield
    finally:
        for part, p in zip(parts, own, strict=True):
            part.p = p


@contextlib.contextmanager
def _training_above(model: Any, upper_layers: int | None) -> Iterator[Callable[[], None]]:
    """Put the upper layers in training mode, and let the lower ones compute once a batch."""
    layers = list(layer_list(model.base_model) or ())
    n_lower = 0 if upper_layers is None else max(0, len(layers) - upper_layers)
    memory = _Memory(layers[:n_lower])
    memory.attach()
    try:
        for part in _parts_above(model, layers[n_lower:]) if n_lower else [model]:
            part.train()
        yield memory.clear
    finally:
        memory.detach()
        model.eval()


def _parts_above(model: Any, layers: list[nn.Module]) -> list[nn.Module]:
    """Return some layers, and the parts of a classifier that are no part of its transformer."""
    return [*layers, *(part for part in model.children() if part is not model.base_model)]


class _Memory:
    """Layers that compute at the first pass over a batch; at the others they answer what the last of them said."""

    def __init__(self, layers: list[nn.Module]) -> None:
        self.layers, self.output = layers, None

    def clear(self) -> None:
        """Forget the last batch."""
        self.output = None

    def attach(self) -> None:
        """Step between the layers and their callers."""
        for layer in self.layers:
            layer.forward = self._remembering(layer.forward, is_last=layer is self.layers[-1])

    def detach(self) -> None:
        """Leave the layers as they were."""
        for layer in self.layers:
            vars(layer).pop("forward", None)

    def _remembering(self, forward: Callable[..., Any], *, is_last: bool) -> Callable[..., Any]:
        def answer(*args: Any, **kwargs: Any) -> Any:
            if self.output is not None:
                return self.output
            output = forward(*args, **kwargs)
            if is_last:
                self.output = output
            return output

        return answer
