"""Training of a student on a teacher's logits, gold labels, or both: any model that returns logits.

Targets travel with each batch: the teacher's logits, computed once and looked up by the example's number, or a live
teacher with features of its own (a second encoding of the same texts). Layer losses need the live teacher. What the
examples are, texts or images, only the function that turns them into features knows.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.core.errors import InputError, TeacherError
from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.layer_matcher import LayerMatcher, check_same_tokens
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_trainer import LogitDistillationLoss, LogitTrainer
from fewshot.distillation.model_outputs import STUDENT, TEACHER, ModelOutput, StatesAsked, run_at_home, states_asked
from fewshot.training.callbacks import Watch, WatchCallback
from fewshot.training.example_trainer import Features
from fewshot.training.fake_quant import FakeQuantization
from fewshot.training.running import Run, prepare_run
from fewshot.training.samplers import ShuffledBatches
from fewshot.training.schedule import Schedule
from fewshot.training.sparsity import Pruning
from fewshot.training.targets import array_fingerprint


@dataclasses.dataclass(frozen=True)
class LiveTeacher:
    """A teacher that runs beside the student.

    Parameters
    ----------
    model : Module
        As for a student. It runs in eval mode; its weights stay as they are.
    features : callable, optional
        ``features(list of examples)`` returns its arguments: its own tokenizer. Default: it takes the student's.
    device : device or str, optional
        Where it runs, and is moved to. Default: where the student trains.
    """

    model: nn.Module
    features: Features | None = None
    device: torch.device | str | None = None


def distill_logits(
    student: nn.Module,
    examples: Sequence[Any],
    features: Features,
    targets: LogitTargets,
    schedule: Schedule,
    *,
    objective: LogitObjective | None = None,
    teacher: LiveTeacher | None = None,
    layer_losses: Sequence[LayerLoss] = (),
    accumulation: int = 1,
    device: str | None = None,
    precision: str = "auto",
    random_state: int = 0,
    checkpoints: Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    watch_every: int = 1,
    description: str = "distilling logits",
    pruning: Pruning | None = None,
    quantization: FakeQuantization | None = None,
) -> list[float]:
    """Train ``student`` in place to give a teacher's logits, gold labels, or both.

    Parameters
    ----------
    student : Module
        Any model that returns logits ``(B, n_classes)``: a classifier of transformers for texts or images, or a module
        of one's own whose output is the logits, or has them as ``logits`` or in the first place.
    examples : sequence
        What to train on: texts, images, anything that ``features`` takes.
    features : callable
        ``features(list of examples)`` returns the arguments of the student's ``forward`` as a mapping of tensors.
    targets : LogitTargets
        By number of the example: the teacher's logits, gold labels, weights.
    schedule : Schedule
        Steps, examples a batch (at least 1: ``in_pairs=False``), learning rate.
    objective : LogitObjective, optional
        Default: half gold, half teacher at temperature 2; see there.
    teacher : LiveTeacher, optional
        Run beside the student: for its logits where ``targets`` has none, and for ``layer_losses``.
    layer_losses : sequence of LayerLoss, optional
        Need the live teacher, and two models that return ``hidden_states``, or whose modules the losses name.
    accumulation : int, default=1
        Batches a step; equal to one batch of as many examples, except for temperatures that look at a whole batch.
    device, precision : str, optional
        As for :class:`~fewshot.encoders.sentence.SentenceEncoder`; ``"auto"`` trains in bfloat16 autocast where the
        processor has it natively. Weights stay float32.
    random_state : int, default=0
        Decides batches, dropout and projections.
    checkpoints : Path, optional
        A folder private to this run, where checkpoints are written; the caller removes it.
    resume : bool, default=False
        Go on from the newest whole checkpoint, to the same weights and losses, bit by bit, as without a break; from the
        start where there is none. Otherwise older checkpoints in the folder are removed first.
    watch : callable, optional
    watch_every : int, default=1
        As for :func:`~fewshot.training.trainer.train_pairwise`: a look at the student after every so many steps.
    description : str
        Label of the progress bar.
    pruning : Pruning, optional
        How weights become zeros in the course of the training, such as
        :class:`~fewshot.training.sparsity.MagnitudePruning`; ``student`` has them afterwards. Default: none do.
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
    TeacherError
        If the teacher's logits hold NaN or infinite values.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)
    >>> targets = LogitTargets(logits=points @ np.array([[3, -3, 0], [0, 3, -3]], dtype=np.float32))
    >>> stack = lambda rows: {"input": torch.from_numpy(np.stack(rows))}
    >>> losses = distill_logits(nn.Linear(2, 3), points, stack, targets, Schedule(20, 16, 0.1), device="cpu")
    >>> len(losses), losses[-1] < losses[0]
    (20, True)
    """
    objective = objective or LogitObjective()
    _check_arguments(examples, targets, objective, teacher, layer_losses, accumulation, watch_every)
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
    with run as prepared, _in_eval_mode(teacher, prepared.args.device):
        student.to(prepared.args.device)
        loss = _make_loss(student, examples, features, targets, objective, teacher, layer_losses, prepared)
        trainer = _make_trainer(prepared, loss, examples, features, teacher)
        if watch is not None:
            trainer.add_callback(WatchCallback(watch, watch_every, student, random_state, trainer.read_losses))
        return prepared.train(trainer, student)


def probe_models(
    student: nn.Module,
    examples: Sequence[Any],
    features: Features,
    teacher: LiveTeacher | None = None,
    layer_losses: Sequence[LayerLoss] = (),
    device: torch.device | str = "cpu",
) -> tuple[int, LayerMatcher | None]:
    """Run both models on two examples, so that what does not fit together is found before the long work.

    Parameters
    ----------
    student : Module
        On the device.
    examples, features, teacher, layer_losses
        As for :func:`distill_logits`.
    device : device or str, default="cpu"

    Returns
    -------
    n_classes : int
        Outputs of the student.
    matcher : LayerMatcher or None
        With fresh projections, which torch's random state decides; ``None`` without layer losses.

    Raises
    ------
    InputError
        If the models have different classes, or layers cannot be compared.
    TeacherError
        If the teacher's logits are not finite.
    """
    few = [examples[row] for row in range(2)]
    given = _moved(features(few), device)
    ours = _run_once(student, given, states_asked(layer_losses, STUDENT), device)
    n_classes = ours.logits.shape[1]
    if teacher is None:
        return n_classes, None
    for_teacher = given if teacher.features is None else _moved(teacher.features(few), device)
    teacher.model.to(teacher.device or device)
    check_same_tokens(layer_losses, given, for_teacher)
    theirs = _run_once(teacher.model, for_teacher, states_asked(layer_losses, TEACHER), device)
    if theirs.logits.shape[1] != n_classes:
        raise InputError(f"the teacher has {theirs.logits.shape[1]} classes, the student {n_classes}; make them equal")
    if not torch.isfinite(theirs.logits).all():
        raise TeacherError("the teacher's logits hold NaN or infinite values; train the teacher again")
    if not layer_losses:
        return n_classes, None
    matcher = LayerMatcher(layer_losses, ours.states, theirs.states).to(device)
    masks = given.get("attention_mask"), for_teacher.get("attention_mask")
    matcher(ours.states, theirs.states, *masks)  # a distance of one's own may fail
    return n_classes, matcher


@contextlib.contextmanager
def _in_eval_mode(teacher: LiveTeacher | None, device: torch.device) -> Iterator[None]:
    """Hold a live teacher in eval mode on its device, or else on that of the training."""
    if teacher is None:
        yield
        return
    was_training = teacher.model.training
    teacher.model.to(teacher.device or device).eval()
    try:
        yield
    finally:
        teacher.model.train(was_training)


def _make_loss(
    student: nn.Module,
    examples: Sequence[Any],
    features: Features,
    targets: LogitTargets,
    objective: LogitObjective,
    teacher: LiveTeacher | None,
    layer_losses: Sequence[LayerLoss],
    run: Run,
) -> LogitDistillationLoss:
    n_classes, matcher = probe_models(student, examples, features, teacher, layer_losses, run.args.device)
    targets.check(len(examples), n_classes, multi_label=objective.multi_label)
    live = None if teacher is None else teacher.model
    return LogitDistillationLoss(student, objective, targets, steps=run.schedule.steps, teacher=live, matcher=matcher)


def _make_trainer(
    run: Run, loss: LogitDistillationLoss, examples: Sequence[Any], features: Features, teacher: LiveTeacher | None
) -> LogitTrainer:
    batches = ShuffledBatches(
        len(examples),
        batch_size=run.schedule.batch_size,
        steps=run.schedule.steps * run.args.gradient_accumulation_steps,
        random_state=run.args.seed,
    )
    return LogitTrainer(
        loss,
        run.args,
        examples=examples,
        features=features,
        teacher_features=None if teacher is None else teacher.features,
        batches=batches,
        callbacks=run.callbacks,
        checkpoints=run.checkpoints(map(_described, examples), loss, batches),
    )


def _run_once(
    model: nn.Module, features: Mapping[str, torch.Tensor], states: StatesAsked, device: torch.device | str
) -> ModelOutput:
    was_training = model.training
    model.eval()  # dropout draws nothing, batch norms learn nothing
    try:
        with torch.no_grad():
            return run_at_home(model, features, states, device)
    finally:
        model.train(was_training)


def _moved(features: Mapping[str, torch.Tensor], device: torch.device | str) -> dict[str, torch.Tensor]:
    return {name: tensor.to(device) for name, tensor in features.items()}


def _described(example: Any) -> str:
    """Return a string that changes with an example, so that checkpoints of other examples are told apart."""
    if isinstance(example, (str, int, float)) or example is None:
        return f"{type(example).__name__} {example}"
    if isinstance(example, torch.Tensor):
        example = example.detach().cpu().numpy()
    if isinstance(example, (np.ndarray, np.generic)):
        return array_fingerprint(np.atleast_1d(example))
    if isinstance(example, Mapping):
        return repr([(name, _described(value)) for name, value in sorted(example.items())])
    if isinstance(example, (list, tuple)):
        return repr([_described(value) for value in example])
    raise InputError(
        f"checkpoints need examples that are texts, numbers, arrays or tensors, or lists and dicts of these, got "
        f"{type(example).__name__}; turn them into arrays first, or train without checkpoints"
    )


def _check_arguments(
    examples: Sequence[Any],
    targets: LogitTargets,
    objective: LogitObjective,
    teacher: LiveTeacher | None,
    layer_losses: Sequence[LayerLoss],
    accumulation: int,
    watch_every: int,
) -> None:
    for name, value in (("accumulation", accumulation), ("watch_every", watch_every)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    if len(examples) < 2:
        raise InputError(f"examples must be at least 2, got {len(examples)}")
    if layer_losses and teacher is None:
        raise InputError("layer_losses need teacher, the live model: hidden states are not computed beforehand")
    if objective.alpha < 1 and targets.logits is None and teacher is None:
        raise InputError("there is no teacher: give targets with logits, or teacher, or alpha=1 to learn gold alone")
    if objective.alpha == 1 and not targets.has_gold:
        raise InputError("alpha=1 learns gold labels alone, and targets has none; give gold labels or a lower alpha")
