"""What a masked language model says at some places of a text, and at no other.

The head of such a model turns each token's state into a score for every word of its vocabulary. A prompt asks at a mask
or two of its hundred tokens, so states are picked out before the head sees them: scores of all tokens, which take a
hundred times the memory, are never made. Texts, words and classes are left to others.
"""

from contextvars import ContextVar
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import ModelFormatError

_TOLERANCE = 1e-3

Places = tuple[torch.Tensor, torch.Tensor]
"""Row and column of each token that is asked about, both ``(K,)``."""

_places: ContextVar[Places | None] = ContextVar("places", default=None)  # of this thread's forward pass


class MaskFiller(nn.Module):
    """A masked language model that is asked at some places.

    Parameters
    ----------
    model : PreTrainedModel
        Of transformers, with a masked language model's head on its ``base_model``; kept by reference. A hook on its
        base picks the states; it does nothing outside of :meth:`forward`.

    Raises
    ------
    ModelFormatError
        If head and base cannot be told apart.

    Notes
    -----
    The head itself is the model's own, whatever it is made of, since every architecture calls its parts otherwise.
    :meth:`check` tells whether it looks at each token for itself, as it must.

    Examples
    --------
    >>> from transformers import BertConfig, BertForMaskedLM
    >>> sizes = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    >>> filler = MaskFiller(BertForMaskedLM(BertConfig(vocab_size=9, **sizes)).eval())
    >>> ids = torch.tensor([[2, 7, 4, 3]])
    >>> filler(ids, torch.ones_like(ids), torch.tensor([0, 0]), torch.tensor([1, 2])).shape
    torch.Size([2, 9])
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        base = model.base_model
        if base is model:
            raise ModelFormatError(
                f"a {type(model).__name__} has no base below its head, so masks cannot be asked alone"
            )
        self.model = model
        if _picked not in base._forward_hooks.values():
            base.register_forward_hook(_picked)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits at some places.

        Parameters
        ----------
        input_ids, attention_mask : Tensor of shape (R, T)
        rows, columns : Tensor of shape (K,)
            The places.

        Returns
        -------
        Tensor of shape (K, V)
            One logit a word of the vocabulary.
        """
        before = _places.set((rows, columns))
        try:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits[0]
        finally:
            _places.reset(before)

    @torch.no_grad()
    def check(self, input_ids: torch.Tensor) -> None:
        """Raise :class:`ModelFormatError` unless asking at one place gives what asking at all of them gives there.

        Parameters
        ----------
        input_ids : Tensor of shape (1, T)
            Any text; the model is in eval mode.
        """
        whole = torch.ones_like(input_ids)
        last = torch.tensor([input_ids.shape[1] - 1], device=input_ids.device)
        there = self(input_ids, whole, torch.zeros_like(last), last)
        everywhere = self.model(input_ids=input_ids, attention_mask=whole).logits
        expected = everywhere[0, last] if everywhere.ndim == 3 else everywhere
        if there.shape != expected.shape or not torch.allclose(there, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
            raise ModelFormatError(
                f"the head of a {type(self.model).__name__} does not look at each token for itself, so it cannot be "
                "asked at masks alone; take a model such as BERT, RoBERTa or DeBERTa"
            )


def _picked(module: nn.Module, arguments: Any, output: Any) -> Any:
    """Leave only the asked places in the last hidden states ``(R, T, H)``, as one text of K tokens ``(1, K, H)``."""
    places = _places.get()
    if places is None:
        return output
    states = output[0][places][None]
    if isinstance(output, tuple):
        return (states, *output[1:])
    output.last_hidden_state = states
    return output
