"""Pairwise training of a sentence-transformers model, on the trainer of transformers.

Mixed precision, gradient clipping, accumulation, several processes, checkpoints and resuming come from
``transformers.Trainer``; this module gives it the batches, the loss and quiet defaults, and says how long to train.
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from sentence_transformers import SentenceTransformer
from torch.utils.data import BatchSampler
from transformers import TrainerCallback, TrainingArguments

from fewshot.core.errors import InputError
from fewshot.core.progress import track
from fewshot.encoders.device import choose_device, has_native_bfloat16
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.callbacks import DivergenceCallback, ProgressCallback, Watch, WatchCallback
from fewshot.training.checkpoints import CheckpointFolder, batches_fingerprint, run_identity
from fewshot.training.pairwise_trainer import PairwiseTrainer
from fewshot.training.seeding import seeded

_SAVES = 5
_LEAST_BETWEEN_SAVES = 10


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
    save_every : int, optional
        Steps between checkpoints, where training writes any. Default: about 5 in a training, at least 10 steps apart.
        The last step always has one.

    Examples
    --------
    >>> Schedule(steps=200, batch_size=64, learning_rate=1e-4).steps_between_saves
    40
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.1
    save_every: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise InputError(f"steps must be 0 or more, got {self.steps}")
        if self.batch_size < 2:
            raise InputError(f"batch_size must be at least 2, since one text makes no pair; got {self.batch_size}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.save_every is not None and self.save_every < 1:
            raise InputError(f"save_every must be at least 1 step, or None for the default; got {self.save_every}")

    @property
    def steps_between_saves(self) -> int:
        """Steps between checkpoints."""
        return self.save_every or max(_LEAST_BETWEEN_SAVES, -(-self.steps // _SAVES))


def train_pairwise(
    model: SentenceTransformer,
    texts: Sequence[str],
    loss: BatchLoss,
    batches: BatchSampler,
    schedule: Schedule,
    *,
    description: str,
    device: str | None = None,
    precision: str = "auto",
    random_state: int = 0,
    checkpoints: Path | None = None,
    resume: bool = False,
    accumulation: int = 1,
    watch: Watch | None = None,
    watch_every: int = 1,
) -> list[float]:
    """Train ``model`` in place on all pairs of each batch.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder; changed in place.
    texts : sequence of str
        Training texts, each tokenized once a step that it takes part in.
    loss : BatchLoss
        A loss of this ``model``; see :mod:`fewshot.training.losses`. Its own parameters (a head's) train, too.
    batches : BatchSampler
        Yields lists of row numbers, ``schedule.steps * accumulation`` of them. Under several processes (``torchrun``)
        they are the global batches, of which each process embeds its share.
    schedule : Schedule
    description : str
        Label of the progress bar.
    device, precision : str, optional
        As for :class:`~fewshot.encoders.sentence.SentenceEncoder`; ``"auto"`` trains in bfloat16 autocast where the
        processor has it natively. Weights stay float32.
    random_state : int, default=0
    checkpoints : Path, optional
        A folder private to this run, where checkpoints are written; the caller removes it. Default: none are written.
    resume : bool, default=False
        Go on from the newest whole checkpoint, to the same weights and losses, bit by bit, as without a break; from the
        start where there is none. Otherwise older checkpoints in the folder are removed first.
    accumulation : int, default=1
        Batches a step. Pairs are formed inside each batch alone, and the loss of a step is the mean of theirs, so this
        saves memory but is not the same as one larger batch.
    watch : callable, optional
        ``watch(step, model) -> bool`` is called after every ``watch_every``-th step, with the model in eval mode;
        ``True`` ends the training. Its own memory is not in a checkpoint: a resumed run calls it for later steps only.
    watch_every : int, default=1

    Returns
    -------
    list of float
        The loss of each step, those before a resume included.

    Raises
    ------
    InputError
        If the arguments do not fit together, the checkpoints belong to another run, or the training diverges.
    """
    _check(model, loss, batches, schedule, accumulation, watch_every)
    if resume and checkpoints is None:
        raise InputError("resume=True needs checkpoints, the folder of the run to go on with")
    if schedule.steps == 0:
        return []
    device = choose_device(device)
    half = precision == "bfloat16" or (precision == "auto" and has_native_bfloat16(device))
    with (
        seeded(random_state),
        _output_folder(checkpoints) as folder,
        track(description, total=schedule.steps) as advance,
    ):
        args = _arguments(
            folder,
            schedule,
            device=device,
            half=half,
            random_state=random_state,
            accumulation=accumulation,
            saving=checkpoints is not None,
        )
        saved = _checkpoints(args, texts, loss, batches, schedule) if checkpoints is not None else None
        trainer = PairwiseTrainer(
            loss,
            args,
            texts=texts,
            batches=batches,
            callbacks=_callbacks(advance, watch, watch_every, model, random_state),
            checkpoints=saved,
        )
        trainer.train(resume_from_checkpoint=None if saved is None else _start(saved, resume=resume))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    trainer.release()
    _take_off_autocast(loss)
    model.to(device if args.world_size == 1 else args.device).eval()
    return losses


def _check(
    model: SentenceTransformer,
    loss: BatchLoss,
    batches: BatchSampler,
    schedule: Schedule,
    accumulation: int,
    watch_every: int,
) -> None:
    for name, value in (("accumulation", accumulation), ("watch_every", watch_every)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    if loss.model is not model:
        raise InputError("loss holds another model than the one to train; make it with this model")
    wanted = schedule.steps * accumulation
    if len(batches) != wanted:
        raise InputError(
            f"batches yields {len(batches)} batches, but {schedule.steps} steps of {accumulation} need {wanted}; "
            "make the sampler with that many"
        )


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
        logging_steps=1,
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
    return args


def _callbacks(
    advance: Callable[[int], None],
    watch: Watch | None,
    watch_every: int,
    model: SentenceTransformer,
    random_state: int,
) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = [ProgressCallback(advance), DivergenceCallback()]
    if watch is not None:
        callbacks.append(WatchCallback(watch, watch_every, model, random_state))
    return callbacks


def _checkpoints(
    args: TrainingArguments, texts: Sequence[str], loss: BatchLoss, batches: BatchSampler, schedule: Schedule
) -> CheckpointFolder:
    outcome = dataclasses.replace(schedule, save_every=None)  # how often to save decides nothing
    settings = (args.seed, args.gradient_accumulation_steps, args.bf16, args.world_size, batches_fingerprint(batches))
    return CheckpointFolder(
        Path(str(args.output_dir)), run_identity(texts, loss.identity(), loss, (outcome, *settings))
    )


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
