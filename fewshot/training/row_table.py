"""Rows of an array by their numbers, as tensors where the training runs."""

import numpy as np
import torch

from fewshot.encoders.device import computes_apart

LARGEST_SHARE = 0.25
"""An array is kept on a device if it takes no more than this share of the memory that is free there."""

_ROWS_AT_ONCE = 65_536


class RowTable:
    """Rows of an array, such as a teacher's vectors, asked for by number in each step.

    Row numbers that lie on a device would have to be waited for, since NumPy must know them; the device would idle
    meanwhile. So where a device computes beside the processor and has room, it holds the whole array.

    Parameters
    ----------
    array : ndarray of shape (n, ...)
        Numbers. Kept by reference, so a memory map stays on disk.

    Examples
    --------
    >>> RowTable(np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float16))(torch.tensor([1, 1]))
    tensor([[3., 4.],
            [3., 4.]])
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self._kept: torch.Tensor | None = None

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return these rows in float32, on the device of ``rows``."""
        if self._kept is None or self._kept.device != rows.device:
            self._kept = self._copy(rows.device) if self._fits(rows.device) else None
        if self._kept is not None:
            return self._kept[rows].float()
        return torch.as_tensor(np.asarray(self.array[rows.cpu().numpy()], dtype=np.float32)).to(rows.device)

    def _fits(self, device: torch.device) -> bool:
        return computes_apart(str(device)) and self.array.nbytes <= LARGEST_SHARE * _free_bytes(device)

    def _copy(self, device: torch.device) -> torch.Tensor:
        dtype = torch.float16 if self.array.dtype == np.float16 else torch.float32
        kept = torch.empty(self.array.shape, dtype=dtype, device=device)
        for start in range(0, len(kept), _ROWS_AT_ONCE):  # a memory map is not read whole
            part = np.array(self.array[start : start + _ROWS_AT_ONCE])
            kept[start : start + len(part)] = torch.from_numpy(part).to(device)
        return kept


def _free_bytes(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0]
