"""The losses of a training's steps, kept where they are computed until somebody wants to know them.

Asking a device for a number waits until all that was asked of it before is done; the device then idles until the next
step has been prepared. So losses are read some dozens at a time where the device computes beside the processor.
"""

import math

import torch
import torch.distributed as dist

from fewshot.core.errors import InputError
from fewshot.training.processes import process_count


class StepLosses:
    """Losses by step: each is the sum of those of its micro-batches, and the mean over all processes.

    Examples
    --------
    >>> losses = StepLosses()
    >>> losses.add(1, torch.tensor(0.5))
    >>> losses.add(2, torch.tensor(0.25))
    >>> losses.add(2, torch.tensor(0.5))
    >>> losses.read(), losses.read()
    ([(1, 0.5), (2, 0.75)], [])
    """

    def __init__(self) -> None:
        self._unread: dict[int, torch.Tensor] = {}

    def add(self, step: int, loss: torch.Tensor) -> None:
        """Note the loss of a micro-batch, already divided by their number."""
        self._unread[step] = self._unread[step] + loss if step in self._unread else loss

    def read(self) -> list[tuple[int, float]]:
        """Return steps and losses since the last call; with several processes all must call it.

        Raises
        ------
        InputError
            If a loss is no number: the training diverged, and nothing of it should be kept.
        """
        if not self._unread:
            return []
        steps, values = list(self._unread), torch.stack(list(self._unread.values()))
        self._unread.clear()
        if (count := process_count()) > 1:
            parts = [torch.empty_like(values) for _ in range(count)]
            dist.all_gather(parts, values)
            values = torch.stack(parts).mean(dim=0)
        losses = list(zip(steps, values.tolist(), strict=True))
        for step, loss in losses:
            if not math.isfinite(loss):
                raise InputError(f"training diverged: the loss of step {step} is {loss}; lower the learning rate")
        return losses
