"""Masked-language modelling: the words that were hidden from the model are to be told from the others."""

import inspect
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from fewshot.adaptation.masking import TokenMasker
from fewshot.adaptation.objective import Objective
from fewshot.training.processes import gather_batch


class MaskedLanguageLoss(Objective):
    """Mean cross-entropy of the hidden tokens.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    masked : PreTrainedModel
        The same encoder under a masked-LM head; see :func:`~fewshot.adaptation.masked_models.open_masked`.
    masker : TokenMasker

    Notes
    -----
    Gururangan et al. 2020, "Don't Stop Pretraining", arXiv:2004.10964: going on with the pretraining on the task's own
    unlabelled texts.
    """

    def __init__(self, model: SentenceTransformer, masked: nn.Module, masker: TokenMasker) -> None:
        super().__init__()
        self.model, self.masked, self.masker = model, masked, masker
        self._known = set(inspect.signature(masked.forward).parameters)

    @property
    def adapted(self) -> nn.Module:
        """The encoder and its head."""
        return self.masked

    def settings(self) -> dict[str, Any]:
        """Return how tokens are hidden."""
        return {"mask_probability": self.masker.probability, "whole_word": self.masker.whole_words}

    def value(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the mean over the hidden tokens of the batch; 0 where none was hidden."""
        ids, mask = features["input_ids"], features["attention_mask"]
        inputs, hidden = self.masker(ids, mask)
        others = {
            name: tensor
            for name, tensor in features.items()
            if name in self._known and isinstance(tensor, torch.Tensor) and name != "input_ids"
        }
        logits = self.masked(input_ids=inputs, **others).logits[hidden].float()
        # Shares of a batch hide unlike numbers of tokens, so the mean of their means would not be the batch's.
        losses = nn.functional.cross_entropy(logits, ids[hidden], reduction="none")
        whole, _ = gather_batch(losses, ids[hidden])
        return whole.sum() / max(1, len(whole))
