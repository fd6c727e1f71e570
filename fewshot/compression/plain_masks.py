"""Masks of attention that cost a graph three nodes where transformers traces some sixty."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
from transformers import masking_utils

_KINDS = ("eager", "sdpa")
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def plain_masks() -> Iterator[None]:
    """Inside this block, models whose tokens all look at each other mask padding by the given mask itself.

    transformers works out for each pair of places whether one may look at the other, from their numbers, before it
    brings in which of them are padding. Where all may, that is the padding alone: ``(B, 1, 1, L)``, which spreads over
    the rows by itself. Masks of other kinds (causal, of windows, of several parts) are made as ever.

    Examples
    --------
    >>> with plain_masks():
    ...     mask = masking_utils.ALL_MASK_ATTENTION_FUNCTIONS["sdpa"](
    ...         batch_size=1, q_length=3, kv_length=3, mask_function=masking_utils.bidirectional_mask_function,
    ...         attention_mask=torch.tensor([[1, 1, 0]]),
    ...     )
    >>> mask
    tensor([[[[ True,  True, False]]]])
    """
    known = masking_utils.ALL_MASK_ATTENTION_FUNCTIONS
    with _ONE_AT_A_TIME:
        before = {kind: known[kind] for kind in _KINDS}
        for kind, make in before.items():
            known[kind] = _Plain(kind, make)
        try:
            yield
        finally:
            for kind, make in before.items():
                del known[kind]
                if known[kind] is not make:  # it stood over the common one before, too
                    known[kind] = make


class _Plain:
    """What makes masks for one kind of attention."""

    def __init__(self, kind: str, make: Any) -> None:
        self._kind, self._make = kind, make

    def __call__(self, **given: Any) -> Any:
        padding = given.get("attention_mask")
        all_look = given.get("mask_function") is masking_utils.bidirectional_mask_function
        if padding is None or not all_look or given.get("kv_offset") or padding.shape[-1] != given["kv_length"]:
            return self._make(**given)
        mask = padding[:, None, None, :].to(torch.bool)
        if self._kind == "sdpa":
            return mask
        dtype = given.get("dtype", torch.float32)
        return torch.where(mask, torch.zeros((), dtype=dtype, device=mask.device), torch.finfo(dtype).min)
