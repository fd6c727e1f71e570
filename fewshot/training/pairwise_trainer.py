"""``transformers.Trainer`` for losses that own their encoder.

The trained "model" is the whole loss, so that a head's parameters are clipped, saved and averaged between processes
with the encoder's, and so that one forward pass of ``DistributedDataParallel`` holds all groups of a batch.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from sentence_transformers import SentenceTransformer
from torch.utils.data import BatchSampler, DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from fewshot.core.ahead import Ahead
from fewshot.encoders.bare_tokens import BareTokens
from fewshot.encoders.device import computes_apart
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.checkpoints import CheckpointFolder
from fewshot.training.processes import BatchShare
from fewshot.training.sparsity import Pruner
from fewshot.training.step_losses import StepLosses

_WEIGHTS = "model.safetensors"
_BATCHES_AHEAD = 8


class PairwiseTrainer(Trainer):
    """Trains a :class:`~fewshot.training.batch_loss.BatchLoss` on batches of a sampler of ours.

    Parameters
    ----------
    loss : BatchLoss
    args : TrainingArguments
    texts : sequence of str
    batches : BatchSampler
        Yields the row numbers of each micro-batch.
    callbacks : list of TrainerCallback
    checkpoints : CheckpointFolder, optional
    """

    pruner: Pruner | None = None

    def __init__(
        self,
        loss: BatchLoss,
        args: TrainingArguments,
        *,
        texts: Sequence[str],
        batches: BatchSampler,
        callbacks: list[TrainerCallback],
        checkpoints: CheckpointFolder | None = None,
    ) -> None:
        self.texts, self.batches, self.checkpoints = texts, batches, checkpoints
        self.loss = loss
        self.step_losses = StepLosses()
        # Elsewhere, and where only the model's own tokenizer will do, batches are made when they are wanted.
        self._tokens = BareTokens.of(loss.model) if self._can_read_ahead(args) else None
        self._ahead: Ahead[Any] | None = None
        super().__init__(loss, args, data_collator=self._collate, callbacks=callbacks)
        self.model_accepts_loss_kwargs = False  # else the loss of a step would be the sum of its micro-batches
        self.remove_callback(PrinterCallback)

    def _can_read_ahead(self, args: TrainingArguments) -> bool:
        """Return whether batches may be made in another thread while the device computes."""
        return computes_apart(str(args.device)) and isinstance(self.loss.model, SentenceTransformer)

    def _collate(self, rows: list[int]) -> dict[str, Any]:
        texts = [self.texts[row] for row in rows]
        features = self.loss.model.preprocess(texts) if self._tokens is None else self._tokens(texts)
        return {"features": features, "rows": torch.tensor(rows)}

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device) -> Any:
        """Return the micro-batches of a step; the thread that reads ahead makes those of the next steps meanwhile."""
        if self._tokens is not None:
            self._ahead = self._ahead or Ahead(epoch_iterator, _BATCHES_AHEAD)
            epoch_iterator = self._ahead
        return super().get_batch_samples(epoch_iterator, num_batches, device)

    def stop_reading_ahead(self) -> None:
        """End the thread that makes batches; after an early stop it would wait for ever."""
        if self._ahead is not None:
            self._ahead.close()

    def _prepare_input(self, data: Any) -> Any:
        if self.args.device.type == "cuda" and isinstance(data, torch.Tensor) and data.is_pinned():
            # else the copy would wait until the steps before are done
            return data.to(self.args.device, non_blocking=True)
        return super()._prepare_input(data)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Take a micro-batch's loss and gradient; the loss stays on the device."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.step_losses.add(self.state.global_step + 1, loss)
        return loss

    def read_losses(self) -> None:
        """Write the losses of the last steps into the log; raise :class:`InputError` if one is no number."""
        self.state.log_history += [{"loss": loss, "step": step} for step, loss in self.step_losses.read()]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write one entry a step: the trainer's own would be the mean of the steps since its last one."""
        self.read_losses()
        if "loss" in logs:
            logs["loss"] = self.state.log_history.pop()["loss"]  # this step's, which now gets its other figures
        super().log(logs, start_time)

    def get_train_dataloader(self) -> DataLoader:
        """Return this process's share of the batches; accelerate would give each process whole batches of its own."""
        batches = self.batches
        if self.args.world_size > 1:
            batches = BatchShare(batches, rank=self.args.process_index, count=self.args.world_size)
        return DataLoader(
            range(len(self.texts)),  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=self._collate,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss of a micro-batch."""
        loss = model(inputs["features"], inputs["rows"])
        return (loss, {}) if return_outputs else loss

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return AdamW over the parameter groups of the loss, without weight decay."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            groups = self.loss.parameter_groups(self.args.learning_rate)
            if self.pruner is not None:
                groups = self.pruner.parameter_groups(groups)
            self.optimizer = kind(groups, **options, weight_decay=0.0)
        return self.optimizer

    def release(self) -> None:
        """Let go of the model and free the optimizer's memory; the trainer is of no use afterwards.

        A trainer refers to itself in circles, so that gradients, moments and model would live on until the garbage
        collector comes by.
        """
        self.loss.zero_grad(set_to_none=True)
        if self.optimizer is not None:
            self.optimizer.state.clear()
            self.optimizer.param_groups.clear()
        self.accelerator._models.clear()
        self.accelerator._optimizers.clear()
        self.accelerator._schedulers.clear()
        self.callback_handler.callbacks.clear()
        vars(self.callback_handler).clear()
        vars(self).clear()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.read_losses()  # what diverged is not saved
        if self.checkpoints is None:
            return
        step = self.state.global_step
        if self.is_world_process_zero():
            shutil.rmtree(self.checkpoints.folder_of(step), ignore_errors=True)
        self.accelerator.wait_for_everyone()
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # each process adds its own random state
        if self.is_world_process_zero():
            self.checkpoints.seal(step)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write encoder and head: no model card, which would hold training texts, and no pickled arguments."""
        folder = Path(str(output_dir or self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.loss, str(folder / _WEIGHTS))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_model(self.loss, str(Path(resume_from_checkpoint) / _WEIGHTS))
