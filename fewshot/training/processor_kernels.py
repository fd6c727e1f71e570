"""Dropout and attention with dropout as a processor does them fastest, in place of torch's own while a training runs.

Torch draws a random number for each attention weight and each hidden number, one after the other, and computes an
attention that has dropout in single precision. Without that a training step of 16 news texts takes an eighth less time.
"""

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import nn

FEWEST = 4096
"""Numbers below which torch's own dropout is as fast."""

_LEVELS = 2**16
_PER_DRAW = 4  # 16-bit numbers in one of 64 bits

_torch_dropout, _torch_attention = nn.functional.dropout, nn.functional.scaled_dot_product_attention
_lock, _users = threading.Lock(), 0


@contextlib.contextmanager
def processor_kernels() -> Iterator[None]:
    """Let tensors on a CPU go through :func:`dropout` and :func:`attention` inside a ``with`` block.

    Models stay as they are, and what lies on other devices is left to torch. In the block torch's own names stand for
    these functions, for all threads: a function mode would be off where autograd computes a layer once more
    (activation checkpointing), and draw other random numbers there.

    Examples
    --------
    >>> with processor_kernels():
    ...     kept = nn.functional.dropout(torch.ones(100_000), 0.25)
    >>> sorted(set(kept.tolist())), round(float(kept.mean()), 1)
    ([0.0, 1.3333333730697632], 1.0)
    """
    _use(1, dropout, attention)
    try:
        yield
    finally:
        _use(-1, _torch_dropout, _torch_attention)


def _use(change: int, dropout: object, attention: object) -> None:
    """Count who is inside a block; the first changes the names, the last changes them back."""
    global _users
    with _lock:
        _users += change
        if _users == max(0, change):
            nn.functional.dropout = dropout  # type: ignore[assignment]
            nn.functional.scaled_dot_product_attention = attention  # type: ignore[assignment]


def dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    """Return ``input`` with each number 0 with probability ``p``, the others divided by ``1 - p``.

    As :func:`torch.nn.functional.dropout`, from other random numbers of the same generator; ``p`` is rounded to a
    65,536th. One draw of 64 bits serves four numbers: three times as fast.
    """
    chance = 0 < round(p * _LEVELS) < _LEVELS
    if not training or not chance or inplace or input.device.type != "cpu" or input.numel() < FEWEST:
        return _torch_dropout(input, p, training, inplace)
    return input * _kept(input.shape, p).to(input.dtype).mul_(1 / (1 - p))  # of torch.where the gradient is slow


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Return what each query attends to; as :func:`torch.nn.functional.scaled_dot_product_attention`.

    Attention with dropout is computed in the precision of its arguments, or of autocast where that is on, not in
    float32. All else is left to torch.
    """
    if not dropout_p or is_causal or enable_gqa or query.device.type != "cpu":
        return _torch_attention(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    if torch.is_autocast_enabled("cpu"):
        half = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(half), key.to(half), value.to(half)
    with torch.autocast("cpu", enabled=False):
        return plain_attention(query, key, value, attn_mask, scale=scale, dropout_p=dropout_p)


def plain_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    scale: float | None = None,
    dropout_p: float = 0.0,
) -> torch.Tensor:
    """Return what each query attends to, by two products and a softmax in the precision of the arguments.

    Parameters
    ----------
    query, key, value : Tensor of shape (..., length, size)
    mask : Tensor, optional
        What a query may see (bool), or what is added to the scores.
    scale : float, optional
        Default: one over the root of the size.
    dropout_p : float, default=0
        Share of the attention weights that are dropped.
    """
    scores = torch.matmul(query * (query.shape[-1] ** -0.5 if scale is None else scale), key.transpose(-2, -1))
    if mask is not None:
        lowest = torch.finfo(scores.dtype).min
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, lowest)
        else:
            scores = scores + mask.to(scores.dtype).clamp_min(lowest)  # else float32's lowest were infinite
    return torch.matmul(dropout(torch.softmax(scores, dim=-1), dropout_p), value)


def _kept(shape: torch.Size, p: float) -> torch.Tensor:
    """Return which numbers stay, a tensor of bool."""
    n = shape.numel()
    draws = torch.empty(-(-n // _PER_DRAW), dtype=torch.int64).random_(-(2**63), None)
    return draws.view(torch.int16)[:n].view(shape) >= round(p * _LEVELS) - _LEVELS // 2
