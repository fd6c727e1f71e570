"""How an adaptation runs where its user did not say: the objectives by name, and the usual settings of each."""

import dataclasses
import math

from fewshot.adaptation.length_batches import batches_of
from fewshot.core.errors import InputError, did_you_mean
from fewshot.training.schedule import Schedule

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Defaults:
    """What suits an objective.

    Parameters
    ----------
    most_steps : int
        Optimizer steps at most.
    epochs : int
        Passes over the texts, where these take fewer steps.
    batch_size : int
    learning_rate : float
    share : float
        How far to go from the weights as they were (0) to the trained ones (1).
    """

    most_steps: int
    epochs: int
    batch_size: int
    learning_rate: float
    share: float


OBJECTIVES = {
    "mlm": Defaults(2000, 3, 32, 5e-5, 1.0),
    "simcse": Defaults(50, 3, 32, 1e-5, 0.5),
    "tsdae": Defaults(50, 3, 32, 3e-5, 0.5),
}
"""Every objective by name. Those of ``"tsdae"`` were measured (see :class:`fewshot.DomainAdapter`); those of ``"mlm"``
are what is usual."""


def check_share(share: float | None) -> None:
    """Raise :class:`InputError` unless ``share`` is above 0 and at most 1, or ``None`` for the objective's own."""
    if share is not None and not 0 < share <= 1:
        raise InputError(f"share must be above 0, which would change nothing, and at most 1; got {share}")


def check_objective(objective: str) -> None:
    """Raise :class:`InputError` unless there is such an objective."""
    known = (AUTO, *OBJECTIVES)
    if objective not in known:
        raise InputError(
            f"objective must be one of {', '.join(known)}, got {objective!r}.{did_you_mean(objective, known)}"
        )


def make_schedule(
    objective: str,
    n_texts: int,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
) -> Schedule:
    """Return how long and how hard to train on ``n_texts`` texts.

    Raises
    ------
    InputError
        If a number is out of range, or steps and epochs are both given.

    Examples
    --------
    >>> make_schedule("simcse", 6400, epochs=2).steps
    400
    """
    default = OBJECTIVES[objective]
    if steps is not None and epochs is not None:
        raise InputError(f"give steps or epochs, not both; got steps={steps} and epochs={epochs}")
    if epochs is not None and epochs < 1:
        raise InputError(f"epochs must be at least 1, got {epochs}")
    size = default.batch_size if batch_size is None else batch_size
    rate = default.learning_rate if learning_rate is None else learning_rate
    if steps is None:
        a_pass = batches_of(n_texts, max(1, size))
        steps = math.ceil(epochs * a_pass) if epochs is not None else min(default.most_steps, default.epochs * a_pass)
    return Schedule(steps, size, rate)
