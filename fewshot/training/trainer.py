"""Pairwise training of a sentence-transformers model, on that library's own trainer.

Mixed precision, gradient clipping, accumulation, several GPUs and checkpoints come from ``SentenceTransformerTrainer``;
this module gives it the batches, the loss and quiet defaults, and says how long training shall be.
"""

import dataclasses
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from torch.utils.data import BatchSampler
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from fewshot.core.errors import InputError
from fewshot.core.progress import track
from fewshot.encoders.device import choose_device, has_native_bfloat16
from fewshot.training.losses import PairTargets, PairwiseCosineLoss
from fewshot.training.seeding import seeded


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how hard to train.

    Parameters
    ----------
    steps : int
        Optimizer steps.
    batch_size : int
        Texts a step; a batch of B texts trains B(B−1)/2 pairs.
    learning_rate : float
        Peak of the linear schedule.
    warmup : float, default=0.1
        Share of the steps over which the learning rate rises.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.1

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise InputError(f"steps must be 0 or more, got {self.steps}")
        if self.batch_size < 2:
            raise InputError(f"batch_size must be at least 2, since one text makes no pair; got {self.batch_size}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {self.learning_rate}")


class PairwiseTrainer(SentenceTransformerTrainer):
    """``SentenceTransformerTrainer`` that takes its batches from a sampler of ours."""

    def __init__(self, *args: Any, batches: BatchSampler, **kwargs: Any) -> None:
        self.batches = batches
        super().__init__(*args, **kwargs)

    def get_batch_sampler(self, *args: Any, **kwargs: Any) -> BatchSampler:
        """Return the sampler given at construction."""
        return self.batches

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add none: that callback collects training texts for the model card."""


class _Progress(TrainerCallback):
    """Moves the progress bar and keeps the losses."""

    def __init__(self, advance: Any) -> None:
        self.advance = advance
        self.losses: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.advance(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def train_pairwise(
    model: SentenceTransformer,
    texts: Sequence[str],
    targets: PairTargets,
    batches: BatchSampler,
    schedule: Schedule,
    *,
    description: str,
    device: str | None = None,
    precision: str = "auto",
    random_state: int = 0,
) -> list[float]:
    """Train ``model`` in place on all pairs of each batch.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder; changed in place.
    texts : sequence of str
        Training texts, each tokenized once a step that it takes part in.
    targets : PairTargets
        Wanted cosines; see :mod:`fewshot.training.losses`.
    batches : BatchSampler
        Yields lists of row numbers, ``schedule.steps`` of them.
    schedule : Schedule
    description : str
        Label of the progress bar.
    device, precision : str, optional
        As for :class:`~fewshot.encoders.sentence.SentenceEncoder`; ``"auto"`` trains in bfloat16 autocast where the
        processor has it natively. Weights stay float32.
    random_state : int, default=0

    Returns
    -------
    list of float
        The loss of each step.
    """
    if schedule.steps == 0:
        return []
    device = choose_device(device)
    half = precision == "bfloat16" or (precision == "auto" and has_native_bfloat16(device))
    dataset = Dataset.from_dict({"text": list(texts), "label": list(range(len(texts)))})
    with (
        seeded(random_state),
        tempfile.TemporaryDirectory(prefix="fewshot-") as folder,
        track(description, total=schedule.steps) as advance,
    ):
        progress = _Progress(advance)
        trainer = PairwiseTrainer(
            model=model,
            args=_arguments(folder, schedule, device=device, half=half, random_state=random_state),
            train_dataset=dataset,
            loss=PairwiseCosineLoss(model, targets),
            batches=batches,
            callbacks=[progress],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    _take_off_autocast(model)
    model.to(device).eval()
    _refuse_nan(progress.losses)
    return progress.losses


def _arguments(
    folder: str, schedule: Schedule, *, device: str, half: bool, random_state: int
) -> SentenceTransformerTrainingArguments:
    return SentenceTransformerTrainingArguments(
        output_dir=folder,
        max_steps=schedule.steps,
        per_device_train_batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        warmup_steps=round(schedule.warmup * schedule.steps),
        weight_decay=0.0,
        bf16=half,
        use_cpu=device == "cpu",
        seed=int(random_state),
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        save_strategy="no",
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _take_off_autocast(model: SentenceTransformer) -> None:
    """Give the model its own ``forward`` back: accelerate's would go on computing in bfloat16 after training."""
    for name in ("forward", "_original_forward"):
        vars(model).pop(name, None)


def _refuse_nan(losses: list[float]) -> None:
    for step, loss in enumerate(losses, start=1):
        if loss != loss or loss == float("inf"):
            raise InputError(f"training diverged: the loss of step {step} is {loss}; lower the learning rate")
