"""Pairwise training of a sentence-transformers model, on the trainer of transformers.

Mixed precision, gradient clipping, accumulation, several processes, checkpoints and resuming come from
``transformers.Trainer``; this module gives it the batches and the loss.
"""

from collections.abc import Sequence
from pathlib import Path

from sentence_transformers import SentenceTransformer
from torch.utils.data import BatchSampler

from fewshot.core.errors import InputError
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.callbacks import Watch, WatchCallback
from fewshot.training.fake_quant import FakeQuantization
from fewshot.training.pairwise_trainer import PairwiseTrainer
from fewshot.training.running import prepare_run
from fewshot.training.schedule import Schedule
from fewshot.training.sparsity import Pruning


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
    pruning: Pruning | None = None,
    quantization: FakeQuantization | None = None,
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
        ``True`` ends the training. Its own memory is not in a checkpoint: a resumed run calls it for later steps only,
        and tells a watcher with a method ``begin`` how many steps were done before.
    watch_every : int, default=1
    pruning : Pruning, optional
        How weights become zeros in the course of the training, such as
        :class:`~fewshot.training.sparsity.MagnitudePruning`; ``model`` has them afterwards. Default: none do.
    quantization : FakeQuantization, optional
        Train through the rounding of int8; see :class:`~fewshot.training.fake_quant.FakeQuantization`. Default: do not.

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
    if schedule.steps == 0:
        return []
    run = prepare_run(
        schedule,
        description=description,
        device=device,
        precision=precision,
        random_state=random_state,
        accumulation=accumulation,
        checkpoints=checkpoints,
        resume=resume,
        pruning=pruning,
        quantization=quantization,
    )
    with run as prepared:
        trainer = PairwiseTrainer(
            loss,
            prepared.args,
            texts=texts,
            batches=batches,
            callbacks=prepared.callbacks,
            checkpoints=prepared.checkpoints(texts, loss, batches),
        )
        if watch is not None:
            trainer.add_callback(WatchCallback(watch, watch_every, model, random_state, trainer.read_losses))
        return prepared.train(trainer, model)


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
