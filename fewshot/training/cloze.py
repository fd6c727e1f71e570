"""Training of a whole masked language model to fill masks with the right phrases: prompt-based training.

Schick & Schütze 2021 (PET), "Exploiting Cloze Questions for Few-Shot Text Classification and Natural Language
Inference", arXiv:2001.07676. Examples are prompts made elsewhere; what their phrases mean is left to others.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.example_trainer import ExampleTrainer, Features
from fewshot.training.mask_filling import MaskFiller
from fewshot.training.phrases import PhraseScores
from fewshot.training.processes import gather_batch
from fewshot.training.running import prepare_run
from fewshot.training.samplers import ShuffledBatches
from fewshot.training.schedule import Schedule
from fewshot.training.targets import array_fingerprint

HIDDEN_SHARE = 0.15
"""Share of a text's tokens that are hidden where the model goes on learning its language, as in BERT."""


class ClozeLoss(BatchLoss):
    """Cross-entropy over the scores of groups of phrases, and if wanted that of tokens hidden in the text.

    Parameters
    ----------
    model : MaskFiller
        The model in training.
    scores : PhraseScores
    wanted : ndarray of shape (n,) or (n, n_groups)
        The right group of each example; or a 0/1 matrix, for a binary cross-entropy a group (mean over groups).
    temperature : float, default=1.0
        Scores are divided by it.
    mlm_weight : float, default=0.0
        Weight of the cross-entropy of hidden tokens; 0 leaves that pass out.
    hide_with : int, default=0
        Number of the mask token.

    Notes
    -----
    Hidden tokens are drawn from torch's random state in the forward pass, not where batches are made, so that a resumed
    training draws the same.
    """

    wanted: torch.Tensor

    def __init__(
        self,
        model: MaskFiller,
        scores: PhraseScores,
        wanted: np.ndarray,
        *,
        temperature: float = 1.0,
        mlm_weight: float = 0.0,
        hide_with: int = 0,
    ) -> None:
        super().__init__()
        self.model, self.scores = model, scores
        self.temperature, self.mlm_weight, self.hide_with = temperature, mlm_weight, hide_with
        self.register_buffer("wanted", torch.as_tensor(wanted), persistent=False)

    def forward(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of one batch, a scalar; under several processes that of the global batch."""
        logits = self.model(features["input_ids"], features["attention_mask"], features["rows"], features["columns"])
        with torch.autocast(logits.device.type, enabled=False):
            scores = self.scores(logits.view(len(rows), -1, logits.shape[1])) / self.temperature
            losses = _per_example(scores, self.wanted[rows])
        if self.mlm_weight:
            losses = losses + self.mlm_weight * self._of_hidden(features, len(rows))
        # Shares of an uneven batch differ in size, so the mean of their means would not be the batch's.
        whole, _ = gather_batch(losses, rows)
        return whole.mean()

    def _of_hidden(self, features: dict[str, Any], n_examples: int) -> torch.Tensor:
        """Return the mean cross-entropy of tokens hidden in each example's first prompt, ``(B,)``; 0 where none is."""
        every = len(features["input_ids"]) // n_examples
        ids, attention, text = (features[name][::every] for name in ("input_ids", "attention_mask", "text"))
        hidden = text & (torch.rand(ids.shape, device=ids.device) < HIDDEN_SHARE)
        rows, columns = hidden.nonzero(as_tuple=True)
        logits = self.model(ids.masked_fill(hidden, self.hide_with), attention, rows, columns)
        losses = nn.functional.cross_entropy(logits.float(), ids[hidden], reduction="none")
        return losses.new_zeros(n_examples).index_add(0, rows, losses) / hidden.sum(dim=1).clamp_min(1)

    def identity(self) -> list[str]:
        """Return the settings, the phrases with their baseline, and the targets."""
        settings = repr((self.temperature, self.mlm_weight, self.hide_with))
        return [type(self).__name__, settings, self.scores.fingerprint, array_fingerprint(self.wanted.cpu().numpy())]


def train_cloze(
    loss: ClozeLoss,
    examples: Sequence[Any],
    features: Features,
    schedule: Schedule,
    *,
    accumulation: int = 1,
    device: str | None = None,
    precision: str = "auto",
    random_state: int = 0,
    checkpoints: Path | None = None,
    resume: bool = False,
    description: str = "training with prompts",
) -> list[float]:
    """Train the model of a loss in place.

    Parameters
    ----------
    loss : ClozeLoss
    examples : sequence
        Anything that ``features`` takes and whose ``repr`` tells it from others.
    features : callable
        Turns examples into ``input_ids`` and ``attention_mask`` ``(R, T)``, places of the masks ``rows`` and
        ``columns`` ``(K,)``, and ``text``, the tokens ``(R, T)`` that may be hidden. Every example has the same number
        of prompts (rows) and of masks, and those of one example stand together.
    schedule : Schedule
        Steps, examples a batch (at least 1: ``in_pairs=False``), learning rate.
    accumulation : int, default=1
        Batches a step; equal to one batch of as many examples.
    device, precision, random_state, checkpoints, resume
        As for :func:`~fewshot.training.trainer.train_pairwise`.
    description : str
        Label of the progress bar.

    Returns
    -------
    list of float
        The loss of each step, those before a resume included.

    Raises
    ------
    InputError
        If there are too few examples, the checkpoints belong to another run, or the training diverges.
    """
    if accumulation < 1:
        raise InputError(f"accumulation must be at least 1, got {accumulation}")
    if schedule.steps == 0:
        return []
    if len(examples) < 2:
        raise InputError(f"prompt-based training needs at least 2 labelled texts, got {len(examples)}; or set steps=0")
    run = prepare_run(
        schedule,
        description=description,
        device=device,
        precision=precision,
        random_state=random_state,
        accumulation=accumulation,
        checkpoints=checkpoints,
        resume=resume,
    )
    with run as prepared:
        loss.to(prepared.args.device)
        batches = ShuffledBatches(
            len(examples),
            batch_size=schedule.batch_size,
            steps=schedule.steps * accumulation,
            random_state=random_state,
        )
        trainer = ExampleTrainer(
            loss,
            prepared.args,
            examples=examples,
            features=features,
            batches=batches,
            callbacks=prepared.callbacks,
            checkpoints=prepared.checkpoints([fingerprint(map(repr, examples))], loss, batches),
        )
        return prepared.train(trainer, loss.model)


def _per_example(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    if wanted.ndim == 1:
        return nn.functional.cross_entropy(scores, wanted, reduction="none")
    per_group = nn.functional.binary_cross_entropy_with_logits(scores, wanted.to(scores.dtype), reduction="none")
    return per_group.mean(dim=1)
