"""A bfloat16 model that only predicts, as a processor runs it fastest.

Weights lie as oneDNN multiplies with them, which torch otherwise sees to at every call; GELU is applied on the way out
of the product; attention is two products and a softmax, since torch's fused kernel is slow for heads of few numbers.
A model of inference took a tenth less time on one core.
"""

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.activations import GELUActivation

from fewshot.training.processor_kernels import plain_attention

_PLAIN = "fewshot_plain"
_TOLERANCE = 0.02  # of numbers about 1, in bfloat16


class PackedLinear(nn.Module):
    """A linear layer whose weight cannot be trained or saved any more.

    Parameters
    ----------
    linear : Linear
        In bfloat16, on a CPU.
    rows : int
        For products with about so many rows.
    gelu : bool, default=False
        Whether GELU follows.
    """

    def __init__(self, linear: nn.Linear, rows: int, *, gelu: bool = False) -> None:
        super().__init__()
        # tensors in oneDNN's own order cannot be copied as parameters are
        self.weight = (torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), rows),)
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.after: tuple[str, list[float], str] = ("gelu", [], "none") if gelu else ("none", [], "")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight[0], self.bias, *self.after)


@torch.no_grad()
def pack_weights(model: Any, rows: int) -> None:
    """Make a model faster, in place; it can only predict afterwards.

    Parameters
    ----------
    model : PreTrainedModel
        In bfloat16, on a CPU.
    rows : int
        Tokens that it usually reads at once.
    """
    if getattr(model.config, "_attn_implementation", None) == "sdpa":
        AttentionInterface.register(_PLAIN, _attend)
        AttentionMaskInterface.register(_PLAIN, AttentionMaskInterface()["sdpa"])
        model.set_attn_implementation(_PLAIN)
    if not _packs():
        return
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                gelu = name == "dense" and type(getattr(module, "intermediate_act_fn", None)) is GELUActivation
                setattr(module, name, PackedLinear(child, rows, gelu=gelu))
                if gelu:
                    module.intermediate_act_fn = nn.Identity()


def _attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Return what each token attends to ``(B, length, heads, size)``: transformers' interface, without dropout.

    Its own ``"eager"`` adds a mask where nothing is hidden, and scales the scores rather than the few queries. Models
    that read from left to right, share keys between heads, or add more to the scores than a mask, go on as they did.
    """
    adds = any(options.get(name) is not None for name in ("position_bias", "softcap", "s_aux"))
    if adds or getattr(module, "is_causal", True) or key.shape[1] != query.shape[1]:
        fused = AttentionInterface()["sdpa"]
        return fused(module, query, key, value, attention_mask, scaling=scaling, **options)
    return plain_attention(query, key, value, attention_mask, scale=scaling).transpose(1, 2).contiguous(), None


@torch.no_grad()
def _packs() -> bool:
    """Return whether this torch has the two operations, which it has for its compiler, and they do as they should."""
    linear = nn.utils.skip_init(nn.Linear, 32, 32, dtype=torch.bfloat16)  # no random number is drawn
    for values in (linear.weight, linear.bias):
        values.copy_(torch.linspace(-1, 1, values.numel()).sin().view(values.shape))
    x = torch.linspace(-1, 1, 16 * 32, dtype=torch.bfloat16).view(16, 32)
    try:
        packed = [PackedLinear(linear, len(x), gelu=gelu)(x).float() for gelu in (False, True)]
    except (AttributeError, RuntimeError, TypeError):
        return False
    plain = linear(x).float()
    wanted = [plain, nn.functional.gelu(plain)]
    return all(
        torch.allclose(ours, theirs, rtol=0, atol=_TOLERANCE) for ours, theirs in zip(packed, wanted, strict=True)
    )
