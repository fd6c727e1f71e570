"""A transformer with a linear layer on the mean of its token vectors: a classifier for models trained with that mean.

The sequence classification models of transformers look at the first token ([CLS]) through a layer that sentence
encoders were trained without. This one starts from the vector that they were trained to give.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from fewshot.core.errors import ModelFormatError

HEAD_FILE = "pooled_head.safetensors"
"""What makes a folder of a bare transformer one of this kind."""


class PooledModel(nn.Module):
    """A transformer, the mean of its token vectors at unit length, and a linear layer.

    Parameters
    ----------
    body : PreTrainedModel
        A bare model of transformers, whose output has ``last_hidden_state``. Its configuration says the outputs' names.
    n_outputs : int

    Notes
    -----
    It has what the sequence classification models of transformers have: ``config``, ``base_model``, ``device``,
    ``save_pretrained``, and ``logits`` in its output. The folder opens as a bare transformer, and as a
    sentence-transformers model with mean pooling.
    """

    def __init__(self, body: Any, n_outputs: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(int(body.config.hidden_size), n_outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def config(self) -> Any:
        """The configuration of the transformer."""
        return self.body.config

    @property
    def base_model(self) -> Any:
        """The transformer."""
        return self.body

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.head.weight.device

    def forward(self, attention_mask: torch.Tensor, **inputs: Any) -> SequenceClassifierOutput:
        """Return logits ``(B, n_outputs)`` in float32, and hidden states where they are asked for."""
        outputs = self.body(attention_mask=attention_mask, **inputs)
        with torch.autocast(attention_mask.device.type, enabled=False):
            logits = self.head(pooled(outputs.last_hidden_state, attention_mask))
        return SequenceClassifierOutput(logits=logits, hidden_states=outputs.hidden_states)

    def vectors(self, attention_mask: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """Return what the linear layer sees, unit vectors ``(B, dimension)``."""
        return pooled(self.body(attention_mask=attention_mask, **inputs).last_hidden_state, attention_mask)

    def set_head(self, coef: np.ndarray, intercept: np.ndarray) -> None:
        """Start from a linear map of unit vectors, of shape ``(n_outputs, dimension)`` and ``(n_outputs,)``."""
        with torch.no_grad():
            self.head.weight.copy_(torch.as_tensor(coef))
            self.head.bias.copy_(torch.as_tensor(intercept))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the transformer as transformers does, and the linear layer beside it."""
        self.body.save_pretrained(folder)
        arrays = {name: tensor.detach().cpu().contiguous() for name, tensor in self.head.state_dict().items()}
        save_file(arrays, str(Path(folder) / HEAD_FILE))

    def load_head(self, folder: Path) -> None:
        """Take the linear layer that :meth:`save_pretrained` wrote.

        Raises
        ------
        ModelFormatError
            If the file is damaged, or belongs to another model.
        """
        try:
            self.head.load_state_dict(load_file(str(folder / HEAD_FILE)))
        except (OSError, SafetensorError, RuntimeError) as error:
            line = str(error).strip().splitlines()[0][:200]
            raise ModelFormatError(f"the model in {str(folder)!r} is damaged: {HEAD_FILE}: {line}") from None


def pooled(states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of each text's token vectors, at unit length.

    Parameters
    ----------
    states : Tensor of shape (B, n_tokens, dimension)
    attention_mask : Tensor of shape (B, n_tokens)
        1 for tokens, 0 for padding.

    Returns
    -------
    Tensor of shape (B, dimension), float32

    Examples
    --------
    >>> pooled(torch.tensor([[[3.0, 0.0], [0.0, 3.0], [9.0, 9.0]]]), torch.tensor([[1, 1, 0]]))
    tensor([[0.7071, 0.7071]])
    """
    mask = attention_mask[:, :, None].to(torch.float32)
    return nn.functional.normalize((states.float() * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1.0))
