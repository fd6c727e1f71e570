"""Several processes, one batch: each embeds its share, and every loss sees the pairs of the whole batch.

Pairs that cross the shares would be lost if each process formed its own. So the global batch is that of one device: the
sampler's batch is cut by rank, the embeddings are gathered, and each process carries back the gradient of its own rows.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.utils.data import BatchSampler

from fewshot.core.errors import InputError


def process_count() -> int:
    """Return how many processes train together; 1 without ``torchrun``.

    Examples
    --------
    >>> process_count()
    1
    """
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class BatchShare(BatchSampler):
    """The part of each batch that one process embeds: parts of (nearly) even size, in the order of the batch.

    Parameters
    ----------
    batches : BatchSampler
        Yields the global batches, the same ones in every process.
    rank : int
        This process, from 0.
    count : int
        Number of processes.

    Examples
    --------
    >>> [list(BatchShare([[7, 1, 4, 3, 9]], rank=rank, count=2)) for rank in (0, 1)]
    [[[7, 1, 4]], [[3, 9]]]
    """

    def __init__(self, batches: BatchSampler, *, rank: int, count: int) -> None:
        self.batches, self.rank, self.count = batches, rank, count

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            if len(batch) < self.count:
                raise InputError(
                    f"a batch of {len(batch)} texts cannot be shared by {self.count} processes; "
                    "take a larger batch_size or fewer processes"
                )
            yield np.array_split(np.asarray(batch), self.count)[self.rank].tolist()


def gather_batch(embeddings: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the embeddings and row numbers of the whole batch, in its order, from those of this process.

    Parameters
    ----------
    embeddings : Tensor of shape (b, dimension)
    rows : Tensor of shape (b,)

    Returns
    -------
    embeddings : Tensor of shape (B, dimension)
        The gradient reaches this process's rows, times the number of processes: the mean of the gradients, which
        ``DistributedDataParallel`` takes, is then the gradient of one device.
    rows : Tensor of shape (B,)
    """
    count = process_count()
    if count == 1:
        return embeddings, rows
    own = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.empty_like(own) for _ in range(count)]
    dist.all_gather(sizes, own)
    lengths = [int(size) for size in sizes]
    return _GatherRows.apply(embeddings, lengths), _all_rows(rows, lengths)


def _all_rows(own: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    padded = own.new_zeros((max(lengths), *own.shape[1:]))  # all_gather wants like shapes
    padded[: len(own)] = own
    parts = [torch.empty_like(padded) for _ in lengths]
    dist.all_gather(parts, padded)
    return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        rank = dist.get_rank()
        ctx.start, ctx.length, ctx.count = sum(lengths[:rank]), lengths[rank], len(lengths)
        return _all_rows(own.detach(), lengths)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0][ctx.start : ctx.start + ctx.length] * ctx.count, None
