"""A queue of past texts, so that small batches see many pairs.

A batch of B texts has B² pairs; with the student's vectors of the last Q texts it has B·(B + Q), for no further pass of
the encoder. The past vectors are constants, of the student as it was then, so a queue should not be much longer than
what a few dozen steps embed. The teacher's side of a past text needs no memory: its row number is enough.
"""

from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.relational_losses import SoftmaxSimilarityLoss
from fewshot.training.batch_loss import BatchLoss, PairLoss
from fewshot.training.losses import PairwiseCosineLoss
from fewshot.training.targets import EmbeddingSimilarity

LARGEST_QUEUE = 65_536
_FREE = -1


class MemoryQueue(nn.Module):
    """The newest vectors of the ``size`` rows seen last, newest first; each row once. Empty at the start.

    Everything is in buffers, so that it travels in checkpoints, and a resumed run goes on bit by bit.

    Parameters
    ----------
    size : int
        From 1 to 65,536; float32 vectors of 384 numbers take 1.5 kB a row.
    dimension : int

    Examples
    --------
    >>> queue = MemoryQueue(size=3, dimension=2)
    >>> queue.add(torch.eye(2), torch.tensor([5, 8]))
    >>> queue.add(torch.ones(2, 2), torch.tensor([8, 9]))
    >>> queue.held()[1]
    tensor([8, 9, 5])
    >>> queue.held(without=torch.tensor([9]))[0]
    tensor([[1., 1.],
            [1., 0.]])
    """

    vectors: torch.Tensor
    rows: torch.Tensor

    def __init__(self, size: int, dimension: int) -> None:
        super().__init__()
        if not 1 <= size <= LARGEST_QUEUE:
            raise InputError(f"queue size must be from 1 to {LARGEST_QUEUE} texts, got {size}; leave it out for none")
        self.size = size
        self.register_buffer("vectors", torch.zeros(size, dimension))
        self.register_buffer("rows", torch.full((size,), _FREE))

    def held(self, without: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return vectors ``(M, dimension)`` and row numbers ``(M,)`` of what is held, except the rows ``without``."""
        chosen = self.rows != _FREE
        if without is not None:
            chosen = chosen & ~torch.isin(self.rows, without)
        return self.vectors[chosen], self.rows[chosen]

    @torch.no_grad()
    def add(self, vectors: torch.Tensor, rows: torch.Tensor) -> None:
        """Keep these rows, each once, in place of what was held of them; the oldest rows give way."""
        first = ~(rows[:, None] == rows[None, :]).triu(diagonal=1).any(dim=0)
        old_vectors, old_rows = self.held(without=rows)
        kept = torch.cat([vectors[first].to(old_vectors), old_vectors])[: self.size]
        self.vectors[: len(kept)] = kept
        self.rows[: len(kept)] = torch.cat([rows[first], old_rows])[: self.size]
        self.rows[len(kept) :] = _FREE


class QueuedLoss(BatchLoss):
    """A pair loss over the pairs of the batch and those of the batch with a queue of past texts.

    Parameters
    ----------
    loss : PairwiseCosineLoss or SoftmaxSimilarityLoss
        Its targets must be a :class:`~fewshot.training.targets.EmbeddingSimilarity`, which tells the
        teacher's cosines between batch and queue.
    size : int
        Texts in the queue, from 1 to 65,536; see :class:`MemoryQueue`.

    Notes
    -----
    The gradient reaches the batch's side of each pair. A text that is in the batch and in the queue counts as in the
    batch alone. After each batch in training mode its texts join the queue; under several processes these are the
    global batch's, so the queues are the same everywhere. With an empty queue the loss is the pair loss's own.

    Fang et al. 2021, "SEED", arXiv:2101.04731; the queue is that of MoCo (He et al. 2020, arXiv:1911.05722) without
    its second encoder.
    """

    def __init__(self, loss: PairLoss, size: int) -> None:
        super().__init__()
        if not isinstance(loss, (PairwiseCosineLoss, SoftmaxSimilarityLoss)):
            raise InputError(
                f"a queue goes with the losses 'cosine' and 'softmax', got a {type(loss).__name__}; leave the queue out"
            )
        if not isinstance(loss.targets, EmbeddingSimilarity):
            raise InputError(
                "a queue needs the teacher's cosines between any rows: targets must be an EmbeddingSimilarity, got a "
                f"{type(loss.targets).__name__}; leave the queue out"
            )
        self.loss = loss
        self.targets = loss.targets
        self.queue = MemoryQueue(size, int(loss.model.get_embedding_dimension()))

    @property
    def model(self) -> Any:
        """The encoder in training."""
        return self.loss.model

    def forward(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch, a scalar; under several processes that of the global batch."""
        return self.of(*self.embed(features, rows))

    def embed(self, features: dict[str, Any], rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return unit embeddings ``(B, dimension)`` in float32 and row numbers ``(B,)`` of the global batch."""
        return self.loss.embed(features, rows)

    def of(self, embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of unit embeddings ``(B, dimension)`` of these rows, which then join the queue."""
        with torch.autocast(embeddings.device.type, enabled=False):
            vectors, known = self.queue.held(without=rows)
            targets, weights = self.targets.between(rows, torch.cat([rows, known]))
            cosines = embeddings @ torch.cat([embeddings, vectors.to(embeddings)]).T
            loss = self.loss.compare(cosines, targets, weights)
        if self.training:
            self.queue.add(embeddings, rows)
        return loss

    def identity(self) -> list[str]:
        """Return the pair loss's identity and the queue's size."""
        return [type(self).__name__, str(self.queue.size), *self.loss.identity()]
