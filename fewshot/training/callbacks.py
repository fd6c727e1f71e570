"""What happens beside the steps of a training: the progress bar, and the watcher."""

from collections.abc import Callable
from typing import Any

from accelerate.utils import broadcast_object_list
from torch import nn
from transformers import TrainerCallback

from fewshot.core.progress import remark
from fewshot.training.seeding import seeded

Watch = Callable[[int, Any], bool]
"""Called with the number of steps done and the model; returns whether to stop."""


class ProgressCallback(TrainerCallback):
    """Moves a progress bar, with the loss beside it; a resumed training starts where it was."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar past the steps of the checkpoint."""
        self.advance(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar by one."""
        self.advance(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Show the loss of the step just done."""
        if logs and "loss" in logs:
            remark(loss=f"loss {logs['loss']:.4f}")


class WatchCallback(TrainerCallback):
    """Lets a caller look at the model now and then, and stop the training.

    The model is in eval mode while watched; random states are the training's again afterwards, so that a run with a
    watcher ends in the same weights as one without. ``check`` is called first: it ends a training that diverged. A
    watcher with a method ``begin`` is told once how many steps a checkpoint brought, 0 without one.
    """

    def __init__(
        self, watch: Watch, every: int, model: nn.Module, random_state: int, check: Callable[[], None]
    ) -> None:
        self.watch, self.every, self.model, self.random_state = watch, every, model, random_state
        self.check = check

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the watcher where the training starts."""
        if (begin := getattr(self.watch, "begin", None)) is not None:
            begin(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Call the watcher after every ``every``-th step."""
        if state.global_step % self.every:
            return
        self.check()
        was_training = self.model.training
        self.model.eval()
        try:
            with seeded(self.random_state):
                stop = bool(self.watch(state.global_step, self.model))
        finally:
            self.model.train(was_training)
        if broadcast_object_list([stop])[0]:  # the first process decides, or the others would wait for ever
            control.should_training_stop = True
