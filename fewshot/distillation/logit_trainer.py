"""``transformers.Trainer`` for a student of logits: the loss of a batch and the targets in it.

Any model is a student that returns logits, for texts or for images. Checkpoints, parameter groups and several processes
are those of :mod:`fewshot.training.example_trainer`.
"""

from typing import Any

import torch
from torch import nn
from transformers import TrainingArguments

from fewshot.distillation.layer_matcher import LayerMatcher, check_same_tokens
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.model_outputs import STUDENT, TEACHER, run_at_home, run_model, states_asked
from fewshot.training.batch_loss import BatchLoss
from fewshot.training.checkpoints import run_identity
from fewshot.training.example_trainer import ExampleTrainer, Features
from fewshot.training.processes import gather_batch


class LogitDistillationLoss(BatchLoss):
    """A student in training, its objective, and the layer losses with their projections.

    Parameters
    ----------
    model : Module
        The student.
    objective : LogitObjective
    targets : LogitTargets
    steps : int
        Steps of the training, for the ramps.
    teacher : Module, optional
        A live teacher; neither trained nor saved with the student.
    matcher : LayerMatcher, optional
        Needs the teacher.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: LogitObjective,
        targets: LogitTargets,
        *,
        steps: int,
        teacher: nn.Module | None = None,
        matcher: LayerMatcher | None = None,
    ) -> None:
        super().__init__()
        self.model, self.matcher = model, matcher
        self.objective, self.targets, self.steps = objective, targets, steps
        self._frozen = (teacher,)  # in a tuple, or torch would count its weights among ours

    @property
    def teacher(self) -> nn.Module | None:
        """The live teacher, if there is one."""
        return self._frozen[0]

    def forward(self, features: dict[str, Any], rows: torch.Tensor, step: int = 1) -> torch.Tensor:
        """Return the loss of one batch, a scalar; under several processes that of the global batch.

        Parameters
        ----------
        features : dict
            ``"student"``: arguments of the student; ``"teacher"``: those of the live teacher, where they differ;
            ``"logits"``, ``"gold"``, ``"weights"``: targets.
        rows : Tensor of shape (B,)
            Numbers of the examples.
        step : int, default=1
            The step of the training that the batch belongs to.
        """
        layers = self.matcher.losses if self.matcher is not None else ()
        ours = run_model(self.model, features["student"], states_asked(layers, STUDENT))
        given, logits, theirs = features.get("teacher", features["student"]), features.get("logits"), None
        if self.teacher is not None and (layers or logits is None):
            with torch.no_grad():
                theirs = run_at_home(self.teacher, given, states_asked(layers, TEACHER), ours.logits.device)
            logits = theirs.logits if logits is None else logits
        losses = self.objective.per_example(ours.logits, logits, features.get("gold"), step=step, steps=self.steps)
        if self.matcher is not None and theirs is not None:
            masks = features["student"].get("attention_mask"), given.get("attention_mask")
            factor = self.objective.factor("layers", step, self.steps)
            losses = losses + factor * self.matcher(ours.states, theirs.states, *masks)
        weights = features.get("weights")
        # Shares of an uneven batch differ in size, so the mean of their means would not be the batch's.
        whole, _ = gather_batch(losses if weights is None else losses * weights, rows)
        return whole.mean()

    def identity(self) -> list[str]:
        """Return objective, layer losses, targets, and the teacher's weights where it is live."""
        layers = self.matcher.losses if self.matcher is not None else ()
        teacher = run_identity((), (), self.teacher, ()) if self.teacher is not None else ""
        return [type(self).__name__, repr(self.objective), repr(layers), *self.targets.fingerprints(), teacher]

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the student at ``learning_rate``, and the projections at their own."""
        student = {"params": [p for p in self.model.parameters() if p.requires_grad], "lr": learning_rate}
        return [student, *(self.matcher.parameter_groups() if self.matcher is not None else ())]


class LogitTrainer(ExampleTrainer):
    """Trains a :class:`LogitDistillationLoss` on examples of any kind.

    Parameters
    ----------
    loss : LogitDistillationLoss
    args : TrainingArguments
    teacher_features : callable, optional
        Of a live teacher, where they differ: each batch then holds both.
    **options
        ``examples``, ``features`` (of the student), ``batches``, ``callbacks`` and ``checkpoints`` as for its base.
    """

    loss: LogitDistillationLoss

    def __init__(
        self,
        loss: LogitDistillationLoss,
        args: TrainingArguments,
        *,
        teacher_features: Features | None = None,
        **options: Any,
    ) -> None:
        self.teacher_features = teacher_features
        super().__init__(loss, args, **options)

    def _features_of(self, examples: list[Any], rows: list[int]) -> dict[str, Any]:
        features: dict[str, Any] = {"student": dict(self.features(examples)), **self.loss.targets.of(rows)}
        if self.teacher_features is not None:
            features["teacher"] = dict(self.teacher_features(examples))
            if self.loss.matcher is not None:
                check_same_tokens(self.loss.matcher.losses, features["student"], features["teacher"])
        return features

    def _told(self) -> tuple[int]:
        return (self.state.global_step + 1,)
