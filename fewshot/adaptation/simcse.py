"""SimCSE: a text passed twice through an encoder with dropout shall be nearer to itself than to all others."""

from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from fewshot.adaptation.objective import Objective
from fewshot.core.errors import InputError
from fewshot.training.embedding import embed
from fewshot.training.processes import gather_batch


class SimCSELoss(Objective):
    """Cross-entropy of each text's second pass among those of the whole batch, by cosines.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training; it must have dropout.
    temperature : float, default=0.05
        Divides the cosines, above 0.

    Raises
    ------
    InputError
        If the encoder has no dropout, since both passes would be the same, or the temperature is out of range.

    Notes
    -----
    Gao, Yao, Chen 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", arXiv:2104.08821, equation 4:
    each text's only positive is itself under another dropout mask, and its negatives are the second passes of the other
    texts of the batch. Under several processes the batch is the global one. Values compare only at one ``batch_size``.
    """

    judges_with_dropout = True

    def __init__(self, model: SentenceTransformer, *, temperature: float = 0.05) -> None:
        super().__init__()
        if not 0 < temperature < float("inf"):
            raise InputError(f"temperature must be above 0, got {temperature}; 0.05 is usual")
        if not any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()):
            raise InputError(
                "objective 'simcse' needs an encoder with dropout, by which two passes of a text differ; this one has "
                "none. Use objective='tsdae', or 'mlm' with a model that has a masked-LM head"
            )
        self.model = model
        self.temperature = temperature

    def settings(self) -> dict[str, Any]:
        """Return the temperature."""
        return {"temperature": self.temperature}

    def value(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of the batch, at least 0."""
        first, _ = gather_batch(embed(self.model, dict(features)).float(), rows)
        second, _ = gather_batch(embed(self.model, dict(features)).float(), rows)
        with torch.autocast(first.device.type, enabled=False):
            cosines = nn.functional.normalize(first) @ nn.functional.normalize(second).T
            itself = torch.arange(len(cosines), device=cosines.device)
            return nn.functional.cross_entropy(cosines / self.temperature, itself)
