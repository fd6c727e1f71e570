"""What every training shares: seeds, device and precision, the trainer's arguments, checkpoints, and the way out."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch.utils.data import BatchSampler
from transformers import TrainerCallback, TrainingArguments

from fewshot.core.collector import older_objects_kept
from fewshot.core.errors import InputError
from fewshot.core.progress import track
from fewshot.encoders.device import choose_device, computes_apart, trains_in_half
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.callbacks import ProgressCallback
from fewshot.training.checkpoints import CheckpointFolder, batches_fingerprint, run_identity
from fewshot.training.fake_quant import FakeQuantization, FakeQuantizer
from fewshot.training.pairwise_trainer import PairwiseTrainer
from fewshot.training.processor_kernels import processor_kernels
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import seeded
from fewshot.training.sparsity import Pruner, Pruning

STEPS_UNREAD = 50
"""Steps after which losses are read, and a divergence is seen, where the device computes beside the processor."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One training, ready to be given a trainer.

    Parameters
    ----------
    args : TrainingArguments
    callbacks : list of TrainerCallback
        The progress bar, the pruner and the quantizer.
    schedule : Schedule
    device : str
    saving, resume : bool
        Whether checkpoints are written to ``args.output_dir``, and whether to go on from one.
    pruner : Pruner, optional
        What makes weights zeros in the course of the training.
    quantizer : FakeQuantizer, optional
        What rounds in the course of the training.
    """

    args: TrainingArguments
    callbacks: list[TrainerCallback]
    schedule: Schedule
    device: str
    saving: bool
    resume: bool
    pruner: Pruner | None = None
    quantizer: FakeQuantizer | None = None

    def checkpoints(self, examples: Iterable[str], loss: BatchLoss, batches: BatchSampler) -> CheckpointFolder | None:
        """Return where checkpoints of this very training go: other examples, targets or settings have others."""
        if not self.saving:
            return None
        args = self.args
        outcome = dataclasses.replace(self.schedule, save_every=None)  # how often to save decides nothing
        settings = (
            args.seed,
            args.gradient_accumulation_steps,
            args.bf16,
            args.world_size,
            batches_fingerprint(batches),
            *(() if self.pruner is None else (self.pruner.pruning,)),
            *(() if self.quantizer is None else (self.quantizer.quantization,)),
        )
        identity = run_identity(examples, loss.identity(), loss, (outcome, *settings))
        return CheckpointFolder(Path(str(args.output_dir)), identity)

    def train(self, trainer: PairwiseTrainer, model: torch.nn.Module) -> list[float]:
        """Train to the end and return the loss of each step; ``model`` is in eval mode and on its device afterwards."""
        saved, loss = trainer.checkpoints, trainer.loss
        try:
            with self._quantized(model), self._pruned(trainer, model), self._eased():
                trainer.train(resume_from_checkpoint=None if saved is None else _start(saved, resume=self.resume))
        finally:
            trainer.stop_reading_ahead()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        trainer.release()
        _take_off_autocast(loss)
        model.to(self.device if self.args.world_size == 1 else self.args.device).eval()
        return losses

    def _eased(self) -> contextlib.AbstractContextManager[Any]:
        """Return a ``with`` block in which the processor has less to do, where it is the processor that trains."""
        block = contextlib.ExitStack()
        if not computes_apart(self.device):
            block.enter_context(older_objects_kept())
            block.enter_context(processor_kernels())
        return block

    def _quantized(self, model: torch.nn.Module) -> contextlib.AbstractContextManager[Any]:
        """Return a ``with`` block in which the model computes with rounded numbers, if it shall."""
        if self.quantizer is None:
            return contextlib.nullcontext()
        self.quantizer.attach(model)
        return self.quantizer

    def _pruned(self, trainer: PairwiseTrainer, model: torch.nn.Module) -> contextlib.AbstractContextManager[Any]:
        """Return a ``with`` block in which the model's weights stand behind masks, if they are to be pruned."""
        if self.pruner is None:
            return contextlib.nullcontext()
        self.pruner.attach(model)
        trainer.pruner = self.pruner
        return self.pruner


@contextlib.contextmanager
def prepare_run(
    schedule: Schedule,
    *,
    description: str,
    device: str | None,
    precision: str,
    random_state: int,
    accumulation: int,
    checkpoints: Path | None,
    resume: bool,
    pruning: Pruning | None = None,
    quantization: FakeQuantization | None = None,
) -> Iterator[Run]:
    """Seed everything, choose device and precision, and show a progress bar, inside a ``with`` block.

    Parameters
    ----------
    schedule : Schedule
    description : str
        Label of the progress bar.
    device, precision, random_state, accumulation, checkpoints, resume, pruning, quantization
        As for :func:`~fewshot.training.trainer.train_pairwise`.

    Raises
    ------
    InputError
        If a training without checkpoints shall be resumed, or a device or seed does not exist.
    """
    if resume and checkpoints is None:
        raise InputError("resume=True needs checkpoints, the folder of the run to go on with")
    device = choose_device(device)
    with (
        seeded(random_state),
        _output_folder(checkpoints) as folder,
        track(description, total=schedule.steps) as advance,
    ):
        args = _arguments(
            folder,
            schedule,
            device=device,
            half=trains_in_half(precision, device),
            random_state=random_state,
            accumulation=accumulation,
            saving=checkpoints is not None,
        )
        pruner = None if pruning is None else Pruner(pruning, schedule.steps)
        quantizer = None if quantization is None else FakeQuantizer(quantization, schedule.steps)
        beside = [callback for callback in (pruner, quantizer) if callback is not None]
        callbacks: list[TrainerCallback] = [ProgressCallback(advance), *beside]
        with torch.cuda.device(args.device) if args.device.type == "cuda" else contextlib.nullcontext():
            # checkpoints hold the random state of the current card
            yield Run(args, callbacks, schedule, device, checkpoints is not None, resume, pruner, quantizer)


@contextlib.contextmanager
def _output_folder(checkpoints: Path | None) -> Iterator[Path]:
    """Give the folder that the trainer wants; without checkpoints nothing is written to it."""
    if checkpoints is not None:
        yield Path(checkpoints)
        return
    with tempfile.TemporaryDirectory(prefix="fewshot-") as folder:
        yield Path(folder)


def _arguments(
    folder: Path,
    schedule: Schedule,
    *,
    device: str,
    half: bool,
    random_state: int,
    accumulation: int,
    saving: bool,
) -> TrainingArguments:
    args = TrainingArguments(
        output_dir=str(folder),
        max_steps=schedule.steps,
        per_device_train_batch_size=schedule.batch_size,
        gradient_accumulation_steps=accumulation,
        learning_rate=schedule.learning_rate,
        warmup_steps=round(schedule.warmup * schedule.steps),
        weight_decay=0.0,
        bf16=half,
        use_cpu=device == "cpu",
        seed=int(random_state),
        logging_steps=STEPS_UNREAD if computes_apart(device) else 1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        save_strategy="steps" if saving else "no",
        save_steps=schedule.steps_between_saves,
        remove_unused_columns=False,
        dataloader_pin_memory=device.startswith("cuda"),
        ddp_find_unused_parameters=True,  # a BERT's pooler takes no part in mean pooling
    )
    if args.n_gpu > 1:  # DataParallel would form pairs on each GPU alone; several GPUs train under torchrun
        args._n_gpu = 1
    if args.world_size == 1 and ":" in device:
        _place(args, torch.device(device))
    return args


def _place(args: TrainingArguments, device: torch.device) -> None:
    """Let the training run on this very device; transformers and accelerate would take the first of its kind."""
    vars(args)["_setup_devices"] = device  # a cached property, which ``args.device`` returns
    args.distributed_state.device = device


def _start(checkpoints: CheckpointFolder, *, resume: bool) -> str | None:
    """Return the checkpoint to go on from; the first process looks and clears for all."""
    found: list[str | None] = [None]
    if PartialState().is_main_process:
        newest = checkpoints.prepare(resume=resume)
        found = [None if newest is None else str(newest)]
    return broadcast_object_list(found)[0]


def _take_off_autocast(loss: BatchLoss) -> None:
    """Give the loss its own ``forward`` back: accelerate's would go on computing in bfloat16 after training."""
    for name in ("forward", "_original_forward"):
        vars(loss).pop(name, None)
